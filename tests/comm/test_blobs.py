"""Blobs come whole and verified over a connection of their own, or not at all."""

from hashlib import sha256

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from comm import Ack, BlobBytes, Bye, LinkLost, Message, NoBlob, PeerBroke, WantBlob
from comm.frames import FRAME_BYTES_MAX
from comm.io import FrameStream, fetch_blob, serve_blobs
from comm.messages import CHUNK_BYTES_MAX
from tests.comm.wires import Peer, in_background

CHUNK = b"chunk" * (CHUNK_BYTES_MAX // 5)
NAME = sha256(CHUNK).digest()
EMPTY = sha256(b"").digest()
ABSENT = sha256(b"absent").digest()


class Packs:
    def __init__(self) -> None:
        self.read: list[bytes] = []

    async def read_blob(self, hash: bytes) -> bytes | None:
        self.read.append(hash)
        return {NAME: CHUNK, EMPTY: b""}.get(hash)


def pair() -> tuple[FrameStream, FrameStream]:
    here, there = map(FrameStream, memory_stream_pair())
    here.reader.limit = there.reader.limit = FRAME_BYTES_MAX
    return here, there


async def serve_until_closed(frames: FrameStream, packs: Packs) -> None:
    with pytest.raises(LinkLost, match="closed"):
        await serve_blobs(frames, packs)


async def test_blobs_are_fetched_one_after_the_other() -> None:
    here, there = pair()
    packs = Packs()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_until_closed, there, packs)
        assert await fetch_blob(here, NAME) == CHUNK
        assert await fetch_blob(here, ABSENT) is None
        assert await fetch_blob(here, EMPTY) == b""
        await here.close()
    assert packs.read == [NAME, ABSENT, EMPTY]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (BlobBytes(NAME, CHUNK[:-1]), "are not that blob"),
        (BlobBytes(NAME, b""), "are not that blob"),
        (BlobBytes(EMPTY, b""), "found BlobBytes"),
        (NoBlob(ABSENT), "found NoBlob"),
        (Ack([]), "found Ack"),
    ],
)
async def test_what_is_not_the_blob_is_never_handed_out(answer: Message, reason: str) -> None:
    stream, other = memory_stream_pair()
    frames = FrameStream(stream)
    frames.reader.limit = FRAME_BYTES_MAX
    await Peer(other).say(answer)
    with pytest.raises(PeerBroke, match=reason):
        await fetch_blob(frames, NAME)
    with pytest.raises(LinkLost, match="closed"):
        await frames.receive_frame(within_s=1)


async def test_a_peer_that_goes_while_it_is_asked() -> None:
    stream, other = memory_stream_pair()
    await Peer(other).say(Bye("stopping"))
    with pytest.raises(LinkLost, match="stopping"):
        await fetch_blob(FrameStream(stream), NAME)
    stream, other = memory_stream_pair()
    await other.send_all(b"\0\0\1\0half an answer")
    await other.send_stream.aclose()
    with pytest.raises(LinkLost, match="inside a frame"):
        await fetch_blob(FrameStream(stream), NAME)


async def test_an_answer_that_does_not_come(autojump_clock: MockClock) -> None:
    here, _ = pair()
    with pytest.raises(LinkLost, match="nothing came from the peer for 9 s"):
        await fetch_blob(here, NAME, within_s=9)


async def test_after_a_cancelled_fetch_the_connection_is_closed() -> None:
    here, there = pair()
    async with in_background(fetch_blob, here, NAME):
        await wait_all_tasks_blocked()
    await there.receive_frame(within_s=1)
    with pytest.raises(LinkLost, match="closed"):
        await there.receive_frame(within_s=1)


async def test_a_message_of_a_later_version_is_skipped_by_both() -> None:
    later = b"\0\0\0\x03\x92\x63\x01"
    stream, other = memory_stream_pair()
    peer = Peer(other)
    await other.send_all(later)
    await peer.say(NoBlob(NAME))
    assert await fetch_blob(FrameStream(stream), NAME) is None
    stream, other = memory_stream_pair()
    peer = Peer(other)
    await other.send_all(later)
    await peer.say(WantBlob(EMPTY))
    async with in_background(serve_blobs, FrameStream(stream), Packs()):
        assert await peer.hear() == BlobBytes(EMPTY, b"")


async def test_who_asks_for_nothing_is_closed(autojump_clock: MockClock) -> None:
    _, there = pair()
    with pytest.raises(LinkLost, match="for 30 s"):
        await serve_blobs(there, Packs(), idle_s=30)


async def test_who_asks_for_anything_else_is_closed() -> None:
    stream, other = memory_stream_pair()
    await Peer(other).say(Ack([]))
    with pytest.raises(PeerBroke, match="expected WantBlob, found Ack"):
        await serve_blobs(FrameStream(stream), Packs())
    with pytest.raises(LinkLost, match="closed"):
        await Peer(other).hear()
