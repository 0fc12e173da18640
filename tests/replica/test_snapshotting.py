"""A state that was lost is made from the newest snapshot that fits, and the log behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random

import pytest
import trio

from crdt import Address, Create, Operation, State
from samebox.events import Notice
from samebox.held import Held
from samebox.io.node import open_node
from samebox.io.snapshotting import take as take_running
from samebox.missing import Missing
from samebox.recovery import outdate
from samebox.snapshotting import DEMANDED_EVERY_S, DUE_BYTES, Demand, Snapshotting, is_due
from samebox.store import Store
from samebox.testing import local_node_list
from sim.disk import PowerCut, lose_all
from storage import DiskFull
from tests.replica.test_kept_state import CLUSTER, Node, ask, entropy, fill


@pytest.fixture(autouse=True)
def not_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages stand for those of peers, whose contents need not be here."""
    monkeypatch.setattr(Held, "is_here", lambda self, blob: True)


def take(store: Store, number: int = 1, between: Callable[[], None] = lambda: None) -> None:
    """All steps of one snapshot, of all that is committed."""
    work = Snapshotting(store.disks.log, store.log, store.keeper.frozen)
    steps = work.steps(number=number, id=entropy(16), cluster=CLUSTER, shard="main")
    result: object = None
    try:
        while True:
            try:
                step = steps.send(result)
            except StopIteration:
                return
            result = step.do()
            between()
    finally:
        work.abandon()


def begun(messages: int = 30) -> tuple[Node, Store]:
    """A node whose rows are all in its image."""
    node = Node()
    fill(node.start(), messages)
    store = node.start()
    return node, store


def lost(node: Node) -> Store:
    """The next life, which finds no image."""
    node.images.is_lost = True
    return node.start()


def test_a_lost_state_is_made_from_the_snapshot_and_the_tail_of_the_log() -> None:
    node, store = begun()
    take(store)
    fill(store, 5)
    digest, actor = store.replica.state.digest(), store.replica.actor
    store.close()
    again = lost(node)
    assert any("snapshot-0000000001.snapshot has" in line for line in node.told), node.told
    assert again.replica.state.digest() == digest
    assert (again.replica.actor, again.birth) == (actor, None)
    ask(again, Create(Address("more")))
    again.close()
    assert node.start().replica.state.find(Address("more")) is not None


def test_what_changes_while_a_snapshot_is_made_is_not_in_it_and_not_lost() -> None:
    node, store = begun()
    take(store, between=lambda: fill(store, 2))
    digest = store.replica.state.digest()
    store.close()
    again = lost(node)
    assert any("has" in line for line in node.told)
    assert again.replica.state.digest() == digest


def test_a_start_that_ends_before_it_has_asked_for_blobs_leaves_that_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its rows may be written by then, and the next start goes on from them."""
    node, store = begun()
    store.close()
    node.images.is_lost = True
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Missing, "begin", lambda *_: 1 // 0)
        node.start()
    node.images.image.wait()
    assert len(node.start().replica.missing) == 30


def test_missing_blobs_are_asked_for_anew() -> None:
    node, store = begun()
    take(store)
    missing = len(store.replica.missing)
    assert missing == 30
    store.close()
    assert len(lost(node).replica.missing) == missing


async def test_a_running_node_makes_one_while_it_works_and_starts_from_it(tmp_path: Path) -> None:
    """With SQLite, whose readers see one commit whatever is written meanwhile."""
    nodes, told = local_node_list(tmp_path, ["a"]), list[Notice]()
    with trio.fail_after(60):
        async with open_node(nodes, "a") as node:
            await node.ask(Create(Address("alice")))
        async with open_node(nodes, "a") as node:
            shard = await node.shard_of("alice")

            async def work() -> None:
                for number in range(40):
                    await node.ask(Create(Address("alice", f"{number}")))
                    shard.store.keeper.write_soon()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(work)
                taken = await take_running(shard, 1)
            assert taken.bytes > 1000
            digest = await shard.look(lambda state: state.digest())
            data = node.config.paths_for("a").data
        for path in data.glob("shards/main/state/*"):
            path.unlink()
        async with open_node(nodes, "a", log=told.append) as node:
            assert await (await node.shard_of("alice")).look(lambda state: state.digest()) == digest
    assert any("snapshot-0000000001.snapshot has" in notice.text for notice in told), told


def test_peers_have_one_made_at_once_and_the_next_one_later() -> None:
    demand = Demand()
    assert demand.is_met(5.0)
    demand.made(5.0)
    assert not demand.is_met(4.9 + DEMANDED_EVERY_S)
    assert demand.is_met(5.0 + DEMANDED_EVERY_S)


async def test_a_verification_sets_a_damaged_snapshot_aside(tmp_path: Path) -> None:
    nodes = local_node_list(tmp_path, ["a"])
    with trio.fail_after(60):
        async with open_node(nodes, "a") as node:
            await node.ask(Create(Address("alice")))
        async with open_node(nodes, "a") as node:
            shard = await node.shard_of("alice")
            await take_running(shard, 1)
            steps = [found async for found in shard.verify(1 << 30)]
            assert steps[-1].damages == []
            (path,) = node.config.paths_for("a").data.glob("shards/main/log/*.snapshot")
            content = bytearray(path.read_bytes())
            content[-50] ^= 1
            path.write_bytes(content)
            steps = [found async for found in shard.verify(1 << 30)]
            assert [damage.file for damage in steps[-1].damages] == [path.name]
            assert not path.exists() and path.with_suffix(".aside").exists()
            steps = [found async for found in shard.verify(1 << 30)]
            assert steps[-1].damages == []


def positions(length: int) -> Iterator[int]:
    yield from (0, 30, 100, length - 1, length - 40)
    random = Random(1)
    yield from (random.randrange(length) for _ in range(15))


def test_a_damaged_snapshot_is_set_aside_and_the_log_tells_all() -> None:
    node, store = begun()
    take(store)
    digest = store.replica.state.digest()
    store.close()
    disk = node.machine.disk
    name = "log/snapshot-0000000001.snapshot"
    for at in positions(disk.size(name)):
        harmed = deepcopy(node)
        harmed.machine.disk.flip(name, at, 0x04)
        again = lost(harmed)
        assert again.replica.state.digest() == digest, at
        assert name not in harmed.machine.disk.names(), at
        assert name.replace(".snapshot", ".aside") in harmed.machine.disk.names()


def test_a_snapshot_that_the_log_does_not_bear_out_is_not_used() -> None:
    node, store = begun(0)
    fill(store, 40)
    store.close()
    store = node.start()
    before = deepcopy(node.machine.disk)
    fill(store, 20)
    store.close()
    store = node.start()
    take(store)
    snapshot = "log/snapshot-0000000001.snapshot"
    content = node.machine.disk.content(snapshot, 0, node.machine.disk.size(snapshot))
    node.machine.disk = before
    before.create(snapshot)
    before.write(snapshot, 0, content)
    before.sync(snapshot)
    again = lost(node)
    alarms = [notice.text for notice in again.notices if notice.alarm]
    assert any("is not used: it goes up to" in alarm for alarm in alarms), alarms
    assert again.birth is not None, "what was written behind the log would be written twice"
    assert "the state has records of" in again.birth.reason
    assert again.replica.state.find(Address("alice")) is not None


def test_of_a_state_that_forgot_too_much_no_snapshot_is_used() -> None:
    """It may have forgotten the same. The log has not."""
    node, store = begun()
    take(store)
    digest = store.replica.state.digest()
    outdate(store.replica.state.rows, "something is needed that it forgot")
    store.close()
    again = node.start()
    assert not any("has" in line for line in node.told), node.told
    assert again.replica.state.digest() == digest
    assert "log/snapshot-0000000001.snapshot" not in node.machine.disk.names()


def test_a_snapshot_that_forgot_what_the_log_behind_it_needs_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, store = begun()
    take(store)
    fill(store, 3)
    digest = store.replica.state.digest()
    store.close()
    disk = node.machine.disk

    def lacks(state: State, operation: Operation) -> bool:
        return "log/snapshot-0000000001.snapshot" in disk.names()

    monkeypatch.setattr(State, "lacks", lacks)
    again = lost(node)
    assert again.replica.state.digest() == digest
    assert "log/snapshot-0000000001.snapshot" not in disk.names()


def test_power_cut_at_every_operation_of_a_snapshot_changes_nothing() -> None:
    node, store = begun()
    take(store)
    fill(store, 3)
    store.close()
    digest = node.start().replica.state.digest()
    operation = 0
    while True:
        operation += 1
        crashing = deepcopy(node)
        store = crashing.start()
        disk = crashing.machine.disk
        disk.crash_at = disk.operations + operation
        try:
            take(store, 2)
        except PowerCut:
            disk.lose_power(lose_all if operation % 2 else Random(operation).randrange)
            again = lost(crashing)
            assert any("has" in line for line in crashing.told), crashing.told
            assert again.replica.state.digest() == digest
        else:
            assert operation > 10
            return


def test_without_space_the_snapshot_before_stays() -> None:
    node, store = begun()
    take(store)
    names = node.machine.disk.names()
    node.machine.disk.capacity = node.machine.disk.used() + 600
    with pytest.raises(DiskFull):
        take(store, 2)
    assert node.machine.disk.names() == names


@pytest.mark.parametrize(
    ("log", "snapshot", "due"),
    [
        (DUE_BYTES - 1, 0, False),
        (DUE_BYTES, 0, True),
        (DUE_BYTES, DUE_BYTES + 1, False),
        (DUE_BYTES + 1, DUE_BYTES + 1, True),
    ],
)
def test_snapshots_write_no_more_than_the_log(log: int, snapshot: int, due: bool) -> None:
    assert is_due(log, snapshot) is due
