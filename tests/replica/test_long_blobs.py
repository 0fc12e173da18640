"""Blobs of several chunks: held when all chunks are, read without a disk in the core's thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest
import trio

from crdt import CHUNK_BYTES, Address, Append, Blob, Create
from samebox.chunk_list import chunks_in
from samebox.events import Carried, Done
from samebox.held import Held
from samebox.io.node import Node, open_node
from samebox.testing import local_node_list
from storage import Packs

INBOX = Address("mail/alice", "INBOX")
LONG = 2 * CHUNK_BYTES + 5


def named(data: bytes) -> bytes:
    return sha256(data).digest()


def test_a_list_of_chunks_fits_its_blob_or_is_none() -> None:
    one, other, third = named(b"1"), named(b"2"), named(b"3")
    blob = Blob(bytes(32), LONG, bytes(32))
    assert chunks_in(blob, one + other + third) == [one, other, third]
    for wrong in (b"", b"abc", one, one + other, one + other + third[:-1], 4 * one):
        assert chunks_in(blob, wrong) is None


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def pieces(length: int) -> AsyncIterator[bytes]:
    for at in range(0, length, CHUNK_BYTES):
        yield bytes([at % 251]) * min(CHUNK_BYTES, length - at)


async def append(node: Node, blob: Blob, carried: tuple[Carried, ...] = ()) -> Done:
    outcome = await node.ask(Append(INBOX, blob), carried=carried)
    assert isinstance(outcome, Done), outcome
    return outcome


@pytest.fixture
def from_a_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations stand for those of a peer, whose contents need not be here."""
    monkeypatch.setattr(Held, "is_here", lambda self, blob: True)


@pytest.mark.usefixtures("from_a_peer")
async def test_what_cannot_be_a_list_of_chunks_leaves_the_blob_missing_and_ends_no_node(
    tmp_path: Path,
) -> None:
    nodes = local_node_list(tmp_path, ["a"])
    async with open_node(nodes, "a") as node:
        await node.ask(Create(Address("mail/alice")))
        short = Blob(named(b"abc"), 3)
        await append(node, short, (Carried(short.hash, b"abc"),))
        await append(node, Blob(bytes(32), LONG, short.hash))
        await append(node, Blob(bytes(32), LONG, short.hash))
        assert node.shards["main"].status().missing == 1
    async with open_node(nodes, "a") as node:
        assert node.shards["main"].status().missing == 1


async def test_a_long_blob_is_held_at_once_and_after_a_restart(tmp_path: Path) -> None:
    nodes = local_node_list(tmp_path, ["a"])
    async with open_node(nodes, "a") as node:
        await node.ask(Create(Address("mail/alice")))
        blob, carried = await node.shards["main"].put(pieces(LONG))
        await append(node, blob, carried)
        assert node.shards["main"].status().missing == 0
    async with open_node(nodes, "a") as node:
        assert node.shards["main"].status().missing == 0
        assert sum([len(piece) async for piece in node.shards["main"].read(blob)]) == LONG


async def test_the_core_reads_no_list_of_chunks_itself(tmp_path: Path) -> None:
    """The disk belongs to another thread, which may be in the middle of a sync."""
    nodes = local_node_list(tmp_path, ["a"])
    async with open_node(nodes, "a") as node:
        await node.ask(Create(Address("mail/alice")))
        blob, carried = await node.shards["main"].put(pieces(LONG))
        with patch.object(Packs, "get", side_effect=AssertionError("read by the core")):
            await append(node, blob, carried)
            await append(node, blob)


@pytest.mark.usefixtures("from_a_peer")
async def test_a_long_blob_of_which_all_is_here_is_found_whole_without_a_peer(
    tmp_path: Path,
) -> None:
    nodes = local_node_list(tmp_path, ["a"])
    async with open_node(nodes, "a") as node:
        await node.ask(Create(Address("mail/alice")))
        shard = node.shards["main"]
        blob, carried = await shard.contents.put(pieces(LONG))
        await append(node, blob, carried)
        with trio.fail_after(20):
            await shard.wanted_blobs.wait(blob)
        await append(node, blob)  # behind what was told of the first
        assert shard.status().missing == 0


async def test_a_node_that_ended_leaves_no_file_open(tmp_path: Path) -> None:
    nodes = local_node_list(tmp_path, ["a"])

    async def run_once() -> int:
        async with open_node(nodes, "a") as node:
            await node.ask(Create(Address("mail/alice")))
            await append(node, Blob(named(b""), 0), (Carried(named(b""), b""),))
        return open_files()

    first = await run_once()
    assert await run_once() == first
