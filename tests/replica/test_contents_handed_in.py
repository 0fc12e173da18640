"""A write is confirmed with its contents, or refused: never Done for bytes that nobody has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from crdt import CHUNK_BYTES, Address, Append, Blob, Create, Request, RequestId, Store
from samebox.events import Carried, Done, Outcome, Refusal
from samebox.io.call import Call, Reply
from samebox.io.node import Node, open_node
from samebox.supply import CARRIED_BYTES_MAX
from samebox.testing import local_node_list

INBOX = Address("mail/alice", "INBOX")
FILE = Address("mail/alice", "file")
OTHER = Address("mail/alice", "other")


def blob_of(data: bytes) -> Blob:
    return Blob(sha256(data).digest(), len(data))


def carried(data: bytes) -> tuple[Carried, ...]:
    return (Carried(sha256(data).digest(), data),)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Node]:
    """With a box, and a file in it."""
    with trio.fail_after(60):
        async with open_node(local_node_list(folder, ["a"]), "a") as node:
            await node.ask(Create(Address("mail/alice")))
            await node.ask(Create(FILE, blob_of(b"file")), carried=carried(b"file"))
            yield node


def refused(outcome: Outcome) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


@pytest.mark.parametrize(
    "request_",
    [
        Append(INBOX, blob_of(b"nobody has this")),
        Create(OTHER, blob_of(b"nobody has this")),
        Store(FILE, content=blob_of(b"nobody has this")),
        Append(INBOX, Blob(bytes(32), 3 * CHUNK_BYTES, bytes(32))),
        Append(INBOX, Blob(bytes(32), 1 << 50, bytes(32))),
    ],
)
async def test_contents_that_were_not_handed_in_are_refused(
    tmp_path: Path, request_: Request
) -> None:
    async with running(tmp_path) as node:
        before = dict(node.shards["main"].clock)
        assert refused(await node.ask(request_)) == "no-contents"
        assert refused(await node.ask(request_, carried=carried(b"others"))) == "no-contents"
        assert dict(node.shards["main"].clock) == before


async def test_contents_that_are_not_what_they_say_are_refused_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        false = (Carried(sha256(b"said").digest(), b"found"),)
        request = Append(INBOX, blob_of(b"said"))
        assert refused(await node.ask(request, carried=false)) == "bad-blob"
        reply = Reply()
        await node.channel.send(Call(request, reply, carried=false))
        assert refused(await reply.wait()) == "bad-blob"
        await node.channel.send(Call(request, carried=false))
        assert isinstance(await node.ask(request, carried=carried(b"said")), Done)


@pytest.mark.parametrize("length", [CARRIED_BYTES_MAX + 1, 2 * CHUNK_BYTES])
async def test_contents_too_long_to_be_carried_are_refused_and_end_no_node(
    tmp_path: Path, length: int
) -> None:
    async with running(tmp_path) as node:
        data = bytes(length)
        named = Blob(sha256(data).digest(), length, bytes(32) if length > CHUNK_BYTES else None)
        outcome = await node.ask(Append(INBOX, named), carried=carried(data))
        assert refused(outcome) == "bad-blob"
        assert isinstance(await node.ask(Create(OTHER)), Done)


@pytest.mark.parametrize("length", [5, CARRIED_BYTES_MAX + 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
async def test_contents_that_were_put_are_taken_and_may_be_named_again(
    tmp_path: Path, length: int
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(length)

    async with running(tmp_path) as node:
        blob, beside = await node.shards["main"].put(pieces())
        assert isinstance(await node.ask(Append(INBOX, blob), carried=beside), Done)
        assert isinstance(await node.ask(Create(OTHER, blob)), Done)
        assert node.shards["main"].status().missing == 0


async def test_a_request_that_is_repeated_is_answered_without_its_contents(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        request, id_ = Append(INBOX, blob_of(b"once")), RequestId(b"a client", 1)
        first = await node.ask(request, id=id_, carried=carried(b"once"))
        assert isinstance(first, Done)
        node.shards["main"].store.packs._damaged.add(sha256(b"once").digest())
        again = await node.ask(request, id=id_)
        assert isinstance(again, Done) and again.dots == first.dots
