"""Frames: how a stream of bytes is cut into messages.

    +0      u32, big-endian     n, from 1 to the limit
    +4      n bytes             one message

A pure machine: feed it bytes, take frames from it; "need more" is a value.
"""

from __future__ import annotations

from enum import Enum

from comm.errors import PeerBroke, TooLarge

PREFIX_BYTES = 4
FRAME_BYTES_MAX = 4 << 20
"""A record (1 MiB) and what travels beside it fit with ease; so do 100,000 clock entries."""
HANDSHAKE_BYTES_MAX = 256 << 10
"""The limit while it is not known who the peer is: what a stranger can make this node hold."""
FEED_BYTES_MAX = 64 << 10
"""Of one call of `feed`: what is read from the network at a time."""


class NeedMore(Enum):
    NEED_MORE = "need more"


NEED_MORE = NeedMore.NEED_MORE


def encode_frame(payload: bytes, *, limit: int = FRAME_BYTES_MAX) -> bytes:
    """Raises TooLarge; the receiver would refuse it."""
    if not 0 < len(payload) <= limit:
        raise TooLarge(f"a message of {len(payload)} bytes; a frame holds 1 to {limit}")
    return len(payload).to_bytes(PREFIX_BYTES, "big") + payload


class FrameReader:
    """Holds at most one unfinished frame and one feed: take all frames before feeding again."""

    def __init__(self, *, limit: int = FRAME_BYTES_MAX) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._length: int | None = None
        self._broken: PeerBroke | None = None

    @property
    def is_empty(self) -> bool:
        """The bytes so far end where a frame ends."""
        return not self._buffer and self._length is None

    def feed(self, data: bytes) -> None:
        assert len(data) <= FEED_BYTES_MAX, f"fed {len(data)} bytes, at most {FEED_BYTES_MAX}"
        held = len(self._buffer)
        assert held <= self.limit, f"{held} bytes are held already: take the frames first"
        self._buffer += data

    def next_frame(self) -> bytes | NeedMore:
        """The next whole frame. Raises PeerBroke, now and ever after, at a length out of range.

        Room is made for bytes that came, never for a length that was announced.
        """
        if self._broken is not None:
            raise self._broken
        if self._length is None:
            if len(self._buffer) < PREFIX_BYTES:
                return NEED_MORE
            self._length = self._announced()
        if len(self._buffer) < self._length:
            return NEED_MORE
        frame = bytes(memoryview(self._buffer)[: self._length])
        del self._buffer[: self._length]
        self._length = None
        return frame

    def _announced(self) -> int:
        length = int.from_bytes(self._buffer[:PREFIX_BYTES], "big")
        if not 0 < length <= self.limit:
            found = bytes(self._buffer[: PREFIX_BYTES * 2]).hex(" ")
            text = f"expected a frame of 1 to {self.limit} bytes, found {length} ({found})"
            self._broken = PeerBroke(text)
            raise self._broken
        del self._buffer[:PREFIX_BYTES]
        return length
