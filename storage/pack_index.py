"""The index of a sealed pack: every hash and the offset of its frame, in three columns.

    n × u64   the first 8 bytes of each hash as a big-endian number, stored little-endian, ascending
    n × 24    the rest of each hash
    n × u32   the offset of the frame

36 bytes per blob, on disk and in memory. A look-up is a binary search, in memory alone; which of
many packs is asked, storage.sealed_packs says.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from storage.errors import Damaged

_PREFIX_BYTES = 8
_REST_BYTES = 24
_ENTRY_BYTES = _PREFIX_BYTES + _REST_BYTES + 4


class PackIndex:
    """Never changes; safe to read from any thread."""

    def __init__(self, prefixes: array[int], rests: bytes, offsets: array[int]) -> None:
        self._prefixes = prefixes
        self._rests = rests
        self._offsets = offsets

    @classmethod
    def of(cls, places: Mapping[bytes, int]) -> PackIndex:
        """`places` maps 32-byte hashes to offsets."""
        hashes = sorted(places)
        return cls(
            array("Q", (_prefix(hash_) for hash_ in hashes)),
            b"".join(hash_[_PREFIX_BYTES:] for hash_ in hashes),
            array("I", (places[hash_] for hash_ in hashes)),
        )

    @classmethod
    def decode(cls, payload: bytes, where: str) -> PackIndex:
        """Raises `Damaged`."""
        count, over = divmod(len(payload), _ENTRY_BYTES)
        if over:
            raise Damaged(f"{where}: an index of {len(payload)} bytes has no whole entries")
        prefixes, offsets = array("Q"), array("I")
        rests_at = count * _PREFIX_BYTES
        offsets_at = rests_at + count * _REST_BYTES
        prefixes.frombytes(payload[:rests_at])
        offsets.frombytes(payload[offsets_at:])
        return cls(_little(prefixes), payload[rests_at:offsets_at], _little(offsets))

    def encode(self) -> bytes:
        columns = (_little(self._prefixes).tobytes(), self._rests, _little(self._offsets).tobytes())
        return b"".join(columns)

    def find(self, hash_: bytes) -> int | None:
        """The offset of the frame."""
        prefix, rest = _prefix(hash_), hash_[_PREFIX_BYTES:]
        at = bisect_left(self._prefixes, prefix)
        while at < len(self._prefixes) and self._prefixes[at] == prefix:
            if self._rests.startswith(rest, at * _REST_BYTES):
                return self._offsets[at]
            at += 1
        return None

    def prefixes(self, first: int) -> Sequence[int]:
        """The first 8 bytes, as numbers, of the hashes whose first byte is this one."""
        shift = 8 * (_PREFIX_BYTES - 1)
        start = bisect_left(self._prefixes, first << shift)
        return self._prefixes[start : bisect_left(self._prefixes, first + 1 << shift, start)]

    @property
    def blobs(self) -> int:
        return len(self._prefixes)

    def hashes(self) -> Iterator[bytes]:
        """Ascending."""
        return map(self._hash, range(len(self._prefixes)))

    def in_file_order(self) -> Iterator[tuple[int, bytes]]:
        """Offset and hash of every blob, by offset."""
        for at in sorted(range(len(self._offsets)), key=self._offsets.__getitem__):
            yield self._offsets[at], self._hash(at)

    def _hash(self, at: int) -> bytes:
        start = at * _REST_BYTES
        prefix = self._prefixes[at].to_bytes(_PREFIX_BYTES, "big")
        return prefix + self._rests[start : start + _REST_BYTES]


def _prefix(hash_: bytes) -> int:
    return int.from_bytes(hash_[:_PREFIX_BYTES], "big")


def _little(column: array[int]) -> array[int]:
    """The column as it is stored; its own inverse."""
    if sys.byteorder == "little":
        return column
    turned = array(column.typecode, column)
    turned.byteswap()
    return turned
