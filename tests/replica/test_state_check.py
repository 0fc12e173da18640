"""A verification makes a second state of the log, and compares what the two show."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from crdt import (
    Address,
    Append,
    Create,
    Delete,
    EntryView,
    Expunge,
    Head,
    Operation,
    Rename,
    Request,
    State,
)
from crdt import Store as Flag
from crdt.effects import Effects
from crdt.operations import FlagsStored
from crdt.tables import ENTRIES, ENTRY, MAIL, NODES
from samebox.control import Reply, frame
from samebox.events import Done, Notice
from samebox.history_rows import HEADS
from samebox.io import scratch, verifying
from samebox.io.node import Node, open_node
from samebox.io.shard import Shard
from samebox.state_check import Compared
from samebox.testing import local_node_list
from samebox.unwritten import sealed, unsealed
from samebox.verifying import Findings, check_running, pages

FAST = 1 << 30
WAIT_S = 60.0
INBOX = Address("alice", "INBOX")


class Box:
    """A running node with the box alice."""

    def __init__(self, node: Node, shard: Shard, told: list[Notice]) -> None:
        self.node = node
        self.shard = shard
        self.told = told
        self.rows = node.config.paths_for("a").data / "shards/main/state/rows.db"

    async def ask(self, request: Request) -> Done:
        done = await self.node.ask(request)
        assert isinstance(done, Done), done
        return done

    async def fill(self, messages: int) -> None:
        for _ in range(messages):
            blob, carried = await self.shard.put(nothing())
            done = await self.shard.ask(Append(INBOX, blob), carried=carried)
            assert isinstance(done, Done), done

    async def digest(self) -> bytes:
        return await self.shard.look(lambda state: state.digest())

    async def verify(self) -> Findings:
        return [found async for found in self.shard.verify(FAST)][-1]


async def nothing() -> AsyncIterator[bytes]:
    yield b""


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Box]:
    told: list[Notice] = []
    with trio.fail_after(WAIT_S):
        async with open_node(local_node_list(folder, ["a"]), "a", log=told.append) as node:
            await node.ask(Create(Address("alice")))
            yield Box(node, await node.shard_of("alice"), told)


def changed(rows: Path, table: str, change: Callable[[bytes], bytes | None]) -> None:
    """The first row of a table is another one, or gone, and its checksum says that this is so."""
    with closing(sqlite3.connect(rows)) as file:
        names = dict(file.execute("SELECT k, v FROM rows WHERE k < x'01'").fetchall())
        name = b"\0" + table.encode()
        number = unsealed(name, names[name])
        query = "SELECT k, v FROM rows WHERE k >= ? ORDER BY k LIMIT 1"
        ((key, value),) = file.execute(query, (number,)).fetchall()
        assert key[:1] == number, f"{table} has no row"
        after = change(unsealed(key, value))
        if after is None:
            file.execute("DELETE FROM rows WHERE k = ?", (key,))
        else:
            file.execute("UPDATE rows SET v = ? WHERE k = ?", (sealed(key, after), key))
        file.commit()


def later(entry: bytes) -> bytes:
    row = ENTRY.decode(entry)
    row.date_ms += 1
    return ENTRY.encode(row)


def ahead(head: bytes) -> bytes:
    decoded = Head.decode(head)
    return replace(decoded, seq=decoded.seq + 1).encode()


async def test_a_row_that_is_wrong_and_reads_well_is_named_and_mended(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        await box.fill(5)
        before = await box.digest()
        found = await box.verify()
        assert (found.damages, found.compared) == ([], Compared(7))
        changed(box.rows, ENTRIES, later)
        (damage,) = (await box.verify()).damages
        assert damage.file == "state" and damage.what.startswith("alice:INBOX: entry 1: expected")
        assert await box.digest() == before
        found = await box.verify()
        assert (found.damages, found.compared) == ([], Compared(7))
        assert any("is made again: it is not what the log says" in one.text for one in box.told)
        assert not (box.rows.parent.parent / "compared").exists()


@pytest.mark.parametrize(
    ("table", "change", "what"),
    [
        (ENTRIES, lambda row: None, "its rows say what cannot be"),
        (MAIL, lambda row: None, "alice:INBOX: entry 1: expected"),
        (NODES, lambda row: b"\xc1", "its rows say what cannot be"),
        (HEADS, lambda row: row + b"\xc1", "its rows say what cannot be"),
        (HEADS, lambda row: None, "the births of actors are not those in the log"),
        (HEADS, lambda row: ahead(row), "the log does not lead"),
    ],
)
async def test_rows_that_cannot_be_read_are_told_of(
    table: str, change: Callable[[bytes], bytes | None], what: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as box:
        await box.fill(3)
        before = await box.digest()
        assert (await box.verify()).damages == []
        changed(box.rows, table, change)
        damages = (await box.verify()).damages
        assert what in damages[0].what, damages
        assert await box.digest() == before
        assert (await box.verify()).damages == []


@pytest.mark.slow
async def test_a_difference_of_any_length_fits_into_an_answer(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        await box.fill(1)
        for number in range(3):
            await box.ask(Flag(INBOX, flags=tuple(f"{number}-{n:0>240}" for n in range(800))))
        assert (await box.verify()).damages == []
        changed(box.rows, ENTRIES, later)
        findings = await box.verify()
        assert findings.damages
        for page in pages("main", findings, 0):
            assert frame(Reply(1, page))


async def test_a_mistake_of_an_effect_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if an earlier version had forgotten to apply a flag."""
    apply = Effects.apply

    def forgetful(self: Effects, operation: Operation) -> None:
        if isinstance(operation.body, FlagsStored):
            operation = replace(operation, body=replace(operation.body, add=("other",)))
        apply(self, operation)

    async with opened(tmp_path) as box:
        await box.fill(3)
        with monkeypatch.context() as patch:
            patch.setattr(Effects, "apply", forgetful)
            await box.ask(Flag(INBOX, flags=("kept",)))
        (damage,) = (await box.verify()).damages
        assert damage.what.startswith("alice:INBOX: entry 1: expected"), damage
        assert damage.what.count("with") == 2 and damage.what.endswith("with other"), damage
        assert (await box.verify()).damages == []
        shown = await box.shard.look(lambda state: [one.flags for one in entries(state)])
        assert shown == [("kept",)] * 3


def entries(state: State) -> list[EntryView]:
    inbox = state.find(INBOX)
    assert inbox is not None
    return list(state.entries(inbox.ids))


async def test_nothing_is_found_while_all_kinds_of_writes_come_in(tmp_path: Path) -> None:
    """And writes go on while the two are compared: the verification ends before they do."""
    async with opened(tmp_path) as box, trio.open_nursery() as nursery:
        await box.fill(60)

        async def write() -> None:
            for number in itertools.count():
                name = Address("alice", f"{number}")
                await box.ask(Create(name))
                await box.fill(2)
                await box.ask(Flag(INBOX, flags=("seen", "\\Deleted")))
                await box.ask(Rename(name, Address("alice", f"moved {number}")))
                await box.ask(Expunge(INBOX))
                await box.ask(Delete(Address("alice", f"moved {number}")))

        nursery.start_soon(write)
        for _ in range(2):
            found = await box.verify()
            assert (found.damages, found.compared.why_not) == ([], "")
            assert found.compared.operations > 61
        nursery.cancel_scope.cancel()


async def test_where_there_is_no_room_for_a_second_state_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "SPARE_BYTES", 1 << 60)
    async with opened(tmp_path) as box:
        found = await box.verify()
        assert found.damages == [] and "free some, and verify again" in found.compared.why_not


async def test_a_verification_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        await box.fill(20)
        portions = check_running(box.shard.store, Findings())
        while not (box.rows.parent.parent / "compared").exists():
            box.shard.store.keeper.write_soon()
            assert next(portions, None) is not None
        portions.close()
        assert not (box.rows.parent.parent / "compared").exists()
        assert (await box.verify()).damages == []


async def test_two_verifications_at_once_compare_one_after_the_other(tmp_path: Path) -> None:
    """There is one place for a second state."""
    async with opened(tmp_path) as box:
        await box.fill(120)
        found: list[Findings] = []

        async def verify() -> None:
            found.append(await box.verify())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(verify)
            nursery.start_soon(verify)
        assert [one.compared for one in found] == [Compared(122)] * 2
        assert [one.damages for one in found] == [[], []]


async def test_a_verification_that_is_left_open_does_not_wait_for_a_node_that_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "SHOW_S", 0.0)
    async with opened(tmp_path) as box:
        steps = box.shard.verify(FAST)
        assert not (await anext(steps)).has_ended
    with pytest.raises(StopIteration):
        steps.aclose().send(None)
