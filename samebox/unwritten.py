"""One table of the rows that samebox.write_back keeps, in every layer but the image."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import islice
from typing import Final, TypeAlias

from crc32c import crc32c
from sortedcontainers import SortedList

from crdt import StateLost
from samebox.gaps import Gaps
from samebox.image import Change

Layer: TypeAlias = dict[bytes, bytes | None]
"""Key to value; None where the row was removed."""

Page: TypeAlias = list[tuple[bytes, bytes]]
"""Rows of an image, with the number of their table in front of the keys."""

SUM_BYTES = 4
RESIDUE = 0x48674BC7
"""The CRC-32C of whatever ends in its own CRC-32C, little-endian."""


class Unknown(Enum):
    """What a layer says of a key that it does not have."""

    UNKNOWN = 0


UNKNOWN: Final = Unknown.UNKNOWN
NOT_THERE = (UNKNOWN, None)


class Table:
    """The layers of one table, the first that has a key counts: `unwritten`, `in_writing`, `young`
    and `old`.

    `_order` are the keys of the rows that there are by the first two, so that nobody steps over
    those that were removed. It is made when somebody asks for it; `_fresh` are keys that came or
    went since it was brought up to date.
    """

    __slots__ = (
        "_fresh", "_order",
        "gaps", "in_writing", "number", "old", "stop", "unwritten", "young",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = bytes((number,))
        self.stop = bytes((number + 1,))
        self.unwritten: Layer = {}
        self.in_writing: Layer = {}
        self.young: Layer = {}
        self.old: Layer = {}
        self.gaps = Gaps()
        self._order: SortedList[bytes] | None = None
        self._fresh: list[bytes] = []

    def knows(self, key: bytes) -> bool:
        """Whether a layer that the image does not have says what the row is."""
        return (
            key in self.unwritten or key in self.in_writing or key in self.young or key in self.old
        )

    def covers(self, key: bytes) -> bool:
        """Whether what the image says of a row is out of date."""
        return key in self.unwritten or key in self.in_writing

    def now(self, key: bytes) -> bytes | Unknown | None:
        """What is not in the image yet."""
        value = self.unwritten.get(key, UNKNOWN)
        return self.in_writing.get(key, UNKNOWN) if value is UNKNOWN else value

    def comes_or_goes(self, key: bytes) -> None:
        if self._order is not None:
            self._fresh.append(key)

    def undo(self, key: bytes, before: bytes | Unknown | None) -> None:
        """Take back what changed among the unwritten rows."""
        if self.unwritten[key] is None and before is not None:
            self.gaps.clear()  # the image may have a row that was removed here
        if before is UNKNOWN:
            del self.unwritten[key]
        else:
            self.unwritten[key] = before
        self.comes_or_goes(key)

    def begin_writing(self) -> None:
        self.in_writing, self.unwritten = self.unwritten, {}

    def end_writing(self) -> None:
        """What was written is clean now."""
        self.young.update(self.in_writing)
        self.in_writing, self._order = {}, None
        self._fresh.clear()
        self.gaps.clear()

    def grow_old(self) -> None:
        self.old, self.young = self.young, {}

    def changes(self) -> Iterator[Change]:
        """What is being written, in the order of keys: so an image touches each page once."""
        values, number = self.in_writing, self.number
        for key in sorted(values):
            value, full = values[key], number + key
            yield full, None if value is None else sealed(full, value)

    def first(self, start: bytes, stop: bytes, count: int, *, reverse: bool) -> list[bytes]:
        """Of the rows of this range that are not in the image yet, the first keys: at most `count`,
        in order."""
        if not self.unwritten and not self.in_writing:
            return []
        keys = self._in_order().irange(start, stop, (True, False), reverse)
        return list(islice(keys, count))

    def _in_order(self) -> SortedList[bytes]:
        order = self._order
        if order is None or len(self._fresh) > len(order):
            order = self._order = SortedList(self._there())
        elif self._fresh:
            came: list[bytes] = []
            for key in dict.fromkeys(self._fresh):
                if self.now(key) in NOT_THERE:
                    order.discard(key)
                elif key not in order:
                    came.append(key)
            order.update(came)
        self._fresh.clear()
        return order

    def _there(self) -> Iterator[bytes]:
        unwritten = self.unwritten
        for key, value in unwritten.items():
            if value is not None:
                yield key
        for key, value in self.in_writing.items():
            if value is not None and key not in unwritten:
                yield key


def sealed(key: bytes, value: bytes) -> bytes:
    """As it lies in an image: a damaged row must never pass for what an operation did."""
    return value + crc32c(key + value).to_bytes(SUM_BYTES, "little")


def unsealed(key: bytes, value: bytes) -> bytes:
    """Raises StateLost."""
    return unsealed_page([(key, value)])[0][1]


def unsealed_page(page: Page) -> Page:
    """The same, many at a time, without the number of their table."""
    found = [(key[1:], value[:-SUM_BYTES]) for key, value in page if crc32c(key + value) == RESIDUE]
    if len(found) < len(page):
        spoilt = next(key for key, value in page if crc32c(key + value) != RESIDUE)
        raise StateLost(
            f"the row {spoilt.hex()} of the state does not match its checksum; "
            "the state is made again from snapshot and log"
        )
    return found
