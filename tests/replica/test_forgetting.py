"""Nodes forget what is stable, together, and a node that needs what it forgot has it again."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from hashlib import sha256

import pytest

from crdt import KEPT_REQUESTS, Address, Append, Blob, Create, Dot, Expunge, Operation, Unknown
from samebox.config import Limbo
from samebox.events import LinkDown, LinkUp, Tick
from samebox.forgetting import OPERATIONS_PER_PORTION, Forgetting, ForgotTooMuch
from samebox.limbo import FOLDED_FURTHER, LATER_VERSION, Waited, limbo_status
from sim import SimCluster
from storage import MemoryDisk

BOX, INBOX = Address("alice"), Address("alice", "INBOX")
HELLO = Blob(sha256(b"hello").digest(), 5)
OTHER = Blob(sha256(b"other").digest(), 5)


def with_expunged(names: Sequence[str]) -> SimCluster:
    """A message was appended, read everywhere, and expunged; the expunge is at its node alone."""
    cluster = SimCluster(names)
    done(cluster, "a", Create(BOX))
    done(cluster, "a", Append(INBOX, HELLO))
    cluster.heal()
    for name in names[1:]:
        cluster.cut("a", name)
    done(cluster, "a", Expunge(INBOX, entries=entries(cluster)))
    return cluster


def done(cluster: SimCluster, name: str, request: Create | Append | Expunge) -> None:
    cluster.ask(name, request)
    while cluster.nodes[name].batch is not None:
        cluster.sync(name)


def entries(cluster: SimCluster) -> tuple[Dot, ...]:
    state = cluster.nodes["a"].replica.state
    view = state.find(INBOX)
    assert view is not None
    return tuple(entry.id for entry in state.entries(view.ids))


def remembers(cluster: SimCluster, name: str) -> bool:
    return any(blob == HELLO for blob, _ in cluster.nodes[name].replica.state.blobs())


def test_what_is_expunged_is_forgotten_when_all_members_hold_it() -> None:
    cluster = with_expunged(["a", "b", "c"])
    cluster.tick("a")
    assert all(remembers(cluster, name) for name in "abc")
    cluster.heal()
    assert not any(remembers(cluster, name) for name in "abc")
    cluster.check_agreement()


def test_a_silent_member_holds_it_back_however_often_the_clock_ticks() -> None:
    cluster = with_expunged(["a", "b", "c"])
    cluster.connect("a", "b")
    for _ in range(50):
        while cluster.carry("a", "b") or cluster.carry("b", "a"):
            cluster.sync("b")
        cluster.tick("a")
        cluster.tick("b")
    assert cluster.nodes["b"].replica.clock == cluster.nodes["a"].replica.clock
    assert remembers(cluster, "a") and remembers(cluster, "b")


def test_a_member_with_another_list_holds_it_back() -> None:
    cluster = with_expunged(["a", "b"])
    cluster.heal()
    done(cluster, "a", Append(INBOX, HELLO))
    done(cluster, "a", Expunge(INBOX, entries=entries(cluster)))
    node = cluster.nodes["a"]
    node.tell(LinkDown(1), LinkUp(77, "b", dict(node.replica.clock), same_members=False))
    node.tell(Tick(), Tick())
    assert remembers(cluster, "a")
    node.tell(LinkUp(78, "b", dict(node.replica.clock)))
    node.tell(Tick(), Tick())
    assert not remembers(cluster, "a")


def test_a_shard_that_is_never_idle_forgets_with_its_batches_also_where_they_are_small() -> None:
    cluster = with_expunged(["a"])
    cluster.ask("a", Append(INBOX, OTHER))
    cluster.tick("a")  # it learns what is stable, and forgets nothing: a batch is under way
    assert remembers(cluster, "a")
    for _ in range(OPERATIONS_PER_PORTION):
        cluster.sync("a")
        cluster.ask("a", Append(INBOX, OTHER))
    assert not remembers(cluster, "a")


def test_a_start_forgets_nothing_before_it_has_heard_of_all_members_again() -> None:
    cluster = with_expunged(["a", "b"])
    cluster.kill("a")
    cluster.tick("a")
    assert remembers(cluster, "a")
    cluster.heal()
    assert not remembers(cluster, "a")


def test_an_operation_that_needs_what_is_forgotten_has_the_state_made_again() -> None:
    cluster = with_expunged(["a", "b"])
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    backup = deepcopy(b.disk)
    cluster.heal()
    assert a.replica.state.folded
    cluster.cut("a", "b")
    b.disk = backup
    b.start()
    done(cluster, "b", Create(Address("bob")))
    with pytest.raises(ForgotTooMuch, match="restored from a backup, is new, or was not on"):
        cluster.heal()
    cluster.kill("a")
    assert not a.replica.state.folded
    cluster.heal()
    cluster.check_agreement()
    assert a.replica.state.find(Address("bob")) is not None
    assert not remembers(cluster, "a") and not remembers(cluster, "b")


def test_an_operation_that_needs_what_cannot_be_had_again_is_refused_with_the_reason() -> None:
    cluster = with_expunged(["a", "b"])
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    backup = deepcopy(b.disk)
    cluster.heal()
    cluster.cut("a", "b")
    state = a.replica.state
    a.replica.forgetting = Forgetting(state, KEPT_REQUESTS, dict(state.folded))
    b.disk = backup
    b.start()
    done(cluster, "b", Create(Address("bob")))
    cluster.connect("a", "b")
    while cluster.carry("b", "a"):
        cluster.sync("a")
    assert b.replica.actor is not None
    assert "is not in the log any more" in a.replica.stopped()[b.replica.actor]
    assert any(notice.alarm for notice in a.notices)
    done(cluster, "a", Append(INBOX, HELLO))
    assert remembers(cluster, "a"), "the node goes on"


def test_what_a_member_writes_that_has_seen_nothing_needs_nothing() -> None:
    """It may even name what others name so."""
    cluster = with_expunged(["a", "b"])
    cluster.heal()
    cluster.cut("a", "b")
    b = cluster.nodes["b"]
    b.disk = MemoryDisk()
    b.start()
    b.sync()
    done(cluster, "b", Create(BOX))
    done(cluster, "b", Append(INBOX, HELLO))
    cluster.heal()
    cluster.check_agreement()
    assert cluster.nodes["a"].replica.state.folded
    assert cluster.count("a", INBOX) == 1 and remembers(cluster, "a")


def test_the_birth_of_a_new_member_needs_nothing() -> None:
    cluster = with_expunged(["a", "b"])
    cluster.heal()
    cluster.cut("a", "b")
    b = cluster.nodes["b"]
    b.disk = MemoryDisk()
    b.start()
    b.sync()
    cluster.heal()
    cluster.check_agreement()
    assert cluster.nodes["a"].replica.state.folded


def test_a_blob_that_nothing_names_any_more_is_missed_no_longer() -> None:
    cluster = with_expunged(["a"])
    replica = cluster.nodes["a"].replica
    missing, state = replica.missing, replica.state
    ((blob, append),) = state.blobs()
    state.rows.begin()
    missing.add(blob, append)
    state.rows.commit()
    assert remembers(cluster, "a") and missing.next_blobs(state.names_blob) == [HELLO]
    cluster.tick("a")
    assert not remembers(cluster, "a")
    assert missing.next_blobs(state.names_blob) == [] and missing.listed() == ((), False)


def test_status_says_what_waits_because_of_whom_and_since_when() -> None:
    cluster = with_expunged(["a", "b", "c"])
    replica = cluster.nodes["a"].replica
    waited = Waited()
    stability = replica.forgetting.stability
    assert waited.look(replica.clock, stability.clock, 100.0) == 0.0
    assert waited.look(replica.clock, stability.clock, 107.0) == 7.0
    status = limbo_status(replica, 7.0, 2 << 20, Limbo(age_days=1, size_mib=1))
    assert status.operations == sum(replica.clock.values()) - sum(status.stable.values()) > 0
    assert {one.node: one.operations for one in status.members} == {"b": 1, "c": 1}
    assert status.alarms == ("over 1 MiB of operations wait to be stable",)
    late = limbo_status(replica, 90_000.0, 1, Limbo(age_days=1, size_mib=1))
    assert late.alarms == ("operations have waited over 1 day to be stable",)
    assert status.removals > 0 and status.blocked == ""
    cluster.heal()
    assert waited.look(replica.clock, stability.clock, 109.0) == 0.0
    done_with = limbo_status(replica, 0.0, 1, Limbo())
    assert (done_with.operations, done_with.members, done_with.alarms) == (0, (), ())


def test_status_says_why_nothing_is_forgotten_though_all_members_hold_it() -> None:
    cluster = with_expunged(["a"])
    replica = cluster.nodes["a"].replica
    cluster.tick("a")
    replica.forgetting.stability.clock = {}
    assert limbo_status(replica, 0.0, 1, Limbo()).blocked == FOLDED_FURTHER
    state = replica.state
    state.rows.begin()
    state.apply(Operation(Dot(b"z" * 16, 1), 1, {}, Unknown(99)))
    state.rows.commit()
    assert limbo_status(replica, 0.0, 1, Limbo()).blocked == LATER_VERSION
