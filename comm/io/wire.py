"""What TLS is spoken over: a socket, which takes bytes at once while it has room; or any stream."""

from __future__ import annotations

import os
from typing import NoReturn, Protocol

import trio
from trio.abc import Stream

READ_BYTES = 64 << 10
BROKEN = (OSError, ValueError)
"""A socket that was closed has no number to wait for."""


class Wire(Protocol):
    """One task at a time writes, one reads. All raise trio.BrokenResourceError, and
    trio.ClosedResourceError where the connection was closed here."""

    def write_nowait(self, data: memoryview) -> int:
        """How many bytes of `data` were taken at once; maybe none."""
        ...

    async def write(self, data: memoryview) -> int:
        """Wait until some of `data` is taken, and tell how many bytes. Where that is cancelled,
        nobody knows."""
        ...

    async def read(self) -> bytes:
        """What came, READ_BYTES at most; nothing at the end."""
        ...

    async def aclose(self) -> None: ...


def wire_of(stream: Stream) -> Wire:
    """Owns `stream`."""
    return SocketWire(stream) if isinstance(stream, trio.SocketStream) else StreamWire(stream)


class StreamWire:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write_nowait(self, data: memoryview) -> int:
        return 0

    async def write(self, data: memoryview) -> int:
        await self._stream.send_all(data)
        return len(data)

    async def read(self) -> bytes:
        return bytes(await self._stream.receive_some(READ_BYTES))

    async def aclose(self) -> None:
        await self._stream.aclose()


class SocketWire:
    """The system is asked directly: Trio keeps its sockets from blocking, but reads and writes
    them in tasks alone, with a turn of the loop for each."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._socket = stream.socket

    def write_nowait(self, data: memoryview) -> int:
        try:
            return os.write(self._socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._fail(error)

    async def write(self, data: memoryview) -> int:
        taken = 0
        while not taken:
            try:
                await trio.lowlevel.wait_writable(self._socket)
            except BROKEN as error:
                self._fail(error)
            taken = self.write_nowait(data)
        return taken

    async def read(self) -> bytes:
        while True:
            try:
                await trio.lowlevel.wait_readable(self._socket)
                return os.read(self._socket.fileno(), READ_BYTES)
            except BlockingIOError:
                continue
            except BROKEN as error:
                self._fail(error)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _fail(self, error: Exception) -> NoReturn:
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError("this connection was closed here") from None
        raise trio.BrokenResourceError(str(error)) from error
