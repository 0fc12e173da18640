"""Frames on a stream of bytes, with a time limit on everything.

A send that failed, timed out or was cancelled may have written half a frame: the connection is
finished then, and says so to whoever tries again. Nothing is flushed at the end; closing closes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NoReturn

import trio
from trio.abc import Stream

from comm.errors import ConnectionFinished, LinkLost
from comm.frames import FEED_BYTES_MAX, HANDSHAKE_BYTES_MAX, FrameReader, NeedMore
from comm.io.tls_stream import TlsStream

WRITE_BYTES = 256 << 10
"""Handed to the stream at a time: each such piece has the whole time limit for itself."""
ENDS = (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError)
"""How a send or a receive ends a connection."""


class FrameStream:
    """Owns `stream`. Sends may come from several tasks and go one after the other; one task at a
    time receives. The frame limit is that of a handshake until `reader.limit` is raised. At
    `heard_at` something came last; since `listens_since` a task waits for more, if one does."""

    def __init__(self, stream: Stream) -> None:
        self.reader = FrameReader(limit=HANDSHAKE_BYTES_MAX)
        self.heard_at = trio.current_time()
        self.listens_since: float | None = None
        self._stream = stream
        self._sending = trio.Lock()
        self._left = trio.Event()
        self._finished = False

    @property
    def is_prompt(self) -> bool:
        """`send_nowait` can send: nothing else is under way."""
        busy = self._finished or self._sending.locked()
        return isinstance(self._stream, TlsStream) and not busy and not self._stream.has_unsent

    @property
    def has_more(self) -> bool:
        """Something has come that was not received yet: the next frame may be here already."""
        is_unread = isinstance(self._stream, TlsStream) and self._stream.has_unread
        return is_unread or not self.reader.is_empty

    def send_nowait(self, data: bytes | bytearray) -> None:
        """Whole frames, while the stream `is_prompt`. What does not leave now is left to
        `flush_left`, and so is what goes wrong."""
        assert not self._sending.locked(), "another send is under way"
        assert isinstance(self._stream, TlsStream), "this stream sends in tasks alone"
        if not self._stream.send_nowait(data):
            self._left.set()

    async def flush_left(self, *, within_s: float) -> NoReturn:
        """Send what `send_nowait` has left, for ever. Raises LinkLost."""
        while True:
            await self._left.wait()
            self._left = trio.Event()
            await self.send_frames(b"", within_s=within_s)

    async def send_frames(self, data: bytes | bytearray, *, within_s: float) -> None:
        """Whole frames, behind those that are unsent; the peer has to take each WRITE_BYTES
        `within_s`. Raises LinkLost."""
        view = memoryview(data)
        async with self._sending:
            if self._finished:
                raise ConnectionFinished("an earlier send on this connection did not end")
            self._finished = True
            try:
                while isinstance(self._stream, TlsStream) and self._stream.has_unsent:
                    with trio.fail_after(within_s):
                        await self._stream.flush(WRITE_BYTES)
                for start in range(0, len(view), WRITE_BYTES):
                    with trio.fail_after(within_s):
                        await self._stream.send_all(view[start : start + WRITE_BYTES])
            except ENDS as error:
                raise _lost(error, f"the peer took nothing for {within_s} s") from error
            self._finished = False

    async def receive_frame(
        self,
        *,
        within_s: float,
        bytes_least: int = 1,
        progressed: Callable[[], object] = lambda: None,
    ) -> bytes:
        """The next frame; of a longer one, so many bytes have to come every `within_s`, and
        `progressed` is told each time that they have.

        Raises LinkLost at the end of the stream, PeerBroke at a length out of range.
        """
        came, deadline = 0, inf if within_s == inf else trio.current_time() + within_s
        while isinstance(frame := self.reader.next_frame(), NeedMore):
            try:
                data = await self._receive(FEED_BYTES_MAX, deadline)
            except ENDS as error:
                raise _lost(error, _silence(came, within_s)) from error
            if not data:
                where = "" if self.reader.is_empty else " inside a frame"
                raise LinkLost(f"the peer closed the connection{where}")
            self.reader.feed(data)
            self.heard_at = trio.current_time()
            came += len(data)
            if came >= bytes_least:
                progressed()
                came, deadline = 0, self.heard_at + within_s
        return frame

    async def receive_exactly(self, count: int, *, within_s: float) -> bytes:
        """What comes before the first frame. Raises LinkLost."""
        data = b""
        while len(data) < count:
            try:
                more = await self._receive(count - len(data), trio.current_time() + within_s)
            except ENDS as error:
                raise _lost(error, _silence(0, within_s)) from error
            if not more:
                raise LinkLost(f"the peer closed the connection after {len(data)} bytes")
            data += more
        return data

    async def _receive(self, count: int, deadline: float) -> bytes:
        self.listens_since = trio.current_time()
        try:
            if deadline == inf:  # a scope costs more than all else here
                return bytes(await self._stream.receive_some(count))
            with trio.fail_at(deadline):
                return bytes(await self._stream.receive_some(count))
        finally:
            self.listens_since = None

    async def close(self) -> None:
        """At once, whatever is unsent."""
        self._finished = True
        await trio.aclose_forcefully(self._stream)


def _silence(came: int, within_s: float) -> str:
    what = f"no more than {came} bytes" if came else "nothing"
    return f"{what} came from the peer for {within_s} s"


def _lost(error: Exception, silence: str) -> LinkLost:
    """One of ENDS in words."""
    match error:
        case trio.TooSlowError():
            return LinkLost(silence)
        case trio.ClosedResourceError():
            return LinkLost("the connection was closed here")
        case _:
            return LinkLost(f"the connection broke: {cause_of(error)}")


def cause_of(error: BaseException) -> str:
    """What lies below an error of Trio: that of TLS or of the operating system."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
