"""Who waits for copies is told as soon as enough members hold what it waits for."""

from __future__ import annotations

from hashlib import sha256

import pytest
from typing_extensions import override

import samebox.confirmations
from comm import Ack
from crdt import (
    Actor,
    Address,
    Append,
    Blob,
    Copy,
    Create,
    Dot,
    Expunge,
    MemoryRows,
    RequestId,
)
from samebox.confirmations import Confirmations, Waiting
from samebox.events import (
    Abandoned,
    Acknowledged,
    AppendFailed,
    Asked,
    BlobStored,
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
from samebox.missing import Missing
from sim import SimCluster, SimNode

A: Actor = b"a" * 16
B: Actor = b"b" * 16
COUNT = 2000
HELLO = Blob(sha256(b"hello").digest(), 5)


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


def hash_of(seq: int) -> bytes:
    return seq.to_bytes(32, "big")


def missing_at(own: Holding, *dots: Dot) -> Missing:
    made = Missing(MemoryRows(), own)
    for dot in dots:
        made._note(Blob(hash_of(dot.seq), 1), dot)
    return made


def named(confirmations: Confirmations) -> dict[int, tuple[str, ...]]:
    return {found.token: nodes for found, nodes in confirmations.released()}


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


@pytest.mark.parametrize("copies", [1, 2])
def test_what_others_hold_and_this_node_does_not_is_waited_for(copies: int) -> None:
    """Who was told would not find it here."""
    own, b, c = Holding("a"), Looks("b"), Looks("c")
    confirmations = Confirmations(own, [b, c])
    for other in (b, c):
        other.learn([(B, 3)])
    confirmations.add(Waiting(1, Receipt("main", {B: 3}), (), copies))
    assert named(confirmations) == {}
    own.learn([(B, 3)])
    assert named(confirmations) == {1: ("a", "b", "c")}


def test_a_repeated_request_does_not_wait_for_what_was_made_after_it() -> None:
    """The peer has what the request made, and then it is gone."""
    confirmations, b = two()
    b.learn([(A, 3)])
    confirmations.add(waiting(1, 9))
    confirmations.add(waiting(2, 3))
    assert tokens(confirmations) == [2]


def test_callers_are_answered_in_the_order_in_which_they_asked() -> None:
    """Whatever they wait for, and by how many members it has to be held."""
    confirmations, b = two()
    confirmations.add(waiting(1, 5, copies=1))
    confirmations.add(Waiting(2, Receipt("main", {A: 5, B: 0}), (), 2))
    confirmations.add(waiting(3, 6))
    confirmations.add(waiting(4, 6, copies=1))
    confirmations.add(waiting(5, 6))
    b.learn([(A, 6)])
    assert tokens(confirmations) == [1, 2, 3, 4, 5]


def test_a_line_names_the_members_that_hold_each_operation() -> None:
    b, c = Holding("b", [(A, 7)]), Holding("c", [(A, 5)])
    confirmations = Confirmations(Holding("a", [(A, 6)]), [b, c])
    for seq in range(4, 9):
        confirmations.add(waiting(seq, seq))
    assert named(confirmations) == {4: ("a", "b", "c"), 5: ("a", "b", "c"), 6: ("a", "b")}
    assert confirmations.abandon(8) is not None
    confirmations.add(waiting(9, 8))
    confirmations._own.reached(A, 9)
    assert named(confirmations) == {7: ("a", "b")}
    c.learn([(A, 8)])
    assert named(confirmations) == {9: ("a", "c")}
    assert (len(confirmations), confirmations._lines) == (0, {})


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


def test_this_node_counts_for_two_copies_only_with_the_blobs_and_for_one_without_too() -> None:
    own, b, c = Holding("a", [(A, 9)]), Holding("b", [(A, 9)]), Holding("c")
    confirmations = Confirmations(own, [b, c])
    missing = missing_at(own, Dot(A, 5), Dot(A, 6))
    for token, seq, copies in ((1, 5, 1), (2, 5, 2), (3, 6, 2), (4, 7, 2), (5, 10, 1)):
        confirmations.add(waiting(token, seq, copies))
    confirmations.add(Waiting(6, Receipt("main", {A: 9}), (), 2))
    assert named(confirmations) == {1: ("a", "b"), 4: ("a", "b")}
    assert confirmations.nodes(waiting(1, 5, copies=1)) == ("a", "b")
    assert confirmations.nodes(waiting(2, 5)) == ("b",), "nor is it named to who gives up"
    missing.stored(hash_of(5))
    assert named(confirmations) == {2: ("a", "b")}
    c.learn([(A, 9)])
    assert named(confirmations) == {3: ("b", "c"), 6: ("b", "c")}, "enough others have them"
    assert confirmations.nodes(waiting(5, 10, copies=1)) == ()


def test_enough_others_do_not_answer_where_the_operations_are_not_synced_here() -> None:
    own = Holding("a", [(A, 4)])
    confirmations = Confirmations(own, [Holding("b", [(A, 9)]), Holding("c", [(A, 9)])])
    missing_at(own, Dot(A, 5))
    confirmations.add(waiting(1, 5))
    assert named(confirmations) == {}
    own.reached(A, 5)
    assert named(confirmations) == {1: ("b", "c")}


def test_a_blob_that_came_here_costs_those_who_wait_for_it() -> None:
    own = Looks("a", [(A, COUNT)])
    confirmations = Confirmations(own, [Holding("b", [(A, COUNT)])])
    missing = missing_at(own, *[Dot(A, seq) for seq in range(1, COUNT + 1)])
    for seq in range(1, COUNT):
        confirmations.add(waiting(seq, seq))
    confirmations.add(Waiting(COUNT, Receipt("main", {A: COUNT}), (), 2))
    assert tokens(confirmations) == []
    own.count = 0
    for seq in range(1, COUNT + 1):
        missing.stored(hash_of(seq))
        assert tokens(confirmations) == [seq]
    assert own.count == COUNT
    assert (own._lacking, own._without) == ({}, {})


def test_what_is_missing_is_made_anew_and_who_waits_sees_that() -> None:
    own = Holding("a", [(A, 9)])
    confirmations = Confirmations(own, [Holding("b", [(A, 9)])])
    missing_at(own, Dot(A, 5), Dot(A, 6))
    confirmations.add(waiting(1, 5))
    confirmations.add(waiting(2, 6))
    assert tokens(confirmations) == []
    again = missing_at(own, Dot(A, 6))
    assert tokens(confirmations) == [1]
    again.stored(hash_of(6))
    assert tokens(confirmations) == [2]


def test_a_copy_here_is_none_until_its_blob_has_come() -> None:
    cluster, a = with_a_blob_missing_at_a()
    a.tell(WaitAsked(101, dict(a.replica.clock), 1), WaitAsked(102, dict(a.replica.clock), 2))
    (entry,) = a.replica.missing.listed()[0]
    source, target = Address("mail", "INBOX"), Address("mail", "Else")
    cluster.ask("a", Create(target))
    copied = cluster.ask("a", Copy(source, target, (entry,)), copies=2)
    cluster.heal()
    local = a.outcomes[101]
    assert isinstance(local, Done) and local.nodes == ("a", "b")
    assert 102 not in a.outcomes and copied not in a.outcomes
    a.tell(WaitAsked(103, dict(a.replica.clock), 2), Abandoned(103))
    late = a.outcomes[103]
    assert isinstance(late, Late) and late.nodes == ("b",)
    a.tell(BlobStored(HELLO.hash))
    for token in (102, copied):
        outcome = a.outcomes[token]
        assert isinstance(outcome, Done) and outcome.nodes == ("a", "b")


def test_a_blob_that_nothing_names_any_more_holds_nobody_back() -> None:
    cluster, a = with_a_blob_missing_at_a()
    a.tell(WaitAsked(101, dict(a.replica.clock), 2))
    assert 101 not in a.outcomes
    (entry,) = a.replica.missing.listed()[0]
    cluster.ask("b", Expunge(Address("mail", "INBOX"), (entry,)))
    cluster.heal()
    cluster.heal()
    assert not a.replica.missing.listed()[0]
    assert isinstance(a.outcomes[101], Done)


def with_a_blob_missing_at_a() -> tuple[SimCluster, SimNode]:
    cluster = SimCluster(["a", "b"])
    cluster.heal()
    a = cluster.nodes["a"]
    a.replica._holds_blob = lambda blob: False
    cluster.ask("b", Create(Address("mail")))
    cluster.ask("b", Append(Address("mail", "INBOX"), HELLO))
    cluster.heal()
    assert len(a.replica.missing) == 1
    return cluster, a


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
    assert b.count == 10
    b.lists([Dot(A, 5)], more=True)
    b.lists([], more=False)
    assert tokens(confirmations) == []
    assert b.count == 10


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
    assert confirmations.room


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
    assert confirmations.room
    confirmations.add(Waiting(1, Receipt("main", clock), (), 2))
    assert not confirmations.room
    confirmations.abandon(1)
    assert confirmations.room


@pytest.mark.parametrize("forked", [None, Dot(B, 1)])
def test_who_was_refused_is_told_so_though_the_batch_beside_could_not_be_written(
    forked: Dot | None,
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
