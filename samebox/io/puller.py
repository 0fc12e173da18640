"""Pulling missing blobs from one peer: a task for each, so that none waits for another's answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from comm import Backoff, CommError
from comm.io import FrameStream, fetch_blob
from crdt import Blob
from samebox.chunk_list import chunks_in
from samebox.io.wanted_blobs import WantedBlobs
from storage import DiskFull, DiskReadOnly, StorageError

GROUP_MAX = 32
"""Pieces that share one sync."""
TURN_MAX = 8
"""Chunks of a long blob, of 1 MiB each, before other blobs have their turn."""
IDLE_S = 60.0
"""A connection on which nothing was asked for so long is closed; well before the peer does so."""
NO_ROOM_S = 5.0
"""After the disk took a piece no more."""


class Pieces(Protocol):
    """Where what was pulled is kept: samebox.io.contents.Contents."""

    def knows(self, hash_: bytes) -> bool:
        """Whether one piece is here: durable, or at the next sync."""
        ...

    async def piece(self, hash_: bytes) -> bytes | None:
        """A durable one."""
        ...

    async def store(self, data: bytes) -> bytes: ...

    async def sync(self) -> None: ...


class Lacking(Exception):
    """The peer does not have a piece that is asked for."""


class Left(Exception):
    """Another peer is asked for the blob by now, or it is the turn of others."""


class Puller:
    """`dial` opens a connection for blobs; `stored` is told of every blob that is all here, and
    `report` in one line of what went wrong."""

    def __init__(
        self,
        peer: str,
        wanted: WantedBlobs,
        pieces: Pieces,
        *,
        dial: Callable[[], Awaitable[FrameStream]],
        stored: Callable[[Blob], None],
        report: Callable[[str], None],
        backoff: Backoff,
    ) -> None:
        self._peer = peer
        self._wanted = wanted
        self._pieces = pieces
        self._dial = dial
        self._stored = stored
        self._report = report
        self._backoff = backoff
        self._frames: FrameStream | None = None
        self._unsynced = 0
        self._whole: list[Blob] = []

    async def run(self) -> None:
        """For as long as the peer can be asked: until cancelled."""
        self._wanted.up(self._peer)
        try:
            while True:
                await self._pull_safely()
        finally:
            self._wanted.down(self._peer)
            await self._hang_up()

    async def _pull_safely(self) -> None:
        """A failure of this peer, or of what is told of it, ends nothing but its connection."""
        try:
            with trio.move_on_after(IDLE_S) as idle:
                await self._wanted.wait_for(self._peer)
            if idle.cancelled_caught:
                await self._hang_up()
            else:
                await self._pull_group()
        except (DiskFull, DiskReadOnly):  # whoever keeps the pieces says so
            await trio.sleep(NO_ROOM_S)
        except StorageError:
            raise
        except CommError as error:
            self._report(f"a blob could not be pulled: {error}")
            await trio.sleep(self._backoff.next_s())
        except Exception as error:
            self._report(f"pulling blobs failed: {error!r}")
            await trio.sleep(self._backoff.next_s())

    async def _hang_up(self) -> None:
        if self._frames is not None:
            await self._frames.close()
            self._frames = None

    async def _pull_group(self) -> None:
        """What there is to ask for, with one sync for all that are short. What was pulled when
        something fails is not lost. A peer that cannot be reached holds up nothing."""
        if self._frames is None:
            self._frames = await self._dial()
        try:
            while (blob := self._wanted.next_nowait(self._peer)) is not None:
                is_long = blob.chunks is not None
                if is_long:
                    await self._tell_whole()
                if await self._pull(blob):
                    self._whole.append(blob)
                if is_long or self._unsynced >= GROUP_MAX or self._wanted.is_urgent(blob):
                    await self._tell_whole()
        finally:
            await self._tell_whole()

    async def _tell_whole(self) -> None:
        """What has come is durable, and those who wait for it know."""
        whole, self._whole = self._whole, []
        try:
            if whole:
                await self._sync()
            for blob in whole:
                self._stored(blob)
        finally:
            for blob in whole:
                self._wanted.release(self._peer, blob)

    async def _pull(self, blob: Blob) -> bool:
        """Whether all of it is here now, up to a sync."""
        try:
            fetched = 0
            for hash_ in await self._hashes(blob):
                fetched += await self._pull_piece(blob, hash_)
                if fetched >= TURN_MAX and self._wanted.has_for(self._peer):
                    raise Left
        except Lacking:
            self._wanted.lacks(self._peer, blob)
            return False
        except Left:
            self._wanted.release(self._peer, blob)
            return False
        except BaseException:
            self._wanted.release(self._peer, blob)
            raise
        return True

    async def _hashes(self, blob: Blob) -> list[bytes]:
        """The pieces of a blob, its list of chunks pulled first."""
        if blob.chunks is None:
            return [blob.hash]
        await self._pull_piece(blob, blob.chunks)
        await self._sync()  # also what another puller has stored
        listed = await self._pieces.piece(blob.chunks)
        chunks = None if listed is None else chunks_in(blob, listed)
        if chunks is None:
            raise Lacking
        return chunks

    async def _pull_piece(self, blob: Blob, hash_: bytes) -> bool:
        """Whether the peer had to be asked."""
        if not self._wanted.progressed(self._peer, blob):
            raise Left
        if self._pieces.knows(hash_):
            return False
        data = await self._fetch(blob, hash_)
        if data is None:
            raise Lacking
        await self._pieces.store(data)
        self._backoff.reset()
        self._unsynced += 1
        if self._unsynced >= GROUP_MAX:
            await self._sync()
        return True

    async def _sync(self) -> None:
        await self._pieces.sync()
        self._unsynced = 0

    async def _fetch(self, blob: Blob, hash_: bytes) -> bytes | None:
        def progressed() -> None:
            self._wanted.progressed(self._peer, blob)

        assert self._frames is not None, "a group begins with a connection"
        try:
            return await fetch_blob(self._frames, hash_, progressed=progressed)
        except BaseException:
            self._frames = None
            raise
