"""Who waits for copies is told as soon as enough members hold what it waits for."""

from __future__ import annotations

import pytest
from typing_extensions import override

import samebox.confirmations
from comm import Ack
from crdt import Actor, Address, Create, Dot, RequestId
from samebox.confirmations import Confirmations, Waiting
from samebox.events import (
    Abandoned,
    Acknowledged,
    AppendFailed,
    Asked,
    Done,
    Doubt,
    Failure,
    Late,
    LinkUp,
    Receipt,
    Refusal,
    WaitAsked,
)
from samebox.holding import Holding, Lack
from sim import SimCluster

A: Actor = b"a" * 16
B: Actor = b"b" * 16
COUNT = 2000


class Looks(Holding):
    """Counts how often it is looked at whether somebody need wait no more."""

    count = 0

    @override
    def lacks(self, receipt: Receipt, dots: tuple[Dot, ...]) -> Lack | None:
        self.count += 1
        return super().lacks(receipt, dots)


def waiting(token: int, seq: int, copies: int = 2) -> Waiting:
    return Waiting(token, Receipt("main", {A: seq}), (Dot(A, seq),), copies)


def two() -> tuple[Confirmations, Looks]:
    b = Looks("b")
    return Confirmations(Holding("a", [(A, COUNT)]), [b]), b


def tokens(confirmations: Confirmations) -> list[int]:
    return [found.token for found, _ in confirmations.released()]


def test_they_are_released_in_the_order_of_their_operations() -> None:
    confirmations, b = two()
    for token, seq in ((1, 3), (2, 4), (3, 9)):
        confirmations.add(waiting(token, seq))
    assert tokens(confirmations) == []
    b.learn([(A, 4)])
    assert tokens(confirmations) == [1, 2]
    b.learn([(A, 9)])
    assert tokens(confirmations) == [3]
    assert len(confirmations) == 0


def test_a_repeated_request_does_not_wait_for_what_was_made_after_it() -> None:
    """The peer has what the request made, and then it is gone."""
    confirmations, b = two()
    b.learn([(A, 3)])
    confirmations.add(waiting(1, 9))
    confirmations.add(waiting(2, 3))
    assert tokens(confirmations) == [2]


def test_three_copies_wait_for_the_second_peer_also_where_the_first_comes_back_with_less() -> None:
    b, c = Holding("b"), Holding("c")
    confirmations = Confirmations(Holding("a", [(A, 9)]), [b, c])
    confirmations.add(waiting(1, 5, copies=3))
    b.learn([(A, 5)])
    assert tokens(confirmations) == []
    b.greeted([(A, 2)], [], [])
    c.learn([(A, 5)])
    assert tokens(confirmations) == []
    b.learn([(A, 5)])
    assert tokens(confirmations) == [1]


def test_a_copy_without_its_blob_is_none_until_the_blob_is_there() -> None:
    confirmations, b = two()
    b.learn([(A, 9)])
    b.lists([Dot(A, 5)], more=False)
    confirmations.add(waiting(1, 5))
    confirmations.add(waiting(2, 6))
    confirmations.add(Waiting(3, Receipt("main", {A: 9}), (), 2))
    assert tokens(confirmations) == [2]
    b.lists([], more=True)
    assert tokens(confirmations) == []
    b.lists([], more=False)
    assert tokens(confirmations) == [1, 3]


def test_a_doubt_and_another_history_hold_a_confirmation_back_until_they_are_over() -> None:
    confirmations, b = two()
    b.greeted([(A, 9)], [], [Doubt(A, 9, b"chain")])
    confirmations.add(waiting(1, 5))
    assert tokens(confirmations) == []
    assert confirmations.nodes(waiting(1, 5)) == ("a",), "nor is it named to who gives up"
    b.reached_here({Dot(A, 9): b"another"})
    assert tokens(confirmations) == []
    b.reached_here({Dot(A, 9): b"chain"})
    assert tokens(confirmations) == [1]
    b.fork(A)
    b.learn([(A, 12)])
    confirmations.add(waiting(2, 12))
    assert tokens(confirmations) == []
    b.joined(A)
    assert tokens(confirmations) == [2]


def test_an_acknowledgement_costs_what_it_fulfils_however_many_wait() -> None:
    confirmations, b = two()
    for seq in range(1, COUNT + 1):
        confirmations.add(waiting(seq, seq))
        confirmations.add(Waiting(COUNT + seq, Receipt("main", {A: seq, B: 1}), (), 2))
    assert tokens(confirmations) == []
    b.count = 0
    for seq in range(1, 11):
        b.learn([(A, seq)])
        assert tokens(confirmations) == [seq]
    assert b.count == 20
    b.lists([Dot(A, 5)], more=True)
    b.lists([], more=False)
    assert tokens(confirmations) == []
    assert b.count == 20


def test_who_has_gone_leaves_nothing_behind() -> None:
    confirmations, b = two()
    b.learn([(A, COUNT)])
    b.lists([Dot(A, 5)], more=False)
    confirmations.add(waiting(1, 5))
    b.lists([Dot(A, 5)], more=True)
    confirmations.add(waiting(2, 6))
    confirmations.add(waiting(3, COUNT + 1))
    assert tokens(confirmations) == []
    for token in (1, 2, 3):
        assert confirmations.abandon(token) is not None
    assert (b._lacking, b._behind, b._without, b._unclear) == ({}, {}, {}, {})
    assert confirmations._own._behind == {}
    assert not confirmations.is_full()


@pytest.fixture
def room_for_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samebox.confirmations, "CALLERS_MAX", 3)


@pytest.mark.usefixtures("room_for_three")
def test_where_a_peer_is_dead_callers_wait_up_to_a_bound_and_local_writes_go_on() -> None:
    """Beyond, who wants copies is told at once that it cannot be done now; nothing was made."""
    cluster = SimCluster(["a", "b"])
    a = cluster.nodes["a"]
    cluster.settle("a")
    asked = [cluster.ask("a", Create(Address(f"mail/{n}")), copies=2) for n in range(5)]
    cluster.settle("a")
    assert [type(a.outcomes.get(token)) for token in asked] == [*[type(None)] * 3, Failure, Failure]
    assert a.replica.clock == {a.replica.actor: 4}
    a.tell(WaitAsked(77, {B: 1}))
    assert isinstance(a.outcomes[77], Failure)
    local = cluster.ask("a", Create(Address("mail/local")))
    cluster.settle("a")
    assert isinstance(a.outcomes[local], Done)
    a.tell(Abandoned(asked[0]))
    assert isinstance(a.outcomes[asked[0]], Late)
    again = cluster.ask("a", Create(Address("mail/4")), copies=2)
    cluster.heal()
    assert isinstance(a.outcomes[again], Done)


def test_what_the_waits_name_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samebox.confirmations, "NAMED_MAX", 10)
    confirmations, _ = two()
    clock = {bytes([n]) * 16: 1 for n in range(11)}
    assert not confirmations.is_full()
    confirmations.add(Waiting(1, Receipt("main", clock), (), 2))
    assert confirmations.is_full()
    confirmations.abandon(1)
    assert not confirmations.is_full()


@pytest.mark.parametrize("forked", [None, B])
def test_who_was_refused_is_told_so_though_the_batch_beside_could_not_be_written(
    forked: Actor | None,
) -> None:
    cluster = SimCluster(["a", "b"])
    a = cluster.nodes["a"]
    cluster.settle("a")
    too_many, good = (
        Asked(number, Create(Address("mail")), RequestId(b"sim-test", number), (), copies)
        for number, copies in ((1, 9), (2, 1))
    )
    a.tell(too_many, good)
    assert a.batch is not None
    number, a.batch = a.batch.number, None
    a.tell(AppendFailed(number, "the disk is full", forked))
    cluster.settle("a")
    assert isinstance(a.outcomes[1], Refusal)
    assert isinstance(a.outcomes[2], Failure if forked is None else Done)


def test_a_deadline_ends_also_for_who_waits_for_a_new_actor() -> None:
    """On a full disk that may take for ever."""
    cluster = SimCluster(["a", "b"])
    a = cluster.nodes["a"]
    cluster.settle("a")
    own, asked = a.replica.actor, Asked(1, Create(Address("mail")), RequestId(b"sim-test", 1))
    assert own is not None
    a.tell(LinkUp(7, "b", {}))
    assert a.replica.step([Acknowledged(7, Ack([(own, 99)]))]).mint is not None
    assert a.replica.step([asked]).replies == []
    ((token, outcome),) = a.replica.step([Abandoned(1)]).replies
    assert token == 1 and isinstance(outcome, Failure)
    assert a.replica.clock == {own: 1}
