"""Blobs that are to be pulled from a peer, and who waits for them."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from crdt import Blob

WANTED_MAX = 4096
"""Blobs remembered; what is dropped beyond is asked for again at the next tick."""


class WantedBlobs:
    def __init__(self) -> None:
        self._blobs: dict[bytes, Blob] = {}
        self._waiters: dict[bytes, trio.Event] = {}
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
        await self._waiters.setdefault(blob.hash, trio.Event()).wait()

    async def next(self) -> list[Blob]:
        """What is wanted, most urgent first; waits until there is any."""
        while not self._blobs:
            self._news = trio.Event()
            await self._news.wait()
        await trio.lowlevel.checkpoint()
        return list(self._blobs.values())

    def forget(self, blobs: Sequence[Blob]) -> None:
        """No peer had these; those that nobody waits for are asked for again at a later tick."""
        for blob in blobs:
            if blob.hash not in self._waiters:
                self._blobs.pop(blob.hash, None)

    def stored(self, blob: Blob) -> None:
        self._blobs.pop(blob.hash, None)
        waiter = self._waiters.pop(blob.hash, None)
        if waiter is not None:
            waiter.set()
