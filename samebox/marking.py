"""Which pieces the state uses: what a compaction of the packs asks before it drops one.

The state is read page by page, in moments in which no operation is on its way into it. A content
moves from the one of its tables to the other in the order in which they are read, and all else
stays where it is; so whatever is named when the marking begins is seen, if it is still named. What
is named by operations after that is told by whoever delivers them.

A long blob uses its list of chunks, and what that names; the list has to be read from the packs.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from crdt import Blob, Dot, Operation, State
from samebox.leases import Leases
from samebox.making import blob_of

PAGE = 200
"""Rows at a time: about a millisecond."""
SORTED_AT_ONCE = 8000
"""Marks: some milliseconds."""
PREFIX_BYTES = 8


class Marks:
    """Hashes, by their first 8 bytes: of two that begin alike both count as marked. Eight bytes of
    memory for each, in a bucket for each first byte, so that no step is long."""

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}
        self._unsorted: set[int] = set()

    def add(self, hash_: bytes) -> None:
        number = hash_[0]
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = array("Q")
        bucket.append(_prefix(hash_))
        self._unsorted.add(number)

    def sort_some(self) -> bool:
        """So that no look-up has to; whether there are more. A page of look-ups would meet nearly
        every bucket."""
        count = 0
        while self._unsorted and count < SORTED_AT_ONCE:
            count += len(self._sorted(min(self._unsorted)))
        return bool(self._unsorted)

    def __contains__(self, hash_: bytes) -> bool:
        number, prefix = hash_[0], _prefix(hash_)
        bucket = self._buckets.get(number)
        if bucket is None:
            return False
        if number in self._unsorted:
            bucket = self._sorted(number)
        at = bisect_left(bucket, prefix)
        return at < len(bucket) and bucket[at] == prefix

    def _sorted(self, number: int) -> array[int]:
        self._unsorted.remove(number)
        bucket = self._buckets[number] = array("Q", sorted(self._buckets[number]))
        return bucket


class Marking:
    """One marking at a time. Belongs to the loop of the shard."""

    def __init__(self, leases: Leases) -> None:
        self.unread: list[Blob] = []
        self._leases = leases
        self._marks: Marks | None = None
        self._named: set[bytes] = set()
        self._blobs: Iterator[tuple[Blob, Dot]] = iter(())
        self._state: State | None = None

    def begin(self, state: State) -> None:
        self._state = state
        self._marks, self._named, self.unread = Marks(), set(), []
        self._blobs = state.blobs()

    def is_of(self, state: State) -> bool:
        """Whether it is this one that is read. A state that was lost is made again while the shard
        runs; what was marked in the one that is gone is not all of it."""
        return self._state is state

    def end(self) -> None:
        self._state = None
        self._marks, self._named, self.unread = None, set(), []
        self._blobs = iter(())

    def page(self) -> bool:
        """Read on; whether there is more."""
        assert self._marks is not None, "begin comes before page"
        for count, (blob, _) in enumerate(self._blobs, start=1):
            if blob.chunks is None:
                self._marks.add(blob.hash)
            else:
                self._marks.add(blob.chunks)
                self.unread.append(blob)
            if count == PAGE:
                return True
        return self._marks.sort_some()

    def delivered(self, operations: list[Operation]) -> None:
        """They are in the state now."""
        for operation in operations:
            blob = blob_of(operation)
            if blob is None:
                continue
            if self._marks is not None:
                self._named.add(blob.chunks or blob.hash)
                if blob.chunks is not None:
                    self.unread.append(blob)
            self._leases.named(blob)

    def read(self, chunks: list[bytes]) -> None:
        """These are the chunks of a blob that was unread."""
        assert self._marks is not None, "begin comes before read"
        for chunk in chunks:
            self._marks.add(chunk)

    def leased(self) -> Iterable[bytes]:
        """Pieces that stay, though nothing names them yet."""
        return self._leases.pieces()

    def uses(self, hash_: bytes) -> bool:
        """Of a piece, when nothing is unread."""
        assert self._marks is not None and not self.unread, "not all is read"
        return hash_ in self._marks or hash_ in self._named or hash_ in self._leases


def _prefix(hash_: bytes) -> int:
    return int.from_bytes(hash_[:PREFIX_BYTES], "big")
