"""Blobs over a connection of their own: one side asks by hash, the other answers, in order."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

import trio

from comm.errors import LinkLost, PeerBroke
from comm.frames import encode_frame
from comm.io.stream import FrameStream
from comm.messages import BlobBytes, Bye, Message, NoBlob, Unknown, WantBlob, decode, encode

ANSWER_S = 60.0
"""For an answer to begin, however busy the peer's disk is; for PROGRESS_BYTES more of it to come;
and for 256 KiB of it to be taken."""
PROGRESS_BYTES = 16 << 10
"""A peer that lets single bytes trickle is as good as silent."""
IDLE_S = 300.0
"""A connection on which nothing was asked for so long is closed by the one who answers."""


class BlobSource(Protocol):
    """Where the answering side finds blobs."""

    async def read_blob(self, hash: bytes) -> bytes | None:
        """Up to CHUNK_BYTES_MAX bytes, verified against their hash; None if not held here."""
        ...


async def fetch_blob(
    frames: FrameStream,
    hash: bytes,
    *,
    within_s: float = ANSWER_S,
    progressed: Callable[[], object] = lambda: None,
) -> bytes | None:
    """The blob, verified; None where the peer does not hold it. One task at a time. `progressed`
    is told whenever PROGRESS_BYTES have come.

    Raises LinkLost, and PeerBroke where what came is not what was asked for. Whatever is raised,
    cancellation too, the answer may still come: `frames` is closed.
    """
    try:
        await frames.send_frames(encode_frame(encode(WantBlob(hash))), within_s=within_s)
        message: Message | Unknown = Unknown(0)
        while isinstance(message, Unknown):
            payload = await frames.receive_frame(
                within_s=within_s, bytes_least=PROGRESS_BYTES, progressed=progressed
            )
            message = decode(payload)
        return _blob_in(message, hash)
    except BaseException:
        await frames.close()
        raise


def _blob_in(message: Message, hash: bytes) -> bytes | None:
    match message:
        case BlobBytes(found, data) if found == hash:
            if sha256(data).digest() != hash:
                raise PeerBroke(f"the bytes sent for blob {hash.hex()[:16]} are not that blob")
            return data
        case NoBlob(found) if found == hash:
            return None
        case Bye(reason):
            raise LinkLost(f"the peer closed the connection: {reason}")
        case _:
            kind = type(message).__name__
            raise PeerBroke(f"expected an answer for blob {hash.hex()[:16]}, found {kind}")


async def serve_blobs(
    frames: FrameStream, source: BlobSource, *, idle_s: float = IDLE_S, within_s: float = ANSWER_S
) -> None:
    """Answer until the peer closes. Raises LinkLost, PeerBroke; `frames` is closed."""
    try:
        while True:
            message = decode(await frames.receive_frame(within_s=idle_s))
            match message:
                case WantBlob(hash):
                    answer = await _answer(source, hash)
                    await frames.send_frames(encode_frame(encode(answer)), within_s=within_s)
                case Unknown():
                    continue
                case Bye(reason):
                    raise LinkLost(f"the peer closed the connection: {reason}")
                case _:
                    raise PeerBroke(f"expected WantBlob, found {type(message).__name__}")
    finally:
        await frames.close()


async def _answer(source: BlobSource, hash: bytes) -> Message:
    data = await source.read_blob(hash)
    await trio.lowlevel.checkpoint()
    return NoBlob(hash) if data is None else BlobBytes(hash, data)
