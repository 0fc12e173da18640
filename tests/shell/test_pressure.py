"""Full, slow and stalled: what waits, what goes on, and that nothing is lost by it."""

from __future__ import annotations

from functools import partial
from math import inf, nan
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from trio.abc import Stream
from trio.testing import MockClock, lockstep_stream_pair
from typing_extensions import override

from comm.io.link import SILENCE_S, STALL_S
from samebox import incoming, outgoing
from samebox.events import Done, Failure
from samebox.io.node import Node, NodeStopped
from tests.comm.wires import OneByteAtATime, Through
from tests.shell.world import INBOX, Cluster, agreed, make_inbox, play, shown

pytestmark = pytest.mark.slow

SYNC_S = 10.0
LONG = 200 << 10
MANY = 3 * outgoing.RANGES_MAX


@pytest.fixture
def cluster(node_list: Path) -> Cluster:
    return Cluster(node_list, "abc")


def links_lost(cluster: Cluster, node: str) -> list[str]:
    return [line for line in cluster.notices[node] if "disconnected" in line]


def test_a_sync_of_ten_seconds_holds_up_its_own_node_alone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a, cluster.node("b") as b:
            await make_inbox(a)
            await agreed(a, b)
            cluster.disks["a"].job_s = SYNC_S
            start = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cluster.append, a, 0)
                await trio.sleep(1)
                for number in range(1, 30):
                    assert isinstance(await cluster.append(b, number, LONG), Done)
                assert trio.current_time() - start < SYNC_S
            assert trio.current_time() - start >= SYNC_S
            assert not links_lost(cluster, "a") and not links_lost(cluster, "b")
            cluster.disks["a"].job_s = 0
            await agreed(a, b)
            assert len(await shown(a)) == 30
            assert not links_lost(cluster, "a") and not links_lost(cluster, "b")

    play(cluster, scenario, monkeypatch)


def test_a_disk_that_hangs_keeps_its_links(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node reads no more than it has room for, and still answers the pings of its peers."""

    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a, cluster.node("b") as b:
            await make_inbox(a)
            await agreed(a, b)
            cluster.disks["a"].hold()
            for number in range(200):
                await cluster.append(b, number, 10 << 10)
            await trio.sleep(2 * SILENCE_S)
            assert not links_lost(cluster, "a") and not links_lost(cluster, "b")
            cluster.disks["a"].let_go()
            await agreed(a, b)
            assert len(await shown(a)) == 200

    play(cluster, scenario, monkeypatch)


def test_an_event_loop_that_stalls_loses_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        async with cluster.node("a") as a, cluster.node("b") as b:
            await make_inbox(a)
            await agreed(a, b)
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(partial(cluster.append, a, number, copies=2))
                    nursery.start_soon(partial(cluster.append, b, 100 + number, copies=2))
                    if number % 5 == 0:
                        await trio.lowlevel.checkpoint()
                        clock.jump(30)
            assert len(cluster.confirmed) == 40
            await agreed(a, b)
            assert len(await shown(a)) == len(await shown(b)) == 40

    play(cluster, scenario, monkeypatch)


class Deaf(Through):
    """Reads only while `reads` is set."""

    def __init__(self, stream: Stream, reads: trio.Event) -> None:
        super().__init__(stream)
        self.reads = reads

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        await self.reads.wait()
        return await super().receive_some(max_bytes)


def test_a_peer_that_reads_nothing_delays_nobody_and_costs_a_bounded_queue(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its streams hold nothing: a send ends when the peer has taken all of it."""
    ears: list[Deaf] = []
    reads = trio.Event()
    reads.set()

    def pair() -> tuple[Stream, Stream]:
        here, there = lockstep_stream_pair()
        ears.append(Deaf(there, reads))
        return here, ears[-1]

    async def scenario(cluster: Cluster) -> None:
        nonlocal reads
        async with cluster.node("b") as b:
            cluster.network.pair = pair  # a, which comes now, dials b
            async with cluster.node("a") as a:
                await make_inbox(a)
                await agreed(a, b)
                reads = ears[-1].reads = trio.Event()
                for number in range(MANY):
                    assert isinstance(await cluster.append(a, number), Done)
                assert trio.current_time() < STALL_S
                (outbox,) = (await a.shard_of(INBOX.box)).outboxes._boxes.values()
                assert len(outbox._outgoing) <= outgoing.RANGES_MAX + 3
                with trio.fail_after(STALL_S + SILENCE_S):
                    while not links_lost(cluster, "a"):  # noqa: ASYNC110 - a line of a log
                        await trio.sleep(1)
                reads.set()
                await agreed(a, b)
                assert len(await shown(b)) == MANY

    play(cluster, scenario, monkeypatch)


def test_one_byte_at_a_time_all_arrives(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def pair() -> tuple[Stream, Stream]:
        here, there = lockstep_stream_pair()
        return OneByteAtATime(here), OneByteAtATime(there)

    cluster.network.pair = pair

    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a, cluster.node("b") as b:
            await make_inbox(a)
            for number in range(3):
                await cluster.append(a, number, copies=2)
            assert len(await shown(b)) == 3

    play(cluster, scenario, monkeypatch)


def test_a_full_shard_makes_its_callers_wait_and_answers_all_of_them(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "REQUESTS_MAX", 3)

    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a, cluster.node("b") as b:
            await make_inbox(a)
            await agreed(a, b)
            cluster.disks["a"].hold()
            async with trio.open_nursery() as nursery:
                for number in range(30):
                    nursery.start_soon(cluster.append, a, number)
                await trio.sleep(1)
                late = await cluster.append(a, 100, timeout_s=1)
                assert isinstance(late, Failure) and not cluster.confirmed
                assert isinstance(await cluster.append(b, 200), Done)
                cluster.disks["a"].let_go()
            assert len(cluster.confirmed) == 31
            await agreed(a, b)
            assert len(await shown(b)) == 31

    play(cluster, scenario, monkeypatch)


@pytest.mark.parametrize("state", ["idle", "held", "full", "waiting", "alone"])
def test_a_node_ends_in_every_state(
    state: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the sync under way, if there is one. Whoever waits is cancelled, none is told done;
    what was confirmed is there at the start."""
    monkeypatch.setattr(incoming, "REQUESTS_MAX", 3)

    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("b") as b:
            async with cluster.node("a") as a, trio.open_nursery() as callers:
                await make_inbox(a)
                await agreed(a, b)
                await cluster.append(a, 0)
                await bring_into(state, cluster, a, callers)
                await trio.sleep(1)
                confirmed = set(cluster.confirmed)
                callers.cancel_scope.cancel()
            assert trio.current_time() < 4 * SYNC_S
            assert cluster.confirmed == confirmed
            async with cluster.node("a") as a:
                await agreed(a, b)
                assert {cluster.hashes[number] for number in confirmed} <= set(await shown(a))

    play(cluster, scenario, monkeypatch)


async def bring_into(state: str, cluster: Cluster, node: Node, callers: trio.Nursery) -> None:
    if state in ("held", "full"):
        cluster.disks["a"].job_s = SYNC_S
    for number in range(1, {"idle": 1, "full": 20}.get(state, 3)):
        callers.start_soon(
            partial(cluster.append, node, number, copies=3 if state == "waiting" else 1)
        )
    if state == "alone":
        await cluster.network.cut()


def test_a_failed_sync_stops_the_node_with_the_reason_and_no_other(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("b") as b:
            with pytest.raises(NodeStopped, match="input/output error"):
                async with cluster.node("a") as a:
                    await make_inbox(a)
                    await agreed(a, b)
                    await cluster.append(a, 1, copies=2)
                    cluster.machines["a"].disk.failing_syncs = 1
                    await cluster.append(a, 2, timeout_s=inf)
            assert cluster.confirmed == {1}
            assert isinstance(await cluster.append(b, 3), Done)
            cluster.cut_power("a")
            async with cluster.node("a") as a:
                await agreed(a, b)
                assert {cluster.hashes[number] for number in (1, 3)} <= set(await shown(a))

    play(cluster, scenario, monkeypatch)


@pytest.mark.parametrize("seconds", [-1.0, nan])
def test_a_deadline_that_is_none_is_refused_and_nothing_is_kept_for_it(
    seconds: float, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a:
            await make_inbox(a)
            shard = await a.shard_of(INBOX.box)
            with pytest.raises(ValueError, match="expected a timeout of 0 s or more"):
                await cluster.append(a, 1, timeout_s=seconds)
            with pytest.raises(ValueError, match="expected a timeout of 0 s or more"):
                await shard.wait({b"someone": 1}, timeout_s=seconds)
            assert not shard.callers
            assert await shown(a) == []

    play(cluster, scenario, monkeypatch)
