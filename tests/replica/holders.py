"""Peers that have blobs and give them as they please, and a node that lacks some."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest
import trio
import trio.testing
from trio.testing import memory_stream_pair
from typing_extensions import override

from comm import FRAME_BYTES_MAX, Backoff, BlobBytes, LinkLost, WantBlob, decode, encode
from comm import encode_frame as framed
from comm.io import FrameStream, serve_blobs
from crdt import Blob
from samebox.io.puller import Puller
from samebox.io.wanted_blobs import WantedBlobs
from storage import DiskFull

SOON_S = 2.0
"""For what no peer delays: turns of the scheduler and waits of a back-off, no more."""


def named(data: bytes) -> bytes:
    return sha256(data).digest()


class Pieces:
    """A store in memory; what was stored is durable at the next sync."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, bytes] = {}
        self.held: dict[bytes, bytes] = {}
        self.syncs = 0
        self.fails = 0

    def knows(self, hash_: bytes) -> bool:
        return hash_ in self.held or hash_ in self.waiting

    async def piece(self, hash_: bytes) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return self.held.get(hash_)

    async def store(self, data: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.fails:
            self.fails -= 1
            raise DiskFull("no room")
        self.waiting[named(data)] = data
        return named(data)

    async def sync(self) -> None:
        await trio.lowlevel.checkpoint()
        self.held |= self.waiting
        self.waiting.clear()
        self.syncs += 1


class Holder:
    """A peer that has these pieces; `asked` is what it was asked for, in order."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = {named(piece): piece for piece in pieces}
        self.asked: list[bytes] = []
        self.connections = 0

    async def answer_the_call(self) -> None:
        await trio.lowlevel.checkpoint()

    async def read_blob(self, hash: bytes) -> bytes | None:
        self.asked.append(hash)
        await trio.lowlevel.checkpoint()
        return self.pieces.get(hash)

    async def serve(self, frames: FrameStream) -> None:
        with pytest.raises(LinkLost):
            await serve_blobs(frames, self)


class Deaf(Holder):
    """Reads what it is asked and never answers."""

    @override
    async def serve(self, frames: FrameStream) -> None:
        self.asked.append(await frames.receive_frame(within_s=1000))
        await trio.sleep_forever()


class Trickling(Holder):
    """Answers rightly, a byte each second."""

    @override
    async def serve(self, frames: FrameStream) -> None:
        wanted = decode(await frames.receive_frame(within_s=1000))
        assert isinstance(wanted, WantBlob)
        self.asked.append(wanted.hash)
        for byte in framed(encode(BlobBytes(wanted.hash, self.pieces[wanted.hash]))):
            await trio.sleep(1)
            try:
                await frames.send_frames(bytes([byte]), within_s=1000)
            except LinkLost:
                return


class Lying(Holder):
    """Sends other bytes than those it was asked for."""

    @override
    async def serve(self, frames: FrameStream) -> None:
        wanted = decode(await frames.receive_frame(within_s=1000))
        assert isinstance(wanted, WantBlob)
        self.asked.append(wanted.hash)
        await frames.send_frames(framed(encode(BlobBytes(wanted.hash, b"else"))), within_s=1)
        await frames.close()


class Breaking(Holder):
    """Breaks inside the answer to its `number`th question on a connection."""

    def __init__(self, number: int, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.number = number

    @override
    async def serve(self, frames: FrameStream) -> None:
        for _ in range(self.number):
            wanted = decode(await frames.receive_frame(within_s=1000))
            assert isinstance(wanted, WantBlob)
            self.asked.append(wanted.hash)
            answer = framed(encode(BlobBytes(wanted.hash, self.pieces[wanted.hash])))
            if len(self.asked) % self.number == 0:
                answer = answer[: len(answer) // 2]
            await frames.send_frames(answer, within_s=1)
        await frames.close()


class Site:
    """A node that lacks blobs."""

    def __init__(self) -> None:
        self.wanted = WantedBlobs()
        self.pieces = Pieces()
        self.stored: list[Blob] = []
        self.reports: list[str] = []

    def take(self, blob: Blob) -> None:
        self.stored.append(blob)
        self.wanted.stored(blob)

    def puller(self, name: str, holder: Holder, nursery: trio.Nursery) -> Puller:
        async def dial() -> FrameStream:
            here, there = map(FrameStream, memory_stream_pair())
            here.reader.limit = there.reader.limit = FRAME_BYTES_MAX
            await holder.answer_the_call()
            holder.connections += 1
            nursery.start_soon(holder.serve, there)
            return here

        return Puller(
            name,
            self.wanted,
            self.pieces,
            dial=dial,
            stored=lambda blob: self.take(blob),
            report=self.reports.append,
            backoff=Backoff(lambda: 0.5),
        )

    @asynccontextmanager
    async def pulling_from(self, *holders: Holder) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for number, holder in enumerate(holders):
                nursery.start_soon(self.puller(str(number), holder, nursery).run)
            await trio.testing.wait_all_tasks_blocked()
            yield
            nursery.cancel_scope.cancel()

    async def has(self, *blobs: Blob, within_s: float = SOON_S) -> None:
        """All of these, in time."""
        with trio.fail_after(within_s):
            async with trio.open_nursery() as nursery:
                for blob in blobs:
                    nursery.start_soon(self.wanted.wait, blob)


def short(*contents: bytes) -> list[Blob]:
    return [Blob(named(data), len(data)) for data in contents]


SHORT = [b"content %d" % number for number in range(100)]
