"""What was delivered or kept and is not taken after all, also where a snapshot is restored."""

from __future__ import annotations

from comm import Delivery, Offered, Want
from crdt import Dot
from tests.comm.causality import Op, offer, op
from tests.comm.phrases import A, B, C


def test_what_is_refused_was_never_delivered_and_is_asked_for_again() -> None:
    delivery: Delivery[Op] = Delivery({})
    offer(delivery, op(B, 1), op(C, 1, (B, 2)))
    snapshot = delivery.snapshot()
    assert delivery.offer(op(B, 2), 1) is Offered.DELIVER
    delivery.refuse(Dot(B, 2))
    assert list(delivery.ready()) == []
    assert delivery.clock == {B: 1} and delivery.blocked == {C: Dot(B, 2)}
    assert Want(B, 2, 2) in delivery.wanted()
    delivery.restore(snapshot)
    assert delivery.clock == {B: 1} and delivery.waiting == 1
    assert offer(delivery, op(B, 2)) == [Dot(B, 2), Dot(C, 1)]


def test_what_waits_and_is_dropped_stays_away_where_the_snapshot_is_restored() -> None:
    delivery: Delivery[Op] = Delivery({})
    offer(delivery, op(B, 1, (A, 1)))
    snapshot = delivery.snapshot()
    offer(delivery, op(B, 2))
    delivery.drop(B)
    offer(delivery, op(B, 1, (A, 1)))
    delivery.restore(snapshot)
    assert (delivery.waiting, delivery.received(B)) == (0, 0)
    assert Want(B, 1, 2) in delivery.wanted()
    assert offer(delivery, op(A, 1), op(B, 1, (A, 1))) == [Dot(A, 1), Dot(B, 1)]


def test_who_was_frozen_and_is_not_any_more_is_taken_from_where_it_stood() -> None:
    delivery: Delivery[Op] = Delivery({})
    offer(delivery, op(B, 1), op(B, 2, (A, 1)))
    snapshot = delivery.snapshot()
    delivery.freeze(B)
    delivery.thaw(B)
    delivery.restore(snapshot)
    assert delivery.clock == {B: 1} and delivery.waiting == 0
    assert offer(delivery, op(B, 2)) == [Dot(B, 2)]
