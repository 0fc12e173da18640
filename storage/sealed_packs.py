"""The sealed packs of one shard, and which of them holds a blob.

Simple rule: the newest pack whose index names the hash. Asking every index is fine for a few packs
and not for thousands, and every new blob asks, whether it is held already. So what begins with the
same byte is noted in one bucket, a sorted array of 4 bytes for each blob:

    bits 18–31   the 14 bits of the hash behind its first byte
    bits 0–17    which pack, in the order of their numbers

A bucket leads to the few packs that may hold a blob, and their indexes say whether they do. It is
made when it is used with more than `ASKED_MAX` packs behind it, and made anew when so many have
come since; those are asked one by one. So a small store has none. With a million blobs the making
of one takes some milliseconds, and a page of look-ups meets nearly all of them: so one look-up of
`MADE_EVERY` makes one, and the others ask as many packs as they have to.

What is found is right at any moment, from any thread: packs are only added, behind the others, and
a bucket says itself how many of them it knows.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from storage.pack_files import SealedPack

ASKED_MAX = 4
"""Packs that are asked one by one: at a microsecond or two each."""
MADE_EVERY = 32
"""Look-ups: a page of 256 makes eight buckets, which takes some 20 ms."""
_PACK_BITS, _TAG_BITS = 18, 14
NOTED_MAX = 1 << _PACK_BITS
"""Packs in the buckets: 16 TB of full ones. Those above are asked one by one."""
_NEXT_TAG = 1 << _PACK_BITS
_TAGS = ((1 << _TAG_BITS) - 1) << _PACK_BITS

_NONE: tuple[array[int], int] = (array("I"), 0)


class SealedPacks:
    def __init__(self, packs: Iterable[SealedPack]) -> None:
        """By number, the least first."""
        self._packs = list(packs)
        self._buckets = [_NONE] * 256
        self._late = 0
        self._last: SealedPack | None = None

    def __iter__(self) -> Iterator[SealedPack]:
        return iter(self._packs)

    def __len__(self) -> int:
        return len(self._packs)

    def add(self, pack: SealedPack) -> None:
        """With a greater number than all others."""
        self._packs.append(pack)

    def holds(self, hash_: bytes) -> bool:
        """Whether any does. Who asks for many mostly asks in the order in which they were put: so
        the pack that held the last one is asked first."""
        last = self._last
        if last is not None and last.index.find(hash_) is not None:
            return True
        found = self.find(hash_)
        if found is not None:
            self._last = found[0]
        return found is not None

    def find(self, hash_: bytes) -> tuple[SealedPack, int] | None:
        """The newest pack that holds it, and the offset of its frame."""
        packs, count = self._packs, len(self._packs)
        bucket, known = self._buckets[hash_[0]]
        if count - known > ASKED_MAX and known < NOTED_MAX:
            self._late += 1
            if self._late % MADE_EVERY == 0:
                bucket, known = self._renewed(hash_[0], count)
        for number in range(count - 1, known - 1, -1):
            if (at := packs[number].index.find(hash_)) is not None:
                return packs[number], at
        for number in _packs_in(bucket, hash_) if known else ():
            if (at := packs[number].index.find(hash_)) is not None:
                return packs[number], at
        return None

    def after(self, number: int) -> SealedPack | None:
        """The pack with the least number above `number`."""
        packs = self._packs
        at = bisect_right(packs, number, key=lambda pack: pack.name.number)
        return packs[at] if at < len(packs) else None

    def _renewed(self, first: int, count: int) -> tuple[array[int], int]:
        """The bucket of the hashes that begin with this byte, with all of the first `count`."""
        bucket, known = self._buckets[first]
        count = min(count, NOTED_MAX)
        entries = bucket.tolist()
        for number in range(known, count):
            prefixes = self._packs[number].index.prefixes(first)
            entries += [_tag(prefix) | number for prefix in prefixes]
        entries.sort()
        self._buckets[first] = renewed = array("I", entries), count
        return renewed


def _packs_in(bucket: Sequence[int], hash_: bytes) -> Iterator[int]:
    """Those that hold a blob whose hash begins alike, the newest first."""
    tag = _tag(int.from_bytes(hash_[:8], "big"))
    first = bisect_left(bucket, tag)
    last = bisect_left(bucket, tag + _NEXT_TAG, first)
    for at in range(last - 1, first - 1, -1):
        yield bucket[at] & (_NEXT_TAG - 1)


def _tag(prefix: int) -> int:
    """Of the first 8 bytes of a hash, at the place that it has in an entry."""
    return prefix >> (64 - 8 - _TAG_BITS - _PACK_BITS) & _TAGS
