"""Who waits for copies is told as soon as enough members hold what it waits for."""

from __future__ import annotations

from crdt import Actor, Dot
from samebox.confirmations import Confirmations, Holding, Waiting
from samebox.events import Receipt

A: Actor = b"a" * 16


def waiting(token: int, seq: int) -> Waiting:
    return Waiting(token, Receipt("main", {A: seq}), (Dot(A, seq),), copies=2)


def tokens(confirmations: Confirmations, b: Holding) -> list[int]:
    return [found.token for found, _ in confirmations.released(A, {A: 9}, [b])]


def test_they_are_released_in_the_order_of_their_operations() -> None:
    confirmations, b = Confirmations(), Holding("b", {})
    for token, seq in ((1, 3), (2, 4), (3, 9)):
        confirmations.add(waiting(token, seq), seq)
    assert tokens(confirmations, b) == []
    b.learn([(A, 4)])
    assert tokens(confirmations, b) == [1, 2]
    b.learn([(A, 9)])
    assert tokens(confirmations, b) == [3]
    assert len(confirmations) == 0


def test_a_repeated_request_does_not_wait_for_what_was_made_after_it() -> None:
    """The peer has what the request made, and then it is gone."""
    confirmations, b = Confirmations(), Holding("b", {A: 3})
    confirmations.add(waiting(1, 9), 9)
    confirmations.add(waiting(2, 3), 3)
    assert tokens(confirmations, b) == [2]
