"""One node in this process whose loop logs each lone operation itself."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from samebox import Address, Append, Create, Done, Failure, Shard, open_node
from samebox.events import Arrived, Batch
from samebox.io.disk_jobs import SMALL_BYTES
from samebox.io.node import NodeStopped
from samebox.store import Store
from samebox.testing import local_node_list
from storage import DiskFull, DiskWriteFailed

WAIT_S = 20.0
BOB = Address("mail/bob")


class Appends:
    """What was logged: how many operations, and whether by the loop. An `error` comes instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[int, bool]] = []
        self.error: Exception | None = None
        append = Store.append

        def noted(store: Store, batch: Batch) -> Arrived | None:
            in_loop = threading.current_thread() is threading.main_thread()
            self.done.append((len(batch.records), in_loop))
            if self.error is not None:
                raise self.error
            return append(store, batch)

        monkeypatch.setattr(Store, "append", noted)
        monkeypatch.setattr("samebox.io.disk_thread.BRIEF_JOBS", 0)


@asynccontextmanager
async def lone_shard(folder: Path, appends: Appends) -> AsyncIterator[Shard]:
    """The birth of the actor shares a batch; behind it came one operation alone."""
    with trio.fail_after(WAIT_S):
        async with open_node(local_node_list(folder, ["a"]), "a") as node:
            shard = await node.shard_of("mail/alice")
            for name in ("mail/alice", "mail/carol"):
                assert isinstance(await shard.ask(Create(Address(name))), Done)
            appends.done.clear()
            yield shard


async def test_a_lone_operation_is_logged_by_the_loop_before_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends = Appends(monkeypatch)
    async with lone_shard(tmp_path, appends) as shard:
        outcome = await shard.ask(Create(BOB))
        assert isinstance(outcome, Done)
        assert appends.done == [(1, True)]
        (dot,) = outcome.dots
        assert shard.store.log.clock() == shard.clock
        assert shard.clock[dot.actor] == dot.seq


async def test_callers_who_come_together_have_a_batch_and_who_comes_behind_it_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends = Appends(monkeypatch)
    async with lone_shard(tmp_path, appends) as shard:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(shard.ask, Create(Address(f"mail/{number}")))
        assert appends.done == [(1, True), (1, True), (8, False)]
        appends.done.clear()
        for number in (10, 11):
            await shard.ask(Create(Address(f"mail/{number}")))
        assert appends.done == [(1, False), (1, True)]


async def test_without_room_a_lone_operation_is_refused_and_a_later_one_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends = Appends(monkeypatch)
    async with lone_shard(tmp_path, appends) as shard:
        appends.error, before = DiskFull("no room"), dict(shard.clock)
        assert isinstance(await shard.ask(Create(BOB)), Failure)
        assert shard.clock == before
        appends.error = None
        assert isinstance(await shard.ask(Create(BOB)), Done)


async def test_a_disk_that_fails_in_the_loop_ends_the_node_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends = Appends(monkeypatch)
    with pytest.raises(NodeStopped, match="the disk failed: torn"):
        async with lone_shard(tmp_path, appends) as shard:
            appends.error = DiskWriteFailed("torn")
            await shard.ask(Create(BOB))


async def test_contents_are_logged_by_the_loop_where_they_are_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def append(contents: bytes) -> None:
        blob, carried = await shard.put(once(contents))
        assert isinstance(await shard.ask(Append(inbox, blob), carried=carried), Done)
        assert shard.store.packs.has(blob.hash)

    appends, inbox = Appends(monkeypatch), Address("mail/alice", "INBOX")
    async with lone_shard(tmp_path, appends) as shard:
        await append(b"short")
        await append(bytes(SMALL_BYTES))
        await append(bytes(SMALL_BYTES - 1024))
    assert appends.done == [(1, True), (1, False), (1, True)]


async def once(contents: bytes) -> AsyncIterator[bytes]:
    yield contents
