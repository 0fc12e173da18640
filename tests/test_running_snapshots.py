"""Nodes on real disks, with real TLS: what the log of one no longer holds, the other one gets."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from crdt import Address, Append, Create, State
from crdt.tables import ENTRIES
from samebox import adopting, open_node
from samebox.changes import ChangesGone
from samebox.events import Done, Notice
from samebox.io import snapshots, snapshotting
from samebox.io import store as io_store
from samebox.io.node import Node
from samebox.io.shard import Shard
from samebox.io.snapshotting import Cutting, take
from samebox.limits import Limits
from samebox.snapshotting import beginning_of, tables_of
from samebox.starting import Surroundings
from samebox.state_check import Compared
from samebox.testing import local_node_list
from samebox.verifying import Findings
from storage import LogLimits, present_snapshots
from tests.replica.test_state_check import changed, later

WAIT_S = 60.0
SHORT = Limits(log=LogLimits(segment_bytes=6000, recent_bytes=0))
MAIL = Address("mail", "in")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    short = partial(Surroundings, limits=SHORT)
    monkeypatch.setattr(io_store, "Surroundings", short)
    monkeypatch.setattr(snapshots, "LOOK_S", 0.02)
    monkeypatch.setattr(snapshotting, "IDLE_SHARE", 0)
    monkeypatch.setattr(adopting, "PIECE_BYTES", 1000)


async def deliver(node: Node, count: int) -> None:
    shard = node.shards["main"]
    for number in range(count):
        text = f"message {number}".encode()

        async def pieces(text: bytes = text) -> AsyncIterator[bytes]:
            yield text

        blob, carried = await shard.put(pieces())
        assert isinstance(await node.ask(Append(MAIL, blob), carried=carried), Done)
    shard.store.keeper.write_soon()


def is_written(shard: Shard) -> bool:
    """What is committed, in the image from which a snapshot is made."""
    frozen = shard.store.keeper.frozen()
    assert frozen is not None
    try:
        beginning = beginning_of(frozen, tables_of(frozen))
    finally:
        frozen.close()
    shard.store.keeper.write_soon()
    return {actor: tip.seq for actor, tip in beginning.tips.items()} == dict(shard.clock)


async def cut(node: Node, bytes_max: int) -> None:
    """Two snapshots, and whatever may go went: as the shard does it for itself in the long run."""
    shard = node.shards["main"]
    for _ in range(2):
        await deliver(node, 40)
        await until(lambda: is_written(shard))
        shard.store.snapshots.last_number += 1
        await take(shard, shard.store.snapshots.last_number)
    cutting = Cutting(shard, bytes_max)
    await cutting.look()
    await cutting.look()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(WAIT_S):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await trio.sleep(0.02)


def is_cut(node: Node) -> bool:
    return node.shards["main"].store.log.is_cut


async def digest(node: Node) -> bytes:
    return await node.shards["main"].look(lambda state: state.digest())


async def agree(one: Node, other: Node) -> None:
    a, b = one.shards["main"], other.shards["main"]
    await until(lambda: dict(a.clock) == dict(b.clock) and not b.replica.missing)
    assert await digest(one) == await digest(other)


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    return local_node_list(tmp_path, ["a", "b"])


async def begin(nodes: Path) -> None:
    """Both have met, and then b stops."""
    async with open_node(nodes, "a") as a, open_node(nodes, "b") as b:
        await a.ask(Create(Address("mail")))
        await a.ask(Create(MAIL))
        await deliver(a, 5)
        await b.ask(Create(Address("files")))
        await agree(a, b)


async def test_a_member_that_was_away_for_too_long_gets_a_snapshot_and_keeps_what_it_wrote(
    nodes: Path,
) -> None:
    told: list[Notice] = []
    with trio.fail_after(WAIT_S):
        await begin(nodes)
        async with open_node(nodes, "b") as b:
            for number in range(20):
                await b.ask(Create(Address("files", f"{number}")))
        async with open_node(nodes, "a") as a:
            await cut(a, 1 << 40)
            assert not is_cut(a), "b lacks it, and there is room"
            await cut(a, 0)
            assert is_cut(a)
            async with open_node(nodes, "b", log=told.append) as b:
                await agree(a, b)
                await deliver(b, 3)
                await agree(a, b)
                found = b.shards["main"].replica.state.find(Address("files", "19"))
                assert found is not None
                assert any("the snapshot of a was taken over" in one.text for one in told), told
                before = await digest(b)
            async with open_node(nodes, "b") as b:
                assert await digest(b) == before


async def test_a_node_that_lost_its_disk_joins_a_cluster_whose_logs_are_cut(nodes: Path) -> None:
    with trio.fail_after(WAIT_S):
        await begin(nodes)
        async with open_node(nodes, "a") as a:
            data = a.config.paths_for("b").data
            async with open_node(nodes, "b"):
                await trio.lowlevel.checkpoint()
            await cut(a, 0)
            assert is_cut(a)
            shutil.rmtree(data)
            async with open_node(nodes, "b") as b:
                await agree(a, b)
                await deliver(b, 2)
                await agree(a, b)


async def test_a_snapshot_for_which_there_is_no_room_is_not_fetched_until_there_is(
    nodes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    with trio.fail_after(WAIT_S):
        await begin(nodes)
        async with open_node(nodes, "a") as a:
            await cut(a, 0)
            async with open_node(nodes, "b", log=told.append) as b:
                with monkeypatch.context() as full:
                    full.setattr(snapshots, "SPARE_BYTES", 1 << 60)
                    await until(lambda: any("of room for" in one.text for one in told))
                    log = b.config.paths_for("b").data / "shards/main/log"
                    assert not list(log.glob("*.snapshot"))
                await agree(a, b)


async def test_beside_an_operation_of_a_later_version_none_is_made_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr(snapshotting, "LOOK_S", 0.02)
    monkeypatch.setattr(State, "has_unknown", True)
    with trio.fail_after(WAIT_S):
        async with open_node(local_node_list(tmp_path, ["a"]), "a", log=told.append) as a:
            store = a.shards["main"].store
            store.wants_snapshot = True
            await until(lambda: not store.wants_snapshot)
            assert [one.alarm for one in told if snapshotting.NONE_IS_MADE in one.text] == [True]
            assert present_snapshots(store.disks.log) == []


async def test_whoever_watches_is_told_that_it_has_to_begin_anew(nodes: Path) -> None:
    with trio.fail_after(WAIT_S):
        await begin(nodes)
        async with open_node(nodes, "a") as a:
            shard = a.shards["main"]
            since = dict(shard.clock)
            await cut(a, 0)
            with pytest.raises(ChangesGone, match="read anew"):
                async for _ in shard.changes(since):
                    pass
            async with open_node(nodes, "b") as b:
                with pytest.raises(ChangesGone, match="read anew"):
                    async for _ in b.shards["main"].changes():
                        pass


async def verified(node: Node) -> Findings:
    steps = node.shards["main"].verify(1 << 30)
    return [found async for found in steps][-1]


async def test_where_the_log_is_cut_the_state_is_compared_and_mended_from_the_oldest_snapshot_on(
    tmp_path: Path,
) -> None:
    """The newest one was made of the spoilt row."""
    with trio.fail_after(WAIT_S):
        async with open_node(local_node_list(tmp_path, ["a"]), "a") as a:
            await a.ask(Create(MAIL, parents=True))
            await cut(a, 0)
            assert is_cut(a)
            shard, before = a.shards["main"], await digest(a)
            found = await verified(a)
            assert (found.damages, found.compared) == ([], Compared(sum(shard.clock.values())))
            changed(a.config.paths_for("a").data / "shards/main/state/rows.db", ENTRIES, later)
            shard.store.snapshots.last_number += 1
            await take(shard, shard.store.snapshots.last_number)
            (damage,) = (await verified(a)).damages
            assert damage.what.startswith("mail:in: entry 1: expected"), damage
            assert await digest(a) == before
            assert (await verified(a)).damages == []
            names = [one.name.number for one in present_snapshots(shard.store.disks.log)]
            assert names == [shard.store.snapshots.last_number - 1]
