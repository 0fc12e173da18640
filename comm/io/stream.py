"""Frames on a stream of bytes, with a time limit on everything.

A send that failed, timed out or was cancelled may have written half a frame: the connection is
finished then, and says so to whoever tries again. Nothing is flushed at the end; closing closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from trio.abc import Stream

from comm.errors import ConnectionFinished, LinkLost
from comm.frames import FEED_BYTES_MAX, HANDSHAKE_BYTES_MAX, FrameReader, NeedMore

WRITE_BYTES = 256 << 10
"""Handed to the stream at a time: each such piece has the whole time limit for itself."""


class FrameStream:
    """Owns `stream`. Sends may come from several tasks and go one after the other; one task at a
    time receives. The frame limit is that of a handshake until `reader.limit` is raised. At
    `heard_at` something came last."""

    def __init__(self, stream: Stream) -> None:
        self.reader = FrameReader(limit=HANDSHAKE_BYTES_MAX)
        self.heard_at = trio.current_time()
        self._stream = stream
        self._sending = trio.Lock()
        self._finished = False

    async def send_frames(self, data: bytes | bytearray, *, within_s: float) -> None:
        """Whole frames; the peer has to take each WRITE_BYTES `within_s`. Raises LinkLost."""
        view = memoryview(data)
        async with self._sending:
            if self._finished:
                raise ConnectionFinished("an earlier send on this connection did not end")
            self._finished = True
            with _losing(f"the peer took nothing for {within_s} s"):
                for start in range(0, len(view), WRITE_BYTES):
                    with trio.fail_after(within_s):
                        await self._stream.send_all(view[start : start + WRITE_BYTES])
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
        came, deadline = 0, trio.current_time() + within_s
        while isinstance(frame := self.reader.next_frame(), NeedMore):
            left_s = max(0.0, deadline - trio.current_time())
            with _losing(_silence(came, within_s)), trio.fail_after(left_s):
                data = await self._stream.receive_some(FEED_BYTES_MAX)
            if not data:
                where = "" if self.reader.is_empty else " inside a frame"
                raise LinkLost(f"the peer closed the connection{where}")
            self.reader.feed(bytes(data))
            self.heard_at = trio.current_time()
            came += len(data)
            if came >= bytes_least:
                progressed()
                came, deadline = 0, trio.current_time() + within_s
        return frame

    async def receive_exactly(self, count: int, *, within_s: float) -> bytes:
        """What comes before the first frame. Raises LinkLost."""
        data = b""
        while len(data) < count:
            with _losing(_silence(0, within_s)), trio.fail_after(within_s):
                more = bytes(await self._stream.receive_some(count - len(data)))
            if not more:
                raise LinkLost(f"the peer closed the connection after {len(data)} bytes")
            data += more
        return data

    async def close(self) -> None:
        """At once, whatever is unsent."""
        self._finished = True
        await trio.aclose_forcefully(self._stream)


def _silence(came: int, within_s: float) -> str:
    what = f"no more than {came} bytes" if came else "nothing"
    return f"{what} came from the peer for {within_s} s"


@contextmanager
def _losing(silence: str) -> Iterator[None]:
    try:
        yield
    except trio.TooSlowError:
        raise LinkLost(silence) from None
    except trio.BrokenResourceError as error:
        raise LinkLost(f"the connection broke: {cause_of(error)}") from error
    except trio.ClosedResourceError:
        raise LinkLost("the connection was closed here") from None


def cause_of(error: BaseException) -> str:
    """What lies below an error of Trio: that of TLS or of the operating system."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
