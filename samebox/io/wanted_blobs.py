"""Blobs that are to be pulled from a peer, and who waits for them."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from crdt import Blob

WANTED_MAX = 4096
"""Blobs remembered; what is dropped beyond is asked for again at the next tick."""


class Waiters:
    """Who waits for one blob: `count` tasks, for `stored`."""

    def __init__(self) -> None:
        self.count = 0
        self.stored = trio.Event()


class WantedBlobs:
    def __init__(self) -> None:
        self._blobs: dict[bytes, Blob] = {}
        self._waiters: dict[bytes, Waiters] = {}
        self._news = trio.Event()

    def __len__(self) -> int:
        return len(self._blobs)

    def add(self, blob: Blob) -> None:
        if len(self._blobs) < WANTED_MAX:
            self._blobs.setdefault(blob.hash, blob)
            self._news.set()

    async def wait(self, blob: Blob) -> None:
        """Have `blob` pulled first of all, and wait until it was stored."""
        self._blobs = {blob.hash: blob, **self._blobs}
        self._news.set()
        waiters = self._waiters.setdefault(blob.hash, Waiters())
        waiters.count += 1
        try:
            await waiters.stored.wait()
        finally:
            waiters.count -= 1
            if not waiters.count and self._waiters.get(blob.hash) is waiters:
                del self._waiters[blob.hash]

    async def next(self) -> list[Blob]:
        """What is wanted, most urgent first; waits until there is any."""
        while not self._blobs:
            self._news = trio.Event()
            await self._news.wait()
        await trio.lowlevel.checkpoint()
        return list(self._blobs.values())

    def forget(self, blobs: Sequence[Blob]) -> None:
        """No peer had these: others come before them now. Those that nobody waits for are asked
        for again at a later tick."""
        for blob in blobs:
            known = self._blobs.pop(blob.hash, None)
            if known is not None and blob.hash in self._waiters:
                self._blobs[blob.hash] = known

    def stored(self, blob: Blob) -> None:
        self._blobs.pop(blob.hash, None)
        waiters = self._waiters.pop(blob.hash, None)
        if waiters is not None:
            waiters.stored.set()
