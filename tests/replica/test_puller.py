"""Blobs pulled from several peers at once: one that stalls, trickles, lies or breaks delays no
other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256

import pytest
import trio
import trio.testing
from trio.testing import MockClock, memory_stream_pair
from typing_extensions import override

from comm import FRAME_BYTES_MAX, Backoff, BlobBytes, LinkLost, WantBlob, decode, encode
from comm import encode_frame as framed
from comm.io import FrameStream, serve_blobs
from crdt import CHUNK_BYTES, Blob
from samebox.io.puller import GROUP_MAX, Puller
from samebox.io.wanted_blobs import WantedBlobs
from samebox.pulling import STALL_S
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


async def test_all_is_pulled_once_with_one_sync_for_many(autojump_clock: MockClock) -> None:
    site, b, c = Site(), Holder(*SHORT), Holder(*SHORT)
    async with site.pulling_from(b, c):
        for blob in short(*SHORT):
            site.wanted.add(blob)
        await trio.sleep(SOON_S)
    assert set(site.pieces.held) == set(map(named, SHORT))
    assert sorted(b.asked + c.asked) == sorted(map(named, SHORT)), "each was asked for once"
    assert b.asked and c.asked
    assert site.pieces.syncs <= len(SHORT) // GROUP_MAX + 2
    assert (b.connections, c.connections, site.reports) == (1, 1, [])


@pytest.mark.parametrize("hostile", [Deaf, Trickling, Lying])
async def test_a_hostile_peer_delays_no_blob_that_another_peer_has(
    autojump_clock: MockClock, hostile: Callable[..., Holder]
) -> None:
    site, bad, good = Site(), hostile(*SHORT), Holder(*SHORT)
    async with site.pulling_from(bad, good):
        for blob in short(*SHORT):
            site.wanted.add(blob)
        await site.has(*short(*SHORT), within_s=STALL_S * 2 + SOON_S)
        assert bad.asked, "it was asked, too"
        assert set(site.pieces.held) == set(map(named, SHORT))


async def test_a_peer_that_cannot_be_reached_delays_nothing_at_all(
    autojump_clock: MockClock,
) -> None:
    class Unreachable(Holder):
        @override
        async def answer_the_call(self) -> None:
            await trio.sleep_forever()

    site, away, good = Site(), Unreachable(*SHORT), Holder(*SHORT)
    async with site.pulling_from(away, good):
        for blob in short(*SHORT):
            site.wanted.add(blob)
        await site.has(*short(*SHORT), within_s=SOON_S)
    assert SOON_S < STALL_S


async def test_a_peer_that_lets_bytes_trickle_is_given_up_and_asked_again_later(
    autojump_clock: MockClock,
) -> None:
    data = bytes(CHUNK_BYTES)
    site, bad = Site(), Trickling(data)
    async with site.pulling_from(bad):
        site.wanted.add(*short(data))
        await trio.sleep(59)
        assert site.reports == []
        await trio.sleep(61)
    assert "no more than" in site.reports[0] and "for 60" in site.reports[0]
    assert bad.connections == 2


async def test_what_only_a_breaking_peer_has_comes_all_the_same_bit_by_bit(
    autojump_clock: MockClock,
) -> None:
    site, breaking = Site(), Breaking(3, *SHORT[:10])
    async with site.pulling_from(breaking):
        await site.has(*short(*SHORT[:10]), within_s=30)
    assert len(breaking.asked) <= 15, "what has come is not asked for again"


def long(count: int) -> tuple[Blob, list[bytes]]:
    """A blob of so many chunks, and its pieces: the list, then the chunks."""
    chunks = [bytes([number]) * CHUNK_BYTES for number in range(count)]
    listed = b"".join(map(named, chunks))
    return Blob(named(b"".join(chunks)), count * CHUNK_BYTES, named(listed)), [listed, *chunks]


async def test_a_long_blob_goes_on_at_another_peer_where_the_first_one_broke(
    autojump_clock: MockClock,
) -> None:
    blob, pieces = long(6)
    site, first, second = Site(), Breaking(4, *pieces), Holder(*pieces)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.puller("b", first, nursery).run)
        await trio.testing.wait_all_tasks_blocked()
        site.wanted.add(blob)
        await trio.testing.wait_all_tasks_blocked(0.001)
        assert len(first.asked) == 4
        nursery.start_soon(site.puller("c", second, nursery).run)
        await site.has(blob)
        nursery.cancel_scope.cancel()
    assert set(site.pieces.held) == set(map(named, pieces))
    assert site.stored == [blob]
    assert not set(first.asked[:3]) & set(second.asked), "what has come is not asked for again"


async def test_a_long_blob_that_stalls_is_taken_over_with_what_has_come_of_it(
    autojump_clock: MockClock,
) -> None:
    blob, pieces = long(5)

    class Stalling(Holder):
        @override
        async def read_blob(self, hash: bytes) -> bytes | None:
            if len(self.asked) == 3:
                await trio.sleep_forever()
            return await super().read_blob(hash)

    site, first, second = Site(), Stalling(*pieces), Holder(*pieces)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.puller("b", first, nursery).run)
        await trio.testing.wait_all_tasks_blocked()
        site.wanted.add(blob)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(site.puller("c", second, nursery).run)
        await site.has(blob, within_s=STALL_S * 2 + SOON_S)
        nursery.cancel_scope.cancel()
    assert not set(first.asked) & set(second.asked)


async def test_a_list_that_is_none_leaves_the_blob_missing_and_pulls_on(
    autojump_clock: MockClock,
) -> None:
    site, b = Site(), Holder(b"no list", *SHORT[:3])
    async with site.pulling_from(b):
        site.wanted.add(Blob(named(b"x"), 3 * CHUNK_BYTES, named(b"no list")))
        await site.has(*short(*SHORT[:3]))
    assert len(site.stored) == 3 and site.reports == []


async def test_while_the_disk_is_full_nothing_is_lost(autojump_clock: MockClock) -> None:
    site, b = Site(), Holder(*SHORT[:3])
    site.pieces.fails = 2
    async with site.pulling_from(b):
        await site.has(*short(*SHORT[:3]), within_s=60)
    assert site.reports == ["a blob could not be kept: no room"] * 2


async def test_what_no_peer_has_is_asked_for_now_and_then_and_found_when_one_has_it(
    autojump_clock: MockClock,
) -> None:
    site, b, c = Site(), Holder(), Holder()
    async with site.pulling_from(b, c), trio.open_nursery() as nursery:
        nursery.start_soon(partial(site.has, *short(SHORT[0]), within_s=60))
        await trio.sleep(20)
        assert 20 <= len(b.asked) <= 50
        c.pieces[named(SHORT[0])] = SHORT[0]
        await site.has(*short(SHORT[0]))


async def test_an_error_that_nobody_foresaw_ends_no_puller(autojump_clock: MockClock) -> None:
    site, b = Site(), Holder(*SHORT[:2])
    take = site.take

    def fail_once(blob: Blob) -> None:
        site.take = take  # type: ignore[method-assign]
        raise ZeroDivisionError("planted")

    site.take = fail_once  # type: ignore[method-assign]
    async with site.pulling_from(b):
        await site.has(*short(*SHORT[:2]), within_s=20)
    assert site.reports == ["pulling blobs failed: ZeroDivisionError('planted')"]


async def test_a_connection_on_which_nothing_is_asked_is_closed_and_opened_again(
    autojump_clock: MockClock,
) -> None:
    site, b = Site(), Holder(*SHORT)
    async with site.pulling_from(b):
        await site.has(*short(SHORT[0]))
        await trio.sleep(400)
        await site.has(*short(SHORT[1]))
    assert (b.connections, site.reports) == (2, [])
