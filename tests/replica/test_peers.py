"""What peers are told, and what is kept of what they say."""

from __future__ import annotations

from hashlib import sha256

from comm import ACTORS_MAX, MISSING_MAX, Ack, Range, Want
from crdt import Actor, Address, Create, Dot
from samebox.events import Acknowledged, AppendFailed, Arrived, LinkUp, Wanted
from samebox.outgoing import RANGES_MAX, Outgoing
from samebox.peers import Peers
from sim import SimCluster

A: Actor = b"a" * 16


def peers() -> Peers:
    made = Peers("a", ["a", "b"])
    made.up(LinkUp(1, "b", {}), A)
    return made


def test_a_list_of_missing_blobs_that_has_become_whole_is_told() -> None:
    made, clock = peers(), {A: 2000}
    missing = [Dot(A, seq) for seq in range(1, MISSING_MAX + 2)]
    ((_, first),) = made.acks(clock, missing)
    assert first.more_missing and len(first.missing) == MISSING_MAX
    assert list(made.acks(clock, missing)) == []
    ((_, second),) = made.acks(clock, missing[:-1])
    assert second == Ack([], list(first.missing), more_missing=False)


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


def test_an_actor_of_which_the_log_has_another_history_is_stopped() -> None:
    """What a peer sends to fill a hole of the log, and does not join it, ends no node."""
    cluster = SimCluster(["a", "b"])
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    cluster.settle("a")
    cluster.settle("b")
    other = b.replica.actor
    assert other is not None
    a.tell(LinkUp(7, "b", {other: 1}))
    (birth,) = b.read(Range(other, 1, 1))
    a.bring(Arrived(7, birth))
    assert a.batch is not None
    a.tell(AppendFailed(a.batch.number, "it does not join the chain", other))
    assert list(a.replica.history.stopped) == [other]
    assert other not in a.replica.clock
