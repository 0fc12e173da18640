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

SUM_BYTES = 4


class Unknown(Enum):
    """What a layer says of a key that it does not have."""

    UNKNOWN = 0


UNKNOWN: Final = Unknown.UNKNOWN


class Table:
    """The layers of one table, the first that has a key counts: `unwritten`, `in_writing`, `young`
    and `old`.

    A layer that changes is put in order when somebody asks for that; `_fresh` are its keys that
    are not in the order yet.
    """

    __slots__ = (
        "_fresh", "_order", "_order_in_writing",
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
        self._order_in_writing: SortedList[bytes] | None = None
        self._fresh: list[bytes] = []

    def knows(self, key: bytes) -> bool:
        """Whether a layer that the image does not have says what the row is."""
        return (
            key in self.unwritten or key in self.in_writing or key in self.young or key in self.old
        )

    def appears(self, key: bytes) -> None:
        """`key` is new among the unwritten ones."""
        if self._order is not None:
            self._fresh.append(key)

    def vanishes(self) -> None:
        """A key is no longer among the unwritten ones: roll-backs alone do that."""
        self._order = None

    def begin_writing(self) -> None:
        self.in_writing, self.unwritten = self.unwritten, {}
        self._order_in_writing, self._order = None, None

    def end_writing(self) -> int:
        """What was written is clean now; how many rows that were."""
        written = self.in_writing
        self.young.update(written)
        self.in_writing, self._order_in_writing = {}, None
        self.gaps.clear()
        return len(written)

    def grow_old(self) -> None:
        self.old, self.young = self.young, {}

    def changes(self) -> Iterator[Change]:
        """What is being written, in the order of keys: so an image touches each page once."""
        values, number = self.in_writing, self.number
        for key in sorted(values):
            value, full = values[key], number + key
            yield full, None if value is None else sealed(full, value)

    def first(self, start: bytes, stop: bytes, count: int, *, reverse: bool) -> list[Layer]:
        """From each of the layers that the image does not have, its first rows of this range: at
        most `count`, in order."""
        return [
            {key: values[key] for key in islice(keys, count)}
            for values, keys in self._ranges(start, stop, reverse=reverse)
        ]

    def _ranges(
        self, start: bytes, stop: bytes, *, reverse: bool
    ) -> Iterator[tuple[Layer, Iterator[bytes]]]:
        inclusive = (True, False)
        if self.in_writing:
            if self._order_in_writing is None:
                self._order_in_writing = SortedList(self.in_writing)
            found = self._order_in_writing.irange(start, stop, inclusive, reverse)
            yield self.in_writing, found
        if self.unwritten:
            if self._order is None:
                self._order = SortedList(self.unwritten)
            else:
                self._order.update(self._fresh)
            self._fresh.clear()
            yield self.unwritten, self._order.irange(start, stop, inclusive, reverse)


def sealed(key: bytes, value: bytes) -> bytes:
    """As it lies in an image: a damaged row must never pass for what an operation did."""
    return value + crc32c(key + value).to_bytes(SUM_BYTES, "little")


def unsealed(key: bytes, value: bytes) -> bytes:
    """Raises StateLost."""
    found = value[:-SUM_BYTES]
    if crc32c(key + found).to_bytes(SUM_BYTES, "little") != value[-SUM_BYTES:]:
        raise StateLost(
            f"the row {key.hex()} of the state does not match its checksum; "
            "the state is made again from snapshot and log"
        )
    return found
