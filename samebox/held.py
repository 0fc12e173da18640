"""Which blobs are held whole: the port of the core, which looks at memory alone.

A blob of one piece is held if the packs have it. Of a longer one, the list of its chunks would have
to be read to know. So it counts once it was stored here, or was looked through while the shard was
opened; until then it is missing, and whoever pulls what is missing finds all of it here.
"""

from __future__ import annotations

from collections.abc import Iterable

from crdt import Blob
from samebox.chunk_list import chunks_in
from storage import BlobDamaged, BlobMissing, DiskReadFailed, Packs

WHOLE_MAX = 65_536
"""Long blobs remembered as whole, of 1 MiB and more each: some megabytes. One that is forgotten is
looked through again when the next operation names it."""


class Held:
    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._whole: dict[bytes, None] = {}
        self._is_opening = True

    def __call__(self, blob: Blob) -> bool:
        if blob.chunks is None:
            return self._packs.has(blob.hash)
        if self._is_opening and self._has_chunks(blob, blob.chunks):
            self.stored(blob)
        return blob.chunks in self._whole and self._packs.has(blob.chunks)

    def is_here(self, blob: Blob) -> bool:
        """Whether it is held, or will be once the packs are synced."""
        if blob.chunks is None:
            return self._packs.knows(blob.hash)
        return blob.chunks in self._whole and self._packs.knows(blob.chunks)

    def lacks(self, blob: Blob) -> bool:
        """Looks a long one through: for the thread that drives the packs."""
        if blob.chunks is None:
            return not self._packs.has(blob.hash)
        return not self._has_chunks(blob, blob.chunks)

    def opened(self) -> None:
        """From now on the disk belongs to another thread than the core."""
        self._is_opening = False

    def stored(self, blob: Blob) -> None:
        """All pieces of `blob` are in the packs, its list of chunks as the last of them."""
        if blob.chunks is not None:
            self._whole[blob.chunks] = None
            if len(self._whole) > WHOLE_MAX:
                del self._whole[next(iter(self._whole))]

    def forget_long(self, but: Iterable[bytes]) -> None:
        """Pieces may have gone: a long blob that is named from now on is looked through again. But
        not if its list is among these."""
        self._whole = {listed: None for listed in but if listed in self._whole}

    def _has_chunks(self, blob: Blob, listed: bytes) -> bool:
        if not self._packs.has(listed):
            return False
        try:
            chunks = chunks_in(blob, self._packs.get(listed))
        except (BlobMissing, BlobDamaged, DiskReadFailed):
            return False
        return chunks is not None and all(map(self._packs.has, chunks))
