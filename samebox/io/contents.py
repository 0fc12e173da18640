"""The bytes of blobs: streamed in and out of the packs, never whole in memory.

Up to 64 KiB travel beside the operation that names them. Up to one chunk (1 MiB) is one piece in
the packs. Longer ones, up to 32 GiB, are a list of chunks, itself a piece, named by the blob.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256

from crdt import CHUNK_BYTES, Blob
from samebox.chunk_list import CONTENTS_BYTES_MAX, chunks_in
from samebox.errors import SameboxError
from samebox.events import Carried
from samebox.io.disk_thread import DiskThread
from samebox.io.refusals import Refusals
from samebox.leases import Leases, Upload
from samebox.marking import Marking
from samebox.supply import CARRIED_BYTES_MAX, Hashed
from storage import BlobDamaged, BlobMissing, DiskFull, DiskReadFailed, DiskReadOnly, Packs

RECENT_BYTES_MAX = 16 << 20
"""Pieces kept in memory because peers are about to be sent them."""


class ContentsTooLong(SameboxError):
    """Contents of more than CONTENTS_BYTES_MAX: nothing was changed."""


class Recent:
    """The pieces last written or read, up to RECENT_BYTES_MAX in all."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, hash_: bytes) -> bytes | None:
        return self._pieces.get(hash_)

    def add(self, hash_: bytes, data: bytes) -> None:
        if hash_ in self._pieces:
            return
        self._pieces[hash_] = data
        self._bytes += len(data)
        while self._bytes > RECENT_BYTES_MAX:
            _, oldest = self._pieces.popitem(last=False)
            self._bytes -= len(oldest)


class Contents:
    def __init__(self, disk: DiskThread, packs: Packs, refusals: Refusals) -> None:
        self._disk = disk
        self._refusals = refusals
        self._packs = packs
        self._recent = Recent()
        self._leases = Leases()
        self.marking = Marking(self._leases)

    def has(self, hash_: bytes) -> bool:
        """Whether one piece is durable here."""
        return self._packs.has(hash_)

    def knows(self, hash_: bytes) -> bool:
        """Whether one piece is here: durable, or at the next sync."""
        return self._packs.knows(hash_)

    async def sync(self) -> None:
        """Make all pieces stored so far durable."""
        await self._write(self._packs.sync)

    async def put(self, pieces: AsyncIterator[bytes]) -> tuple[Blob, tuple[Carried, ...]]:
        """Take contents in; what comes back as carried goes with the request that names them.

        Raises ContentsTooLong as soon as they are.
        """
        upload = self._leases.begin()
        try:
            blob, carried = await self._put(pieces, upload)
        except BaseException:
            self._leases.drop(upload)
            raise
        self._leases.finish(upload, blob)
        return blob, carried

    async def _put(
        self, pieces: AsyncIterator[bytes], upload: Upload
    ) -> tuple[Blob, tuple[Carried, ...]]:
        whole = sha256()
        size = 0
        chunks: list[bytes] = []
        held = bytearray()
        async for piece in pieces:
            whole.update(piece)
            size += len(piece)
            if size > CONTENTS_BYTES_MAX:
                raise ContentsTooLong(
                    f"expected at most {CONTENTS_BYTES_MAX} bytes of contents, found more; "
                    "keep them in several files"
                )
            held += piece
            while len(held) > CHUNK_BYTES:
                chunks.append(await self._lease(bytes(held[:CHUNK_BYTES]), upload))
                del held[:CHUNK_BYTES]
        if not chunks:
            return await self._put_short(Blob(whole.digest(), size), bytes(held), upload)
        chunks.append(await self._lease(bytes(held), upload))
        listed = await self._lease(b"".join(chunks), upload)
        return Blob(whole.digest(), size, listed), ()

    async def _put_short(
        self, blob: Blob, data: bytes, upload: Upload
    ) -> tuple[Blob, tuple[Carried, ...]]:
        if blob.size <= CARRIED_BYTES_MAX:
            return blob, (Hashed(blob.hash, data),)
        await self._lease(data, upload)
        return blob, ()

    async def _lease(self, data: bytes, upload: Upload) -> bytes:
        hash_ = sha256(data).digest()
        upload.add(hash_)
        await self._write(lambda: self._packs.put(hash_, data))
        return hash_

    async def store(self, data: bytes) -> bytes:
        """Write one piece to the packs (durable at their next sync); returns its hash."""
        hash_ = sha256(data).digest()
        await self._write(lambda: self._packs.put(hash_, data))
        return hash_

    async def _write(self, job: Callable[[], object]) -> None:
        try:
            await self._disk.run(job)
        except (DiskFull, DiskReadOnly) as error:
            self._refusals.refused(error)
            raise
        self._refusals.taken()

    def remember(self, carried: Sequence[Carried]) -> None:
        for blob in carried:
            self._recent.add(blob.hash, blob.data)

    def at_hand(self, hash_: bytes) -> bytes | None:
        """One piece, if it is in memory."""
        return self._recent.get(hash_)

    async def piece(self, hash_: bytes) -> bytes | None:
        """One verified piece, or None where it is not held."""
        recent = self._recent.get(hash_)
        if recent is not None:
            return recent
        if not self._packs.has(hash_):
            return None
        try:
            return await self._disk.look(lambda: self._packs.get(hash_))
        except (BlobMissing, BlobDamaged, DiskReadFailed):
            return None  # from now on it is not held, and is pulled from a peer

    async def hashes(self, blob: Blob) -> list[bytes] | None:
        """The pieces of a blob, in order; None where their list is not held, or is none."""
        if blob.chunks is None:
            return [blob.hash]
        listed = await self.piece(blob.chunks)
        return None if listed is None else chunks_in(blob, listed)
