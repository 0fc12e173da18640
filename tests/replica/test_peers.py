"""What peers are told, and what is kept of what they say."""

from __future__ import annotations

from hashlib import sha256

from comm import ACTORS_MAX, MISSING_MAX, Ack, Range, Want
from crdt import Actor, Address, Blob, Create, Dot, MemoryRows, Record, RequestId
from samebox.events import (
    Acknowledged,
    AppendFailed,
    Arrived,
    Asked,
    Done,
    LinkDown,
    LinkUp,
    Tick,
    Wanted,
)
from samebox.holding import Holding
from samebox.missing import FETCH_MAX, Missing
from samebox.outgoing import RANGES_MAX, Outgoing
from samebox.peers import Peers
from sim import SimCluster

A: Actor = b"a" * 16
B: Actor = b"b" * 16


def peers() -> Peers:
    made = Peers("a", ["a", "b"])
    made.up(LinkUp(1, "b", {}), A, {A: 2000})
    return made


def missing(count: int) -> Missing:
    rows = MemoryRows()
    rows.begin()
    made = Missing(rows, Holding("a"))
    for seq in range(1, count + 1):
        made.add(Blob(sha256(b"%d" % seq).digest(), 1), Dot(A, seq))
    return made


def test_a_list_of_missing_blobs_that_has_become_whole_is_told() -> None:
    made, lacking = peers(), missing(MISSING_MAX + 1)
    assert [ack for _, ack in made.acks(lacking.listed())] == [Ack([(A, 2000)], [], True)]
    assert list(made.acks(lacking.listed())) == []
    lacking.stored(sha256(b"1").digest())
    ((_, second),) = made.acks(lacking.listed())
    assert second == Ack([], [Dot(A, seq) for seq in range(2, MISSING_MAX + 2)], False)


def test_what_is_told_costs_no_walk_through_all_that_is_missing() -> None:
    lacking = missing(3 * MISSING_MAX)
    assert lacking.listed() is not None
    assert lacking.listed()[0] is lacking.listed()[0]
    turns = [[blob.hash for blob in lacking.next_blobs(lambda hash_: True)] for _ in range(3)]
    assert [len(turn) for turn in turns] == [FETCH_MAX] * 3
    assert len({hash_ for turn in turns for hash_ in turn}) == 3 * MISSING_MAX


def test_every_peer_is_told_of_what_became_durable_alone() -> None:
    made = peers()
    list(made.acks(((), False)))
    made.learned([Record(B, 1, b"chain", b""), Record(B, 2, b"chain", b"")])
    assert [ack for _, ack in made.acks(((), False))] == [Ack([(B, 2)])]
    assert list(made.acks(((), False))) == []


def test_another_history_is_forgotten_with_the_conversation_that_showed_it() -> None:
    """The next greeting is judged anew."""
    made = peers()
    (b,) = made.holdings
    made.acknowledged(1, Ack([(A, 7)]))
    b.fork(A)
    made.acknowledged(1, Ack([(A, 8)]))
    assert A not in b.clock
    made.up(LinkUp(2, "b", {A: 9}), A, {})
    assert b.clock == {A: 9} and b.forked == {}


def test_actors_that_a_peer_makes_up_are_not_remembered_without_bound() -> None:
    made = peers()
    for turn in range(3):
        names = [sha256(f"{turn} {n}".encode()).digest()[:16] for n in range(ACTORS_MAX)]
        made.acknowledged(1, Ack([(name, 1) for name in names]))
    (b,) = made.holdings
    assert len(b.clock) == ACTORS_MAX


def test_what_a_peer_asks_for_and_does_not_read_becomes_one_range_for_each_actor() -> None:
    waiting = Outgoing()
    for seq in range(1, 10_000):
        waiting.put(Range(A, seq, seq + 5))
    assert len(waiting) == RANGES_MAX + 1
    sent = [span for _ in range(len(waiting)) for span in waiting.take()]
    assert sent[:2] == [Range(A, 1, 6), Range(A, 2, 7)]
    assert sent[-1] == Range(A, RANGES_MAX + 1, 10_004)
    assert len(waiting) == 0


def test_what_a_peer_says_in_one_step_is_acted_on_once() -> None:
    cluster = SimCluster(["a", "b"])
    a = cluster.nodes["a"]
    cluster.sync("a")
    for number in range(9):
        cluster.ask("a", Create(Address(f"mail/{number}")))
        cluster.sync("a")
    own = a.replica.actor
    assert own is not None
    a.tell(LinkUp(7, "b", {own: 10}))
    a.outbox.clear()
    a.tell(*(Wanted(7, Want(own, first, 10)) for first in range(1, 9)))
    assert [message for _, message in a.outbox if isinstance(message, Range)] == [Range(own, 8, 10)]
    token = cluster.ask("a", Create(Address("mail/late")), copies=2)
    cluster.sync("a")
    a.tell(Acknowledged(7, Ack([(own, 11)])))
    assert token in a.outcomes


def test_a_peer_whose_records_do_not_join_the_log_is_not_asked_for_them_again() -> None:
    """What it sends to fill a hole stops neither the actor nor a request in the same batch."""
    cluster = SimCluster(["a", "b"])
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    cluster.settle("a")
    cluster.settle("b")
    other = b.replica.actor
    assert other is not None
    a.tell(LinkUp(7, "b", {other: 1}))
    (birth,) = b.read(Range(other, 1, 1))
    token = cluster.ask("a", Create(Address("mail/x")))
    cluster.settle("a")
    a.outcomes.clear()
    a.tell(
        Arrived(7, birth), Asked(token + 1, Create(Address("mail/y")), RequestId(b"12345678", 1))
    )
    assert a.batch is not None
    refused, a.batch = a.batch, None
    a.tell(AppendFailed(refused.number, "it does not join the chain", Dot(other, 1)))
    cluster.settle("a")
    assert isinstance(a.outcomes[token + 1], Done)
    assert other not in a.replica.clock
    assert list(a.replica.stopped()) == [other]
    a.outbox.clear()
    a.tell(Arrived(7, birth), Tick())
    assert a.batch is None
    assert not any(isinstance(message, Want) for _, message in a.outbox)
    a.tell(LinkDown(7), LinkUp(8, "b", {other: 1}))
    a.bring(Arrived(8, birth))
    cluster.settle("a")
    assert other in a.replica.clock and a.replica.stopped() == {}
