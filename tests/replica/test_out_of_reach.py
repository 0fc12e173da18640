"""Who needs a snapshot of whom, and how peers learn of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import trio
from trio.testing import MockClock

from comm import Backoff, LogBase, Range
from comm.io import FrameStream
from crdt import Address, Create, RequestId
from samebox.events import Asked, LinkDown, LinkUp, LogBegins, PeerLogBegins, Tick
from samebox.io.shard import Shard
from samebox.io.snapshots import SnapshotPuller
from samebox.peers import Peers
from samebox.succession import CATCHING_UP
from tests.replica.test_kept_state import Node, step

ANN, BOB = b"a" * 16, b"b" * 16


def linked(*, base_b: dict[bytes, int], clock_c: dict[bytes, int]) -> Peers:
    peers = Peers("a", ("a", "b", "c"))
    peers.up(LinkUp(1, "b", {ANN: 9, BOB: 9}), None, {})
    peers.up(LinkUp(2, "c", clock_c), None, {})
    peers.begins(PeerLogBegins(1, base_b))
    return peers


def test_a_snapshot_is_needed_where_nobody_can_send_what_is_missing() -> None:
    assert linked(base_b={ANN: 5}, clock_c={}).out_of_reach({ANN: 4}) == ["b"]
    assert linked(base_b={ANN: 5}, clock_c={ANN: 4}).out_of_reach({ANN: 4}) == ["b"]
    assert linked(base_b={ANN: 5}, clock_c={}).out_of_reach({ANN: 5}) == []
    assert linked(base_b={}, clock_c={}).out_of_reach({}) == []


def test_it_is_not_needed_where_another_peer_sends_it() -> None:
    assert linked(base_b={ANN: 5}, clock_c={ANN: 7}).out_of_reach({ANN: 4}) == []


def test_peers_are_told_where_the_log_begins_once_and_whenever_that_changes() -> None:
    store = Node("b").start()
    actor = store.replica.actor or b""
    store.replica.step([LogBegins({actor: 1}, {})])
    ready = store.replica.step([LinkUp(1, "a", {})])
    bases = [dict(m.clock) for _, m in ready.send if isinstance(m, LogBase)]
    assert bases == [{actor: 1}]
    ready = store.replica.step([Tick()])
    assert [m for _, m in ready.send if isinstance(m, LogBase | Range)] == []
    store.replica.step([PeerLogBegins(1, {ANN: 3})])
    assert store.replica.peers.out_of_reach(store.replica.clock) == ["a"]


def test_a_node_that_began_anew_writes_nothing_before_it_holds_what_all_others_do() -> None:
    store = Node("b").start()
    actor, peers = b"z" * 16, [LinkUp(1, "a", {b"z" * 16: 5})]
    store.replica.step([*peers, PeerLogBegins(1, {actor: 4}, {actor: 4})])
    ready = store.replica.step([Asked(1, Create(Address("x")), RequestId(b"a client", 1))])
    assert ready.replies == [(1, CATCHING_UP)] and ready.append is None
    store.replica.step([LinkDown(1)])
    assert step(store, Asked(2, Create(Address("x")), RequestId(b"a client", 2))).replies != []
    assert store.replica.state.find(Address("x")) is not None


async def test_whatever_fails_with_a_peer_is_told_and_the_next_one_is_asked(
    autojump_clock: MockClock,
) -> None:
    asked: list[str] = []
    told: list[str] = []

    async def dial(peer: str) -> FrameStream:
        asked.append(peer)
        raise UnicodeError("no name of a host")

    peers = SimpleNamespace(out_of_reach=lambda clock: ["b", "c"])
    shard = SimpleNamespace(store=None, replica=SimpleNamespace(clock={}, peers=peers))
    backoff = Backoff(lambda: 0.5)

    def report(peer: str, text: str) -> None:
        told.append(text)

    puller = SnapshotPuller(cast(Shard, shard), dial=dial, report=report, backoff=backoff)
    with trio.move_on_after(60):
        await puller.run()
    assert set(asked) == {"b", "c"}
    assert set(told) == {"fetching its snapshot failed: UnicodeError('no name of a host')"}
