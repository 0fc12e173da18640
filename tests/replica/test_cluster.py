"""Whole clusters of the product's core and log: whatever happens between them, they agree."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from crdt import (
    Address,
    Append,
    Blob,
    Copy,
    Create,
    Delete,
    Dot,
    Expunge,
    MemoryRows,
    Mode,
    Operation,
    Rename,
    Request,
    RequestId,
    Rows,
    Store,
    covers,
)
from samebox.events import Done, Refusal
from sim import SimCluster
from sim.scripting import Step, play
from sim.scripting import scripts as sim_scripts
from tests.oracle import view
from tests.rows_kept import sqlite_rows

NAMES = ["a", "b", "c", "d", "e"]
BOX = "mail/alice"
PATHS = ["INBOX", "Work", "Work/Old", "Play", "notes.txt"]


def blob(text: str) -> Blob:
    return Blob(sha256(text.encode()).digest(), len(text))


paths = st.sampled_from(PATHS)
addresses = paths.map(lambda path: Address(BOX, path))
blobs = st.sampled_from("xyz").map(blob)
flags = st.lists(st.sampled_from(["\\Seen", "\\Deleted", "work"]), max_size=2, unique=True).map(
    tuple
)
requests: st.SearchStrategy[Request] = st.one_of(
    st.just(Create(Address(BOX))),
    st.builds(Create, addresses),
    st.builds(Create, addresses, blobs),
    st.builds(Delete, addresses),
    st.builds(Append, addresses, blobs, flags),
    st.builds(Append, addresses, blobs, flags),
    st.builds(Copy, addresses, addresses),
    st.builds(Rename, addresses, addresses),
    st.builds(Store, addresses, st.none(), flags, st.sampled_from(Mode)),
    st.builds(Store, addresses, st.none(), st.just(()), st.just(Mode.ADD), blobs),
    st.builds(Expunge, addresses),
)


class Does(NamedTuple):
    """A request, now and then under an id that another one has had."""

    request: Request
    id: RequestId | None


ids = st.one_of(st.none(), st.none(), st.builds(RequestId, st.just(b"repeated"), st.integers(1, 3)))
scripts = sim_scripts(st.builds(Does, requests, ids))


def check_agreement(cluster: SimCluster) -> None:
    views = [node.replica.state.view() for node in cluster.nodes.values()]
    digests = [node.replica.state.digest() for node in cluster.nodes.values()]
    clocks = [dict(clock) for clock in cluster.clocks()]
    assert all(clock == clocks[0] for clock in clocks)
    assert all(one == views[0] for one in views)
    assert len(set(digests)) == 1
    operations = next(iter(cluster.nodes.values())).delivered
    assert views[0] == view(operations)


def check_delivery(cluster: SimCluster) -> None:
    """Causal, and exactly once for each dot, also over restarts."""
    for node in cluster.nodes.values():
        clock: dict[bytes, int] = {}
        for operation in node.delivered:
            actor, seq = operation.dot
            assert clock.get(actor, 0) == seq - 1
            assert all(covers(clock, dot) for dot in _context_tops(operation))
            clock[actor] = seq
        assert clock == dict(node.replica.clock)


def _context_tops(operation: Operation) -> list[Dot]:
    return [Dot(actor, seq) for actor, seq in operation.context().items()]


def check_confirmed(cluster: SimCluster, asked: dict[int, str]) -> None:
    for token, name in asked.items():
        outcome = cluster.nodes[name].outcomes.get(token)
        if isinstance(outcome, Done):
            for node in cluster.nodes.values():
                assert all(covers(node.replica.clock, dot) for dot in outcome.dots)


def run(names: int, script: list[Step[Does]], rows: Callable[[], Rows] = MemoryRows) -> None:
    cluster = SimCluster(NAMES[:names], rows)
    cluster.ask("a", Create(Address(BOX)))
    cluster.settle("a")
    asked: dict[int, str] = {}

    def act(name: str, does: Does) -> None:
        asked[cluster.ask(name, does.request, id=does.id)] = name

    play(cluster, script, act)
    cluster.heal()
    check_agreement(cluster)
    check_delivery(cluster)
    check_confirmed(cluster, asked)


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(relaxed, max_examples=25)
@given(names=st.integers(2, 5), script=scripts)
def test_all_nodes_agree_after_healing(names: int, script: list[Step[Does]]) -> None:
    run(names, script)


@pytest.mark.slow
@settings(relaxed, max_examples=250)
@given(names=st.integers(2, 5), script=scripts)
def test_all_nodes_agree_after_healing_many_times(names: int, script: list[Step[Does]]) -> None:
    run(names, script)


def run_scripts(first: int, count: int) -> None:
    """For tests.soak: so many random scripts, from this seed on. Raises what the first raises."""

    @seed(first)
    @settings(relaxed, max_examples=count, database=None)
    @given(names=st.integers(2, 5), script=scripts)
    def running(names: int, script: list[Step[Does]]) -> None:
        run(names, script)

    running()


@settings(relaxed, max_examples=20)
@given(names=st.integers(2, 3), script=scripts)
def test_all_nodes_agree_with_the_state_in_sqlite(names: int, script: list[Step[Does]]) -> None:
    run(names, script, sqlite_rows)


def settled(names: int = 3) -> SimCluster:
    cluster = SimCluster(NAMES[:names])
    cluster.ask("a", Create(Address(BOX)))
    cluster.heal()
    return cluster


def test_operations_reach_b_through_c_where_the_line_a_b_is_cut() -> None:
    cluster = settled()
    cluster.cut("a", "b")
    cluster.ask("a", Create(Address(BOX, "Work")))
    for _ in range(4):
        for name in "abc":
            cluster.sync(name)
            cluster.tick(name)
        for one, other in ("ac", "cb", "bc", "ca"):
            while cluster.carry(one, other):
                pass
    assert cluster.nodes["b"].replica.state.find(Address(BOX, "Work")) is not None


def test_nothing_is_confirmed_or_sent_before_it_is_synced() -> None:
    cluster = settled()
    token = cluster.ask("a", Create(Address(BOX, "Work")))
    assert token not in cluster.nodes["a"].outcomes
    assert not cluster.carry("a", "b")
    cluster.sync("a")
    assert isinstance(cluster.nodes["a"].outcomes[token], Done)
    assert cluster.carry("a", "b")


def test_two_copies_are_confirmed_once_the_peer_has_synced() -> None:
    cluster = settled(2)
    token = cluster.ask("a", Create(Address(BOX, "Work")), copies=2)
    cluster.sync("a")
    while cluster.carry("a", "b"):
        pass
    assert token not in cluster.nodes["a"].outcomes
    cluster.sync("b")
    while cluster.carry("b", "a"):
        pass
    outcome = cluster.nodes["a"].outcomes[token]
    assert isinstance(outcome, Done) and outcome.nodes == ("a", "b")


def test_more_copies_than_members_are_refused_at_once() -> None:
    cluster = settled(2)
    token = cluster.ask("a", Create(Address(BOX, "Work")), copies=3)
    assert isinstance(cluster.nodes["a"].outcomes[token], Refusal)


def test_a_request_repeated_at_another_node_has_one_effect() -> None:
    cluster = settled()
    cluster.cut("a", "b")
    cluster.cut("b", "c")
    for name in "ab":
        cluster.ask(name, Append(Address(BOX, "INBOX"), blob("x")), id=RequestId(b"client-1", 9))
    cluster.heal()
    inbox = cluster.nodes["c"].replica.state.find(Address(BOX, "INBOX"))
    assert inbox is not None
    assert cluster.nodes["c"].replica.state.count(inbox.ids) == 1
    check_agreement(cluster)


def test_another_request_under_a_used_id_is_refused() -> None:
    cluster = settled()
    identity = RequestId(b"client-1", 9)
    cluster.ask("a", Append(Address(BOX, "INBOX"), blob("x")), id=identity)
    cluster.sync("a")
    token = cluster.ask("a", Append(Address(BOX, "INBOX"), blob("y")), id=identity)
    cluster.sync("a")
    outcome = cluster.nodes["a"].outcomes[token]
    assert isinstance(outcome, Refusal) and outcome.code == "id-reused"
