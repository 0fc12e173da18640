"""TCP in memory: who dials an address gets one end of a pair, who listens there the other."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from math import inf

import trio
from trio.abc import Listener, Stream
from trio.testing import memory_stream_pair
from typing_extensions import override

Pair = Callable[[], tuple[Stream, Stream]]


class MemoryListener(Listener[Stream]):
    def __init__(self, closed: Callable[[], None]) -> None:
        self._dialed, self._taken = trio.open_memory_channel[Stream](inf)
        self._closed = closed

    def dialed(self, stream: Stream) -> None:
        self._dialed.send_nowait(stream)

    @override
    async def accept(self) -> Stream:
        try:
            return await self._taken.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    @override
    async def aclose(self) -> None:
        self._closed()
        self._dialed.close()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """`pair` makes the streams of the connections to come; `cut` ends those that there are."""

    def __init__(self) -> None:
        self.pair: Pair = memory_stream_pair
        self.dials = 0
        self._listeners: dict[int, MemoryListener] = {}
        self._streams: list[Stream] = []

    async def listen(self, port: int, *, host: str) -> list[Listener[Stream]]:
        await trio.lowlevel.checkpoint()
        if port in self._listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

        def closed() -> None:
            self._listeners.pop(port, None)

        self._listeners[port] = MemoryListener(closed)
        return [self._listeners[port]]

    async def dial(self, host: str, port: int) -> Stream:
        await trio.lowlevel.checkpoint()
        self.dials += 1
        if port not in self._listeners:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        here, there = self.pair()
        self._streams += [here, there]
        self._listeners[port].dialed(there)
        return here

    async def cut(self) -> None:
        """Every connection ends, without a word."""
        streams, self._streams = self._streams, []
        for stream in streams:
            await trio.aclose_forcefully(stream)
