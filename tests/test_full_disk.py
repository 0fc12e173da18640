"""A disk without room for the rows of the state: what a node does and says then."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import trio

from crdt import StateLost, merge
from samebox import Address, Create, Node, Notice, open_node, recovery
from samebox.adopting import Fetching
from samebox.events import Done, Failure
from samebox.held import Held
from samebox.image import Change
from samebox.io import node as running
from samebox.io import sqlite_file, sqlite_image
from samebox.io.sqlite_file import DiskIsFull, SqliteFile
from samebox.io.sqlite_image import SqliteImages
from samebox.io.store import shard_folder
from samebox.keeping import Kept
from samebox.testing import local_node_list
from storage import DiskFull, DiskWriteFailed, present_snapshots
from tests.replica import test_kept_state as replicas
from tests.replica.test_adopting import fetch, old_node
from tests.replica.test_truncating import SHORT
from tests.rows_kept import SMALL

WAIT_S = 30
FOLDERS = 20


def no_room(file: SqliteFile, changes: Iterable[Change]) -> None:
    raise DiskIsFull("database or disk is full")


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few that a handful of operations fills the memory for them."""

    def kept_in(directory: Path, shard: str) -> Kept:
        return Kept(SqliteImages(shard_folder(directory, shard) / "state"), SMALL)

    monkeypatch.setattr(running, "kept_in", kept_in)
    monkeypatch.setattr(recovery, "COMMIT_EVERY", 2)
    monkeypatch.setattr(sqlite_image, "FULL_AGAIN_S", 0.001)


async def fill(node: Node) -> None:
    for number in range(FOLDERS):
        assert isinstance(await node.ask(Create(Address(f"mail/{number}"))), Done)


async def names(node: Node) -> list[str]:
    return [
        box.name for box in await (await node.shard_of("mail/0")).look(lambda state: state.boxes())
    ]


async def test_a_start_that_waits_for_room_says_so_and_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node_list = local_node_list(tmp_path, ["a"])
    async with open_node(node_list, "a") as node:
        await fill(node)
        before = await names(node)
        data = node.config.paths_for("a").data
    shutil.rmtree(shard_folder(data, "main") / "state")
    told = trio.Event()

    def log(notice: Notice) -> None:
        if notice.alarm and "no room for the state" in notice.text and "free some" in notice.text:
            told.set()

    async def start() -> None:
        async with open_node(node_list, "a", log=log):
            raise AssertionError("it went on without room")

    with monkeypatch.context() as patch, trio.fail_after(WAIT_S):
        patch.setattr(SqliteFile, "write", no_room)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start)
            await told.wait()
            nursery.cancel_scope.cancel()
    async with open_node(node_list, "a") as node:
        assert await names(node) == before


async def test_a_node_without_room_refuses_writes_and_says_why_until_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    room_again = trio.Event()

    def log(notice: Notice) -> None:
        told.append(notice)
        if notice.text == "the state is written again":
            room_again.set()

    with trio.fail_after(WAIT_S):
        async with open_node(local_node_list(tmp_path, ["a"]), "a", log=log) as node:
            await fill(node)
            shard = await node.shard_of("mail/0")
            with monkeypatch.context() as patch:
                patch.setattr(SqliteFile, "write", no_room)
                refused = await first_failure(node)
                assert "no room for the state" in refused.reason
                assert shard.status().trouble == refused.reason
                assert len(await names(node)) >= FOLDERS
            await room_again.wait()
            assert shard.status().trouble == ""
            assert isinstance(await node.ask(Create(Address("mail/at last"))), Done)
    assert [notice.alarm for notice in told if "room" in notice.text] == [True]


async def first_failure(node: Node) -> Failure:
    number = 0
    while isinstance(outcome := await node.ask(Create(Address(f"mail/more {number}"))), Done):
        number += 1
    assert isinstance(outcome, Failure)
    return outcome


@pytest.fixture
def unopened(tmp_path: Path) -> Iterator[SqliteImages]:
    """Good rows, and no way to open them: a file that SQLite has to make cannot be made."""
    SqliteImages(tmp_path).open().close()
    (tmp_path / "rows.db-wal").mkdir()
    yield SqliteImages(tmp_path)
    assert (tmp_path / "rows.db").exists()


def test_rows_that_cannot_be_opened_without_room_are_not_lost(
    unopened: SqliteImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StateLost):
        unopened.open()
    used = shutil.disk_usage(".")
    monkeypatch.setattr(sqlite_file, "disk_usage", lambda path: used._replace(free=32_000))
    with pytest.raises(DiskFull, match="free at least 1 MiB there, and start again"):
        unopened.open()


def test_no_room_for_the_state_behind_a_snapshot_ends_a_node_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its log has begun anew: it cannot go on as if nothing had changed."""

    def no_room_to_open() -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(Held, "is_here", lambda self, blob: True)
    _, peer = old_node()
    node = replicas.Node(limits=SHORT)
    store = node.start()
    replicas.fill(store, 5)
    before = dict(store.replica.clock)
    fetching = Fetching(store)
    fetch(peer, fetching)
    newest, *_ = present_snapshots(peer.disks.log)
    monkeypatch.setattr(store.keeper, "renew", no_room_to_open)
    with pytest.raises(DiskWriteFailed, match="no state made: no room"):
        fetching.adopt(before)
    monkeypatch.undo()
    store.close()
    again = node.start()
    assert again.replica.clock == merge(before, newest.clock)
