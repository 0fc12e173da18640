"""A TLS connection whose owner decides when it writes: at once, from anywhere, or in a task.

`trio.SSLStream` has a turn of the loop, or several, for every lock and every step of a send; this
one leaves the locks to its only user, FrameStream, and needs none to send what the socket takes.
One task at a time sends, one receives, and `send_nowait` is called while nobody sends.

TLS 1.3 alone: there is no renegotiation, so a write never waits for a read. What a read is asked
to answer (an update of keys) leaves before whatever is written next.
"""

from __future__ import annotations

import ssl
from typing import Any

import trio
from trio.abc import Stream
from typing_extensions import override

from comm.io.wire import READ_BYTES, Wire

ANSWERS_BYTES_MAX = 4096
"""Of what a read was asked to answer, until something is written: some 75 updates of keys. A peer
of ours asks for none; of one that goes on asking, they would be kept without bound."""


class TlsStream(Stream):
    """Owns `wire`. Its end is the end of the stream, whether or not TLS said so before: frames tell
    where one was cut. Closing says nothing and waits for nothing."""

    def __init__(self, wire: Wire, context: ssl.SSLContext, *, server: bool) -> None:
        self._wire = wire
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server)
        self._unsent = memoryview(b"")
        self._failed: trio.BrokenResourceError | None = None
        self._has_ended = False
        self._answers = 0

    @property
    def has_unsent(self) -> bool:
        """Something waits for `flush`: bytes, or an error."""
        return bool(self._unsent) or self._outgoing.pending > 0 or self._failed is not None

    @property
    def has_unread(self) -> bool:
        """`receive_some` may not have to wait: something is here, or the end is."""
        return self._incoming.pending > 0 or self._tls.pending() > 0 or self._has_ended

    async def handshake(self) -> None:
        """Raises trio.BrokenResourceError; `flush` then sends the alert that tells the peer why."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.flush()
                await self._fill()
            except ssl.SSLError as error:
                raise trio.BrokenResourceError("TLS failed") from error
        await self.flush()

    def certificate(self) -> dict[str, Any] | None:
        """What the peer showed, as ssl.SSLObject.getpeercert tells it."""
        return self._tls.getpeercert()

    # --- Sending ---------------------------------------------------------------------------------

    def send_nowait(self, data: bytes | bytearray) -> bool:
        """Take all of `data`, while nothing is unsent; whether nothing is again. `flush` sends what
        the wire does not take now, and raises what goes wrong."""
        assert not self.has_unsent, "what was taken before comes first"
        try:
            self._encrypt(data)
            self._unsent = self._encrypted()
            self._unsent = self._unsent[self._wire.write_nowait(self._unsent) :]
        except trio.BrokenResourceError as error:
            self._failed = error
        except trio.ClosedResourceError:
            self._unsent = memoryview(b"")  # closed here: nobody waits for it
        return not self.has_unsent

    @override
    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Ends when the wire has taken all of it. Not to be repeated where it was cancelled."""
        self._encrypt(data)
        await self.flush()

    async def flush(self, bytes_max: int | None = None) -> None:
        """Until nothing is unsent, or so many bytes were taken. Raises trio.BrokenResourceError,
        also for an earlier `send_nowait`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._failed is not None:
            raise self._failed
        sent = 0
        while self.has_unsent and (bytes_max is None or sent < bytes_max):
            if not self._unsent:
                self._unsent = self._encrypted()
            piece = self._unsent if bytes_max is None else self._unsent[: bytes_max - sent]
            taken = self._wire.write_nowait(piece) or await self._wire.write(piece)
            self._unsent = self._unsent[taken:]
            sent += taken
        await trio.lowlevel.cancel_shielded_checkpoint()

    @override
    async def wait_send_all_might_not_block(self) -> None:
        await self.flush()

    def _encrypted(self) -> memoryview:
        self._answers = 0
        return memoryview(self._outgoing.read())

    def _encrypt(self, data: bytes | bytearray | memoryview) -> None:
        try:
            if data:
                self._tls.write(data)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError("TLS failed") from error

    # --- Receiving -------------------------------------------------------------------------------

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What comes next; without a turn of the loop where it is here already."""
        if not self.has_unread:
            await self._fill()
        while True:
            try:
                return self._read(READ_BYTES if max_bytes is None else max_bytes)
            except ssl.SSLWantReadError:
                await self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise trio.BrokenResourceError("TLS failed") from error

    def _read(self, max_bytes: int) -> bytes:
        before = self._outgoing.pending
        try:
            return self._tls.read(max_bytes)
        finally:
            self._answers += self._outgoing.pending - before

    async def _fill(self) -> None:
        if self._answers > ANSWERS_BYTES_MAX:
            raise trio.BrokenResourceError(
                f"the peer asks TLS for answers (updates of keys): expected at most "
                f"{ANSWERS_BYTES_MAX} bytes of them at a time, found {self._answers}"
            )
        data = await self._wire.read()
        if data:
            self._incoming.write(data)
        else:
            self._has_ended = True
            self._incoming.write_eof()

    @override
    async def aclose(self) -> None:
        await self._wire.aclose()
