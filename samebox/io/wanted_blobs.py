"""Blobs that are to be pulled from peers: who pulls what, and who waits for it."""

from __future__ import annotations

from contextlib import suppress
from math import inf

import trio

from crdt import Blob
from samebox.pulling import AGAIN_LEAST_S, STALL_S, Pulling

LONG_MAX = 64
"""Long blobs to be looked for here; those beyond are handed in again at a later tick."""


class Waiters:
    """Who waits for one blob: `count` tasks, for `stored`."""

    def __init__(self) -> None:
        self.count = 0
        self.stored = trio.Event()


class WantedBlobs:
    """The decision of samebox.pulling, with the tasks that ask peers waiting for its news."""

    def __init__(self) -> None:
        self._pulling = Pulling()
        self._waiters: dict[bytes, Waiters] = {}
        self._news = trio.Event()
        self._tell_long, self._long = trio.open_memory_channel[Blob](LONG_MAX)

    def __len__(self) -> int:
        return len(self._pulling)

    def add(self, blob: Blob) -> None:
        self._want(blob, urgent=blob.hash in self._waiters)

    async def wait(self, blob: Blob) -> None:
        """Have `blob` pulled first of all, and wait until it was stored."""
        waiters = self._waiters.setdefault(blob.hash, Waiters())
        waiters.count += 1
        try:
            while not waiters.stored.is_set():
                self._want(blob, urgent=True)
                with trio.move_on_after(AGAIN_LEAST_S):
                    await waiters.stored.wait()
        finally:
            waiters.count -= 1
            if not waiters.count and self._waiters.get(blob.hash) is waiters:
                del self._waiters[blob.hash]

    def stored(self, blob: Blob) -> None:
        self._pulling.stored(blob)
        waiters = self._waiters.pop(blob.hash, None)
        if waiters is not None:
            waiters.stored.set()

    # --- For those who ask the peers --------------------------------------------------------------

    def up(self, peer: str) -> None:
        self._pulling.up(peer)

    def down(self, peer: str) -> None:
        self._pulling.down(peer, trio.current_time())
        self._tell()

    async def wait_for(self, peer: str) -> None:
        """Until there is anything to ask `peer` for."""
        await trio.lowlevel.checkpoint()
        while not self.has_for(peer):
            with trio.move_on_after(STALL_S if self._pulling else inf):
                await self._news.wait()

    def has_for(self, peer: str) -> bool:
        return self._pulling.has_for(peer, trio.current_time())

    async def next_long(self) -> Blob:
        """One of several pieces that was not looked for here yet."""
        return await self._long.receive()

    def next_nowait(self, peer: str) -> Blob | None:
        return self._pulling.next(peer, trio.current_time())

    def progressed(self, peer: str, blob: Blob) -> bool:
        """Whether `peer` is still the one that is asked for it."""
        return self._pulling.progressed(peer, blob, trio.current_time())

    def lacks(self, peer: str, blob: Blob) -> None:
        self._pulling.lacks(peer, blob, trio.current_time())
        self._tell()

    def release(self, peer: str, blob: Blob) -> None:
        self._pulling.release(peer, blob)
        self._tell()

    def is_urgent(self, blob: Blob) -> bool:
        return self._pulling.is_urgent(blob)

    def _want(self, blob: Blob, *, urgent: bool) -> None:
        if self._pulling.want(blob, trio.current_time(), urgent=urgent):
            self._tell()
            if blob.chunks is not None:
                with suppress(trio.WouldBlock):
                    self._tell_long.send_nowait(blob)

    def _tell(self) -> None:
        """All who wait look again."""
        self._news.set()
        self._news = trio.Event()
