"""A disk that refuses, as an operator sees it: in the log of the node, and in its status."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import trio

from samebox.events import Done, Failure, Ready
from samebox.io.node import Node, NodeStopped
from samebox.io.refusals import AGAIN_MAX_S, AGAIN_S, QUIET_S, UNTRIED_S, Refusals
from storage import DiskError, DiskFull, DiskReadOnly
from tests.shell.world import Cluster, agreed, make_inbox, pieces_of, play

LONG = 200 << 10
"""Contents that go to the packs before the operation that names them is asked for."""
WRITES = 20
BEGINS = "the disk refuses what is to be written"
ENDS = "the disk takes again what is to be written"


@pytest.fixture
def cluster(node_list: Path) -> Cluster:
    return Cluster(node_list, "ab")


def fill(cluster: Cluster, name: str) -> None:
    disk = cluster.machines[name].disk
    disk.capacity = sum(disk.size(file) for file in disk.names())


def said(cluster: Cluster, name: str) -> list[str]:
    return [line for line in cluster.notices[name] if "disk" in line]


def trouble(node: Node) -> str:
    return node.shards["main"].status().trouble


def test_it_is_said_once_that_nothing_of_what_peers_write_is_taken_and_once_that_it_is_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a, cluster.node("b") as b:
            await make_inbox(a)
            await agreed(a, b)
            fill(cluster, "b")
            for number in range(WRITES):
                assert isinstance(await cluster.append(a, number), Done)
                await trio.sleep(1)
            (begins,) = said(cluster, "b")
            assert begins.startswith(BEGINS) and "no space left" in begins
            assert trouble(b).startswith("for 20 s the disk has refused, "), trouble(b)
            assert "no space left" in trouble(b) and trouble(a) == ""
            cluster.machines["b"].disk.capacity = None
            await agreed(a, b)
            await trio.sleep(2 * QUIET_S)
            _, ends = said(cluster, "b")
            assert ends.startswith(ENDS) and trouble(b) == ""
        assert said(cluster, "a") == []

    play(cluster, scenario, monkeypatch)


def test_it_is_said_that_the_contents_of_a_local_caller_find_no_room(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a:
            await make_inbox(a)
            fill(cluster, "a")
            for number in range(WRITES):
                with pytest.raises(DiskFull):
                    await cluster.append(a, number, LONG)
            (begins,) = said(cluster, "a")
            assert begins.startswith(BEGINS) and "no space left" in begins
            assert f"refused, {WRITES} times" in trouble(a)
            cluster.machines["a"].disk.capacity = None
            await a.shards["main"].put(pieces_of(bytes(LONG)))
            await trio.sleep(2 * QUIET_S)
            assert said(cluster, "a")[1].startswith(ENDS), "though nothing names them yet"

    play(cluster, scenario, monkeypatch)


def test_a_local_caller_whose_operation_is_refused_is_told_and_so_is_the_log_of_the_node(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a:
            await make_inbox(a)
            disk = cluster.machines["a"].disk
            disk.read_only_from = disk.operations
            for number in range(WRITES):
                assert isinstance(await cluster.append(a, number), Failure)
            (begins,) = said(cluster, "a")
            assert begins.startswith(BEGINS) and "read-only" in begins

    play(cluster, scenario, monkeypatch)


def test_it_is_said_that_no_new_actor_can_be_kept(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a:
            await make_inbox(a)
            fill(cluster, "a")
            for _ in range(WRITES):
                a.shards["main"]._jobs.begin(Ready(mint="a peer has operations of it"))
                await trio.sleep(1)
            (begins,) = said(cluster, "a")
            assert begins.startswith(f"{BEGINS}: identity") and "no space left" in begins

    play(cluster, scenario, monkeypatch)


async def test_while_it_goes_on_it_is_said_less_and_less_often(autojump_clock: object) -> None:
    lines: list[str] = []
    refusals = Refusals(lambda notice: lines.append(notice.text))
    for _ in range(round(7 * AGAIN_S)):
        refusals.refused(DiskFull("log: no space left"))
        refusals.look()
        await trio.sleep(1)
    assert [line.partition(",")[0] for line in lines] == [
        f"{BEGINS}: log: no space left",
        "for 60 s the disk has refused",
        "for 3 min the disk has refused",
    ]
    assert lines[1].endswith("(60 since this was said)"), lines[1]


async def test_while_it_goes_on_it_is_said_every_hour(autojump_clock: object) -> None:
    times: list[float] = []
    refusals = Refusals(lambda notice: times.append(trio.current_time()))
    for _ in range(round(6 * AGAIN_MAX_S / AGAIN_S)):
        refusals.refused(DiskFull("log: no space left"))
        refusals.look()
        await trio.sleep(AGAIN_S)
    assert max(after - before for before, after in pairwise(times)) == AGAIN_MAX_S


async def test_what_is_refused_no_more_is_not_said_again(autojump_clock: object) -> None:
    lines: list[str] = []
    refusals = Refusals(lambda notice: lines.append(notice.text))
    refusals.refused(DiskReadOnly("log: read-only"))
    for _ in range(round(3 * AGAIN_S)):
        await trio.sleep(1)
        refusals.look()
    assert len(lines) == 1
    assert refusals.trouble.startswith("for 3 min the disk has refused, 1 time, the last one 3 min")


async def test_where_nothing_was_to_be_written_for_long_it_is_told_that_this_is_old(
    autojump_clock: object,
) -> None:
    lines: list[str] = []
    refusals = Refusals(lambda notice: lines.append(notice.text))
    refusals.refused(DiskFull("log: no space left"))
    await trio.sleep(UNTRIED_S - 1)
    assert refusals.trouble.startswith("for 5 min the disk has refused, 1 time, the last one 5 min")
    await trio.sleep(45 * 60)
    assert refusals.trouble == (
        "the disk refused, 1 time, the last one 50 min ago; nothing was to be written since then, "
        "and the next write shows whether the disk takes it: log: no space left"
    )
    refusals.refused(DiskFull("log: no space left"))
    assert refusals.trouble.startswith("for 50 min the disk has refused, 2 times, the last one 0 s")
    refusals.taken()
    await trio.sleep(QUIET_S)
    refusals.look()
    assert not refusals.trouble and lines[-1].startswith(ENDS)


async def test_a_disk_with_room_for_what_is_short_alone_still_refuses(
    autojump_clock: object,
) -> None:
    lines: list[str] = []
    refusals = Refusals(lambda notice: lines.append(notice.text))
    for _ in range(5):
        refusals.refused(DiskFull("packs: no space left"))
        refusals.taken()
        await trio.sleep(QUIET_S / 2)
        refusals.look()
    assert len(lines) == 1 and refusals.trouble
    refusals.refused(DiskFull("packs: no space left"))
    await trio.sleep(QUIET_S)
    refusals.look()
    assert len(lines) == 1, "what was tried last was refused"
    refusals.taken()
    await trio.sleep(QUIET_S)
    refusals.look()
    assert len(lines) == 2 and lines[1].startswith(ENDS) and not refusals.trouble


@pytest.mark.parametrize("failing", ["failing_syncs", "failing_writes"])
def test_what_fails_is_no_refusal_and_stops_the_node_though_contents_alone_met_it(
    failing: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked is told, be it a program at the socket; but nobody may write here any more."""

    async def scenario(cluster: Cluster) -> None:
        with pytest.raises(NodeStopped, match="input/output error"):
            async with cluster.node("a") as a:
                await make_inbox(a)
                setattr(cluster.machines["a"].disk, failing, 1)
                with pytest.raises(DiskError):
                    await a.shards["main"].put(pieces_of(bytes(LONG)))
                await trio.sleep(1.0)

    play(cluster, scenario, monkeypatch)
