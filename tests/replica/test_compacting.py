"""The packs of a shard are compacted while it works; what an operation names, or will, stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
import trio

from crdt import CHUNK_BYTES, Address, Append, Blob, Create, Dot, Expunge, MemoryRows, State
from samebox.compacting import AtRest, Compacting, OnDisk
from samebox.events import Done, Tick
from samebox.io.compacting import compact
from samebox.io.node import open_node
from samebox.io.shard import Shard
from samebox.leases import Leases
from samebox.marking import Marks
from samebox.testing import local_node_list

MAILBOX = Address("mail", "INBOX")


class Life:
    """One life of a node with a mailbox."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.packs = shard.store.packs

    async def upload(self, data: bytes) -> Blob:
        async def pieces() -> AsyncIterator[bytes]:
            yield data

        return (await self.shard.put(pieces()))[0]

    async def name(self, blob: Blob) -> None:
        assert isinstance(await self.shard.ask(Append(MAILBOX, blob)), Done)

    async def read(self, blob: Blob) -> bytes:
        return b"".join([piece async for piece in self.shard.read(blob)])

    def compacting(self) -> Compacting:
        return Compacting(self.packs, self.shard.store.held, self.shard.contents.marking)

    async def do(self, step: AtRest | OnDisk) -> object:
        if isinstance(step, AtRest):
            return await self.shard.look(step.do)
        return await self.shard.disk.run(step.do)

    async def is_sound(self) -> bool:
        steps = [found async for found in self.shard.verify(1 << 30)]
        return steps[-1].damages == [] and self.shard.status().missing == 0


@asynccontextmanager
async def life(folder: Path) -> AsyncIterator[Life]:
    nodes = folder / "nodes.yaml"
    if not nodes.exists():
        nodes = local_node_list(folder, ["a"])
    with trio.fail_after(60):
        async with open_node(nodes, "a") as node:
            await node.ask(Create(Address("mail")))
            yield Life(await node.shard_of("mail"))


def in_mailbox(state: State) -> tuple[Dot, ...]:
    node = state.find(MAILBOX)
    assert node is not None
    return tuple(entry.id for entry in state.entries(node.ids))


LETTERS = [Random(number).randbytes(100_000) for number in range(5)]
"""Too long to travel beside their operations."""
NAMES = [sha256(letter).digest() for letter in LETTERS]


async def begin(folder: Path) -> None:
    """A life that leaves a sealed pack with five letters, of which the first is named."""
    async with life(folder) as earlier:
        blobs = [await earlier.upload(letter) for letter in LETTERS]
        await earlier.name(blobs[0])


async def test_what_no_operation_names_goes_and_the_rest_is_read_as_before(tmp_path: Path) -> None:
    await begin(tmp_path)
    async with life(tmp_path) as now:
        before = now.packs.size().bytes
        result = await compact(now.shard)
        assert result is not None and result.dropped == 4
        assert list(map(now.packs.has, NAMES)) == [True, False, False, False, False]
        assert now.packs.size().bytes < before / 2
        assert await now.is_sound()
        assert await now.read(Blob(NAMES[0], len(LETTERS[0]))) == LETTERS[0]
    async with life(tmp_path) as later:
        assert later.packs.get(NAMES[0]) == LETTERS[0]


async def test_the_contents_of_what_was_expunged_and_forgotten_go(tmp_path: Path) -> None:
    await begin(tmp_path)
    async with life(tmp_path) as now:
        await now.name(await now.upload(LETTERS[1]))
        entries = await now.shard.look(in_mailbox)
        gone = await now.shard.ask(Expunge(MAILBOX, entries[:1]))
        assert isinstance(gone, Done)
        while await now.shard.look(lambda state: state.names_blob(entries[0])):
            now.shard.tell(Tick())
        await compact(now.shard)
        assert list(map(now.packs.has, NAMES)) == [False, True, False, False, False]
        assert await now.shard.look(in_mailbox) == entries[1:]
        assert await now.is_sound()


async def test_an_upload_that_waits_for_its_request_stays(tmp_path: Path) -> None:
    """It was not even written: its bytes lay there already, named by nobody."""
    await begin(tmp_path)
    async with life(tmp_path) as now:
        blob = await now.upload(LETTERS[1])
        await compact(now.shard)
        assert list(map(now.packs.has, NAMES)) == [True, True, False, False, False]
        await now.name(blob)
        assert await now.read(blob) == LETTERS[1]
        assert await now.is_sound()


@pytest.mark.parametrize("moment", range(8))
async def test_what_is_uploaded_and_named_at_any_moment_stays(tmp_path: Path, moment: int) -> None:
    await begin(tmp_path)
    async with life(tmp_path) as now:
        work = now.compacting()
        steps, count = work.steps(), 0
        result: object = None
        while True:
            if count == moment:
                await now.name(await now.upload(LETTERS[1]))
            count += 1
            try:
                step = steps.send(result)
            except StopIteration:
                break
            result = await now.do(step)
        assert count >= 7
        await now.do(work.ended())
        if count <= moment:
            await now.name(await now.upload(LETTERS[1]))
        assert list(map(now.packs.has, NAMES)) == [True, True, False, False, False]
        assert await now.is_sound()
    async with life(tmp_path) as later:
        assert await later.read(Blob(NAMES[1], len(LETTERS[1]))) == LETTERS[1]
        assert await later.is_sound()


LONG = Random(9).randbytes(2 * CHUNK_BYTES + 10)
OTHER = LONG[:CHUNK_BYTES] + Random(10).randbytes(CHUNK_BYTES + 10)


async def test_of_long_blobs_the_chunks_that_another_one_uses_stay(tmp_path: Path) -> None:
    async with life(tmp_path) as earlier:
        await earlier.upload(OTHER)
        blob = await earlier.upload(LONG)
        await earlier.name(blob)
        for seed in range(4):
            await earlier.upload(Random(seed).randbytes(CHUNK_BYTES))
    async with life(tmp_path) as now:
        result = await compact(now.shard)
        assert result is not None and result.dropped == 3 + 4
        assert await now.read(blob) == LONG
        assert await now.is_sound()
        other = await now.upload(OTHER)
        await now.name(other)
        assert await now.read(other) == OTHER
        assert await now.is_sound()


async def test_a_long_upload_that_waits_for_its_request_is_still_here(tmp_path: Path) -> None:
    async with life(tmp_path) as earlier:
        await earlier.upload(LONG)
        await earlier.upload(OTHER)
        for seed in range(4):
            await earlier.upload(Random(seed).randbytes(CHUNK_BYTES))
    async with life(tmp_path) as now:
        blob = await now.upload(LONG)
        result = await compact(now.shard)
        assert result is not None and result.dropped == 3 + 4
        await now.name(blob)
        assert await now.read(blob) == LONG
        assert await now.is_sound()


async def test_while_a_list_of_chunks_is_missing_nothing_goes(tmp_path: Path) -> None:
    await begin(tmp_path)
    async with life(tmp_path) as now:
        blob = await now.upload(LONG)
        assert blob.chunks is not None
        await now.name(blob)
        await now.shard.disk.run(now.packs.sync)
        now.packs.note_damaged(blob.chunks)
        assert await compact(now.shard) is None
        assert list(map(now.packs.has, NAMES)) == [True] * 5


@pytest.mark.parametrize("moment", range(1, 4))
async def test_when_the_state_is_made_again_meanwhile_nothing_goes(
    tmp_path: Path, moment: int
) -> None:
    """It may name what the other one had forgotten."""
    await begin(tmp_path)
    async with life(tmp_path) as now:
        other = State(MemoryRows())
        steps, count = now.compacting().steps(), 0
        result: object = None
        with pytest.raises(StopIteration) as ended:
            while True:
                step = steps.send(result)
                if isinstance(step, AtRest) and count >= moment:
                    result = step.do(other)
                else:
                    result = await now.do(step)
                count += 1
        assert ended.value.value is None
        assert not any(name.endswith("new") for name in now.packs.disk.names())


async def test_a_compaction_that_is_cut_short_leaves_nothing(tmp_path: Path) -> None:
    await begin(tmp_path)
    async with life(tmp_path) as now:
        work = now.compacting()
        steps = work.steps()
        result: object = None
        while not any(name.endswith("new") for name in now.packs.disk.names()):
            step = steps.send(result)
            result = await now.do(step)
        await now.do(work.ended())
        assert list(map(now.packs.has, NAMES)) == [True] * 5
        assert not any(name.endswith("new") for name in now.packs.disk.names())


def test_marks_are_a_set() -> None:
    random, marks = Random(0), Marks()
    hashes = [random.randbytes(32) for _ in range(2000)]
    for count, hash_ in enumerate(hashes):
        assert hash_ not in marks
        marks.add(hash_)
        assert hash_ in marks and hashes[random.randrange(count + 1)] in marks


def test_a_lease_ends_when_its_blob_is_named_or_its_upload_broken_off() -> None:
    leases = Leases()
    first, second, broken = leases.begin(), leases.begin(), leases.begin()
    for upload in (first, second, broken):
        upload.add(b"piece")
    broken.add(b"other")
    leases.drop(broken)
    assert (b"piece" in leases, b"other" in leases) == (True, False)
    leases.finish(first, Blob(b"one", 5))
    leases.finish(second, Blob(b"two", 5))
    leases.named(Blob(b"one", 5))
    assert b"piece" in leases
    leases.named(Blob(b"two", 5))
    assert b"piece" not in leases
