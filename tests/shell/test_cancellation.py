"""Cancelled at any await, a part ends, and nothing else: what was confirmed is there, once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.abc import Instrument

from comm.io import Connection
from crdt import Append, RequestId
from samebox import open_node
from samebox.events import Done
from samebox.io import links as product
from samebox.io.node import Node
from samebox.testing import local_node_list
from sim import SimulatedDisk, lose_all
from tests.shell.cancelling import CancelAt, at_every_await
from tests.shell.world import (
    CLIENT,
    INBOX,
    SECONDS_MAX,
    Cluster,
    agreed,
    make_inbox,
    message,
    pieces_of,
    replaced,
    shown,
)

PULLED = 100 << 10
"""Bytes of a message that is too long to travel beside its operation."""
AT_A, AT_A_PULLED, AT_B, AT_B_PULLED = 1, 2, 3, 4
ALL = (AT_A, AT_A_PULLED, AT_B, AT_B_PULLED)
SIZES = {AT_A_PULLED: PULLED, AT_B_PULLED: PULLED}


async def write_at(cluster: Cluster, node: Node, *numbers: int, copies: int = 2) -> None:
    for number in numbers:
        await cluster.append(node, number, SIZES.get(number, 0), copies=copies, timeout_s=60.0)


async def assert_account(cluster: Cluster, confirmed: set[int], *nodes: Node) -> None:
    """Confirmed: once. Else at most once; asked again, once. At every node."""
    await agreed(*nodes)
    for node in nodes:
        there = Counter(await shown(node))
        assert all(times == 1 for times in there.values()), f"twice at {node.name}"
        lost = {number for number in confirmed if not there[cluster.hashes[number]]}
        assert not lost, f"confirmed, and not shown by {node.name}: {lost}"
    for number in ALL:
        await cluster.append(nodes[0], number, SIZES.get(number, 0))
    await agreed(*nodes)
    for node in nodes:
        assert len(await shown(node)) == len(ALL), f"not once each at {node.name}"


@pytest.mark.slow
@pytest.mark.parametrize("loses_power", [False, True])
def test_a_node_cancelled_at_any_await(
    loses_power: bool, node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commits, deliveries, sends and receives, its start and its end. The machine then goes on
    with what the disk held at the very moment of the cancellation, or (what is easier, and tried
    at every third await) at the end."""

    async def scenario(cancel: CancelAt) -> None:
        cluster = Cluster(node_list, "ab")
        with replaced(monkeypatch, cluster):
            await cancelled_node(cancel, cluster, loses_power=loses_power)

    assert at_every_await(scenario, step=1 if loses_power else 3) > 150


async def cancelled_node(cancel: CancelAt, cluster: Cluster, *, loses_power: bool) -> None:
    before: set[int] = set()
    disk = cluster.machines["a"].disk

    def power_cut() -> None:
        nonlocal disk
        disk = deepcopy(cluster.machines["a"].disk)
        disk.lose_power(lose_all)
        before.update(cluster.confirmed)

    if loses_power:
        cancel.then = power_cut
    async with cluster.node("b") as b:

        async def life() -> None:
            async with cluster.node("a") as a:
                await make_inbox(a)
                await write_at(cluster, a, AT_A, copies=1)
                await write_at(cluster, a, AT_A_PULLED)
                await write_at(cluster, b, AT_B, AT_B_PULLED)

        await cancel.part(life)
        if not cancel.has_cancelled:
            return
        cluster.machines["a"].disk = disk
        confirmed = before if loses_power else set(cluster.confirmed)
        async with cluster.node("a") as a:
            await make_inbox(a)
            await assert_account(cluster, confirmed, b, a)


@pytest.mark.slow
def test_a_log_that_is_not_synced_is_caught(
    node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted mistake, so that the test above is known to be able to fail."""

    async def scenario(cancel: CancelAt) -> None:
        cluster = Cluster(node_list, "ab")
        with replaced(monkeypatch, cluster):
            await cancelled_node(cancel, cluster, loses_power=True)

    sync = SimulatedDisk.sync
    monkeypatch.setattr(
        SimulatedDisk, "sync", lambda self, name: ".segment" in name or sync(self, name)
    )
    with pytest.raises(BaseExceptionGroup) as caught:
        at_every_await(scenario)
    assert caught.group_contains(AssertionError, match="confirmed, and not shown")


@pytest.mark.slow
def test_a_link_cancelled_at_any_await(node_list: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handshake's histories, sender, receiver and pings of one end: both nodes go on."""

    async def scenario(cancel: CancelAt) -> None:
        cluster = Cluster(node_list, "ab")
        converse = product.Links.converse
        is_first = True

        async def converse_once(self: product.Links, connection: Connection) -> None:
            nonlocal is_first
            if is_first:
                is_first = False
                await cancel.part(partial(converse, self, connection))
            else:
                await converse(self, connection)

        with replaced(monkeypatch, cluster), monkeypatch.context() as patch:
            patch.setattr(product.Links, "converse", converse_once)
            async with cluster.node("b") as b, cluster.node("a") as a:
                await make_inbox(a)
                await agreed(a, b)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(write_at, cluster, a, AT_A, AT_A_PULLED)
                    nursery.start_soon(write_at, cluster, b, AT_B, AT_B_PULLED)
                await assert_account(cluster, set(ALL), b, a)

    assert at_every_await(scenario) >= 30


@pytest.mark.parametrize("copies", [1, 2])
def test_a_caller_cancelled_at_any_await(
    copies: int, node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled request has its effect or has none; the shard keeps nothing for its caller."""

    async def scenario(cancel: CancelAt) -> None:
        cluster = Cluster(node_list, "ab")
        with replaced(monkeypatch, cluster):
            async with cluster.node("b") as b, cluster.node("a") as a:
                await make_inbox(a)
                await cancel.part(partial(write_at, cluster, a, AT_A_PULLED, AT_A, copies=copies))
                await write_at(cluster, b, AT_B)
                await assert_account(cluster, set(cluster.confirmed), b, a)
                assert not (await a.shard_of(INBOX.box)).callers

    assert at_every_await(scenario) >= 3


def test_a_watcher_cancelled_at_any_await(node_list: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(cancel: CancelAt) -> None:
        cluster = Cluster(node_list, "ab")
        with replaced(monkeypatch, cluster):
            async with cluster.node("a") as a:
                shard = await a.shard_of(INBOX.box)

                async def watch() -> None:
                    async with aclosing(shard.changes({})) as changes:
                        async for change in changes:
                            if change.kind == "append":
                                break

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(cancel.part, watch)
                    await make_inbox(a)
                    await write_at(cluster, a, AT_A, copies=1)
                assert not shard._feed._watchers
                with trio.fail_after(SECONDS_MAX):
                    await watch()

    assert at_every_await(scenario) >= 3


@pytest.mark.slow
def test_a_start_on_a_real_disk_cancelled_at_any_await(tmp_path: Path) -> None:
    """No descriptor stays open, no lock is kept: the next start finds all as it was."""
    node_list = local_node_list(tmp_path, ["a"])

    async def scenario(cancel: CancelAt) -> None:
        async def life() -> None:
            async with open_node(node_list, "a") as node:
                await make_inbox(node)
                shard = await node.shard_of(INBOX.box)
                blob, carried = await shard.put(pieces_of(message(AT_A, PULLED)))
                id = RequestId(CLIENT, AT_A)
                outcome = await shard.ask(Append(INBOX, blob), id=id, carried=carried)
                assert isinstance(outcome, Done)

        before = open_files(tmp_path)
        await cancel.part(life)
        assert open_files(tmp_path) == before
        async with open_node(node_list, "a") as node:
            await make_inbox(node)
            assert len(await shown(node)) <= 1

    assert at_every_await(scenario, run=run_for_real) > 20


def run_for_real(main: Callable[[], Awaitable[None]], *, instruments: Sequence[Instrument]) -> None:
    trio.run(main, instruments=instruments)


def open_files(folder: Path) -> list[str]:
    """Below `folder`, by this process."""
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return sorted(path for link in links if (path := read_link(link)).startswith(str(folder)))


def read_link(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""  # the descriptor of the listing itself
