"""Delivery is causal and exactly once per dot, whatever order, loss and return there is."""

from collections.abc import Callable
from random import Random
from typing import TypeAlias

import pytest
from typing_extensions import override

from comm import Delivery, Offered, Want
from comm.delivery import HEARD_MAX
from crdt import Actor, Dot
from tests.comm.causality import Naive, Op, offer, op, random_history
from tests.comm.phrases import A, B, C, actor

Make: TypeAlias = Callable[..., Delivery[Op]]


# --- One situation each -----------------------------------------------------------------------


def test_what_follows_the_clock_is_delivered_at_once() -> None:
    delivery: Delivery[Op] = Delivery({A: 3})
    assert delivery.offer(op(A, 4), 1) is Offered.DELIVER
    assert delivery.offer(op(B, 1, (A, 4)), 1) is Offered.DELIVER
    assert delivery.clock == {A: 4, B: 1}


def test_an_operation_waits_for_its_last_dependency_and_no_longer() -> None:
    delivery: Delivery[Op] = Delivery({})
    assert offer(delivery, op(C, 1, (A, 1), (B, 1))) == []
    assert delivery.blocked == {C: Dot(A, 1)}
    assert offer(delivery, op(A, 1)) == [Dot(A, 1)]
    assert delivery.blocked == {C: Dot(B, 1)}
    assert offer(delivery, op(B, 1)) == [Dot(B, 1), Dot(C, 1)]
    assert delivery.blocked == {} and delivery.waiting == 0


def test_what_waits_behind_a_waiting_one_comes_in_order() -> None:
    delivery: Delivery[Op] = Delivery({})
    waiting = [op(B, 1, (A, 1)), op(B, 2), op(B, 3, (A, 2)), op(C, 1, (B, 2))]
    assert offer(delivery, *waiting) == []
    assert delivery.waiting == 4
    assert offer(delivery, op(A, 1)) == [Dot(A, 1), Dot(B, 1), Dot(B, 2), Dot(C, 1)]
    assert offer(delivery, op(A, 2)) == [Dot(A, 2), Dot(B, 3)]


def test_a_dot_is_taken_once_whether_it_was_delivered_or_waits() -> None:
    delivery: Delivery[Op] = Delivery({A: 1})
    offer(delivery, op(B, 1, (A, 2)))
    for again in (op(A, 1), op(B, 1, (A, 2))):
        assert delivery.offer(again, 1) is Offered.DUPLICATE
    assert delivery.waiting == 1


def test_behind_a_hole_nothing_is_kept_and_the_range_is_asked_for() -> None:
    delivery: Delivery[Op] = Delivery({A: 2})
    assert delivery.offer(op(A, 5), 1) is Offered.GAP
    assert delivery.waiting == 0
    assert delivery.wanted() == [Want(A, 3, 5)]
    offer(delivery, op(A, 3))
    assert delivery.wanted() == [Want(A, 4, 5)]
    offer(delivery, op(A, 4), op(A, 5))
    assert delivery.wanted() == []


def test_dependencies_that_were_never_received_are_asked_for() -> None:
    delivery: Delivery[Op] = Delivery({A: 1})
    offer(delivery, op(B, 1, (A, 4), (C, 2)))
    assert delivery.wanted() == [Want(A, 2, 4), Want(C, 1, 2)]


def test_dependencies_that_wait_themselves_are_not_asked_for() -> None:
    delivery: Delivery[Op] = Delivery({})
    offer(delivery, op(A, 1, (C, 1)), op(B, 1, (A, 1)))
    assert delivery.wanted() == [Want(C, 1, 1)]


def test_at_the_bound_what_would_wait_is_dropped_and_asked_for_when_there_is_room() -> None:
    delivery: Delivery[Op] = Delivery({}, waiting_max=1)
    assert delivery.offer(op(B, 1, (A, 1)), 1) is Offered.WAITING
    assert delivery.offer(op(B, 2), 1) is Offered.FULL
    assert delivery.offer(op(C, 1, (A, 2)), 1) is Offered.FULL
    assert delivery.waiting == 1
    assert delivery.wanted() == [Want(A, 1, 2), Want(C, 1, 1)]
    assert offer(delivery, op(A, 1)) == [Dot(A, 1), Dot(B, 1)]
    assert delivery.wanted() == [Want(A, 2, 2), Want(B, 2, 2), Want(C, 1, 1)]


def test_at_the_bound_what_can_be_delivered_is() -> None:
    delivery: Delivery[Op] = Delivery({}, waiting_max=0)
    assert delivery.offer(op(B, 1, (A, 1)), 1) is Offered.FULL
    assert offer(delivery, op(A, 1), op(B, 1, (A, 1))) == [Dot(A, 1), Dot(B, 1)]


def test_the_bound_counts_bytes_too() -> None:
    delivery: Delivery[Op] = Delivery({}, waiting_bytes_max=100)
    assert delivery.offer(op(B, 1, (A, 1)), 100) is Offered.WAITING
    assert delivery.offer(op(C, 1, (A, 1)), 1) is Offered.FULL
    assert delivery.waiting_bytes == 100
    offer(delivery, op(A, 1))
    assert delivery.waiting_bytes == 0
    assert delivery.offer(op(C, 1, (A, 2)), 101) is Offered.FULL


def test_of_a_frozen_actor_nothing_is_taken_nor_kept_nor_asked_for() -> None:
    delivery: Delivery[Op] = Delivery({})
    offer(delivery, op(B, 1, (A, 1)), op(C, 1, (B, 1)))
    delivery.heard_of(B, 7)
    delivery.freeze(B)
    assert delivery.is_frozen(B) and delivery.frozen == (B,)
    assert delivery.waiting == 1 and delivery.blocked == {C: Dot(B, 1)}
    assert delivery.offer(op(B, 1, (A, 1)), 1) is Offered.FROZEN
    assert delivery.wanted() == [Want(A, 1, 1)]
    assert offer(delivery, op(A, 1)) == [Dot(A, 1)]


def test_strangers_cannot_make_it_remember_without_bound() -> None:
    delivery: Delivery[Op] = Delivery({})
    for number in range(HEARD_MAX + 1):
        delivery.heard_of(actor(f"stranger {number}"), 2)
    assert len(delivery.wanted()) == HEARD_MAX
    delivery.heard_of(actor("stranger 0"), 9)
    assert delivery.wanted()[0].last == 9


def test_of_many_actors_some_are_asked_for_at_a_time_and_all_in_turn() -> None:
    delivery: Delivery[Op] = Delivery({})
    for number in range(5):
        delivery.heard_of(actor(f"stranger {number}"), 2)
    turns = [[want.actor for want in delivery.wanted(2)] for _ in range(3)]
    assert [len(turn) for turn in turns] == [2, 2, 2]
    assert len({one for turn in turns for one in turn}) == 5


def test_strangers_do_not_keep_it_from_remembering_what_is_missing_of_others() -> None:
    delivery: Delivery[Op] = Delivery({A: 3})
    for number in range(HEARD_MAX):
        delivery.heard_of(actor(f"stranger {number}"), 2)
    delivery.heard_of(A, 5)
    assert Want(A, 4, 5) in [*delivery.wanted(), *delivery.wanted()]


def test_an_iteration_given_up_is_taken_up_by_the_next() -> None:
    delivery: Delivery[Op] = Delivery({})
    offer(delivery, op(B, 1, (A, 1)), op(B, 2), op(C, 1, (A, 1)))
    delivery.offer(op(A, 1), 1)
    for released in delivery.ready():
        assert released.dot == Dot(B, 1)
        break
    assert [released.dot for released in delivery.ready()] == [Dot(B, 2), Dot(C, 1)]


def test_what_was_received_since_the_snapshot_is_asked_for_again() -> None:
    delivery: Delivery[Op] = Delivery({A: 1})
    offer(delivery, op(B, 1, (A, 3)))
    mark = delivery.snapshot()
    offer(delivery, op(A, 2), op(A, 3), op(C, 1, (B, 2)))
    delivery.restore(mark)
    assert delivery.clock == {A: 1}
    assert (delivery.waiting, delivery.waiting_bytes) == (1, 1)
    assert delivery.blocked == {B: Dot(A, 3)}
    assert sorted(delivery.wanted(), key=lambda want: want.actor) == sorted(
        [Want(A, 2, 3), Want(B, 2, 2), Want(C, 1, 1)], key=lambda want: want.actor
    )
    assert offer(delivery, op(A, 2), op(A, 3)) == [Dot(A, 2), Dot(A, 3), Dot(B, 1)]


def test_a_freeze_outlasts_the_return_to_a_snapshot() -> None:
    delivery: Delivery[Op] = Delivery({})
    offer(delivery, op(B, 1, (A, 1)), op(B, 2))
    mark = delivery.snapshot()
    offer(delivery, op(A, 1), op(B, 3, (C, 1)))
    delivery.freeze(B)
    delivery.restore(mark)
    assert delivery.clock == {} and delivery.waiting == 0
    assert offer(delivery, op(A, 1)) == [Dot(A, 1)]


def test_an_older_snapshot_is_gone() -> None:
    delivery: Delivery[Op] = Delivery({})
    older = delivery.snapshot()
    newer = delivery.snapshot()
    with pytest.raises(AssertionError, match="only the latest"):
        delivery.restore(older)
    delivery.restore(newer)


# --- Random histories -------------------------------------------------------------------------

TURNS_MAX = 1000


def deliver_randomly(make: Make, seed: int) -> None:
    """One random history arrives in random order, doubled, lost, asked for, with returns to a
    snapshot in between. All must be delivered once and in causal order, and nothing must wait
    longer than the naive model makes it wait."""
    random = Random(seed)
    ops = random_history(random)
    by_dot = {one.dot: one for one in ops}
    bound = random.choice([0, 1, 2, 100])
    delivery = make({}, waiting_max=bound)
    delivered: list[Dot] = []
    mark, marked = delivery.snapshot(), 0
    naive: Naive | None = Naive() if bound == 100 and random.random() < 0.5 else None
    arrivals = random.choices(ops, k=len(ops) * 2)
    turns = 0
    while arrivals or len(delivered) < len(ops):
        turns += 1
        assert turns < TURNS_MAX, "not all is delivered though all that is wanted comes"
        if not arrivals:
            wants = delivery.wanted()
            last = max(ops, key=lambda one: random.random())
            delivery.heard_of(*last.dot)
            seqs = [(w.actor, seq) for w in wants for seq in range(w.first, w.last + 1)]
            arrivals = [by_dot[Dot(*dot)] for dot in seqs]
            if random.random() < 0.5:
                random.shuffle(arrivals)
        for one in arrivals:
            new = take(delivery, one, delivered)
            if naive is not None and offered_once(one, delivered, naive, delivery):
                assert set(new) == naive.offer(one), "it waited longer than it had to"
            delivered += new
            check(delivery, delivered, by_dot, bound)
            if random.random() < 0.2 and naive is None:
                if random.random() < 0.5:
                    mark, marked = delivery.snapshot(), len(delivered)
                else:
                    delivery.restore(mark)
                    del delivered[marked:]
                    check(delivery, delivered, by_dot, bound)
        arrivals = []


def offered_once(one: Op, delivered: list[Dot], naive: Naive, delivery: Delivery[Op]) -> bool:
    """The model keeps what comes behind a hole, Delivery does not: compare what both keep."""
    known = [*delivered, *(kept.dot for kept in naive.kept)]
    return one.dot not in known and one.dot.seq <= delivery.received(one.dot.actor)


def take(delivery: Delivery[Op], one: Op, delivered: list[Dot]) -> list[Dot]:
    received = delivery.received(one.dot.actor)
    offered = delivery.offer(one, 1)
    assert (offered is Offered.DUPLICATE) == (one.dot.seq <= received)
    assert (offered is Offered.GAP) == (one.dot.seq > received + 1)
    new = [one.dot] if offered is Offered.DELIVER else []
    return new + [released.dot for released in delivery.ready()]


def check(delivery: Delivery[Op], delivered: list[Dot], by_dot: dict[Dot, Op], bound: int) -> None:
    assert len(set(delivered)) == len(delivered), "delivered twice"
    clock: dict[Actor, int] = {}
    for dot in delivered:
        assert dot.seq == clock.get(dot.actor, 0) + 1, "out of its actor's order"
        context = by_dot[dot].context
        assert all(clock.get(a, 0) >= s for a, s in context.items()), "before its context"
        clock[dot.actor] = dot.seq
    assert delivery.clock == clock, "the clock is not that of what was delivered"
    assert delivery.waiting <= bound, "more waits than there is room for"
    assert delivery.waiting_bytes == delivery.waiting
    for who, missing in delivery.blocked.items():
        assert clock.get(missing.actor, 0) < missing.seq, f"{who.hex()} was not woken"


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in range(1, 4))]
)
def test_thousands_of_histories(block: int) -> None:
    for seed in range(block * 500, block * 500 + 500):
        deliver_randomly(Delivery, seed)


# --- Planted mistakes -------------------------------------------------------------------------


class ForgetsAllButTheFirst(Delivery[Op]):
    @override
    def _missing(self, item: Op) -> Dot | None:
        first = Op(item.dot, item.context, item.dependencies[:1])
        return super()._missing(first)


class WakesOneOnly(Delivery[Op]):
    @override
    def _advance(self, actor: Actor) -> None:
        dot = Dot(actor, self._clock.get(actor, 0) + 1)
        for waiter in self._waiters.get(dot, [])[1:]:
            self._waiters[dot].remove(waiter)
        super()._advance(actor)


class OvertakesTheQueue(Delivery[Op]):
    @override
    def offer(self, item: Op, size: int) -> Offered:
        expected = self._clock.get(item.dot.actor, 0) + 1
        if item.dot.seq >= expected and self._missing(item) is None:
            self._clock[item.dot.actor] = item.dot.seq
            return Offered.DELIVER
        return super().offer(item, size)


class TakesTwice(Delivery[Op]):
    @override
    def offer(self, item: Op, size: int) -> Offered:
        offered = super().offer(item, size)
        return Offered.DELIVER if offered is Offered.DUPLICATE else offered


class ForgetsWhatItDropped(Delivery[Op]):
    @override
    def heard_of(self, actor: Actor, seq: int) -> None:
        if seq > self.received(actor) + 1:
            super().heard_of(actor, seq)


class KeepsBeyondTheBound(Delivery[Op]):
    @override
    def _keep(self, item: Op, size: int, missing: Dot | None = None) -> Offered:
        self._waiting_max += 1
        return super()._keep(item, size, missing)


class ForgetsToWakeAfterReturn(Delivery[Op]):
    @override
    def _index(self) -> None:
        super()._index()
        self._waiters.clear()


class ReturnsTheClockAlone(Delivery[Op]):
    @override
    def _undo(self, step: object) -> None:
        pass


MISTAKES = [
    ForgetsAllButTheFirst,
    WakesOneOnly,
    OvertakesTheQueue,
    TakesTwice,
    ForgetsWhatItDropped,
    KeepsBeyondTheBound,
    ForgetsToWakeAfterReturn,
    ReturnsTheClockAlone,
]


@pytest.mark.parametrize("mistaken", MISTAKES)
def test_a_planted_mistake_is_caught(mistaken: type[Delivery[Op]]) -> None:
    with pytest.raises((AssertionError, LookupError)):
        for seed in range(300):
            deliver_randomly(mistaken, seed)
