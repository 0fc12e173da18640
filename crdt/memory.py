"""Rows in memory: the twin of every other implementation of the port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from sortedcontainers import SortedList

Undo: TypeAlias = tuple["_Table", bytes, bytes | None]

NOT_OPEN = "a row changes inside a transaction alone: begin() first"
CHUNK_FIRST = 8
CHUNK_MAX = 512
"""Keys that a scan takes at a time: few at first, for most scans want one or two rows."""


class _Table:
    """A dictionary, and its keys in order once somebody has asked for that (most tables are only
    asked for single keys), brought up to date when it is asked for again.

    `fresh` are keys that are not in the order yet, `gone` those that are in it still.
    """

    __slots__ = ("fresh", "gone", "order", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.fresh: dict[bytes, None] = {}
        self.gone: dict[bytes, None] = {}
        self.order: SortedList[bytes] | None = None

    def appears(self, key: bytes) -> None:
        if self.order is None:
            return
        if key in self.gone:
            del self.gone[key]
        else:
            self.fresh[key] = None

    def vanishes(self, key: bytes) -> None:
        if self.order is None:
            return
        if key in self.fresh:
            del self.fresh[key]
        else:
            self.gone[key] = None

    def first_keys(self, start: bytes, stop: bytes, count: int) -> list[bytes]:
        """Up to `count` keys with start <= key < stop, ascending."""
        return list(islice(self._in_order().irange(start, stop, (True, False)), count))

    def last_keys(self, start: bytes, stop: bytes, count: int) -> list[bytes]:
        """The same from the other end, descending."""
        keys = self._in_order().irange(start, stop, (True, False), reverse=True)
        return list(islice(keys, count))

    def _in_order(self) -> SortedList[bytes]:
        if self.order is None:
            self.order = SortedList(self.values)
        if self.gone:
            for key in self.gone:
                self.order.remove(key)
            self.gone.clear()
        if self.fresh:
            self.order.update(self.fresh)
            self.fresh.clear()
        return self.order


class _Tables(dict[str, _Table]):
    def __missing__(self, name: str) -> _Table:
        table = self[name] = _Table()
        return table


class MemoryRows:
    """Implements crdt.Rows. `rollback` undoes every change since `begin`, the last one first."""

    def __init__(self) -> None:
        self._tables = _Tables()
        self._undo: list[Undo] | None = None

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._tables[table].values.get(key)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        undo = self._undo
        assert undo is not None, NOT_OPEN
        found = self._tables[table]
        values = found.values
        before = values.get(key)
        values[key] = value
        if before is None and found.order is not None:
            found.appears(key)
        undo.append((found, key, before))

    def remove(self, table: str, key: bytes) -> None:
        undo = self._undo
        assert undo is not None, NOT_OPEN
        found = self._tables[table]
        before = found.values.pop(key, None)
        if before is not None:
            found.vanishes(key)
            undo.append((found, key, before))

    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        found = self._tables[table]
        count = CHUNK_FIRST
        while start < stop:
            take = found.last_keys if reverse else found.first_keys
            keys = take(start, stop, count)
            for key in keys:
                value = found.values.get(key)
                if value is not None:
                    yield key, value
            if len(keys) < count:
                return
            if reverse:
                stop = keys[-1]
            else:
                start = keys[-1] + b"\0"
            count = min(count * 8, CHUNK_MAX)

    def fetch(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(table, key) for key in keys]

    def begin(self) -> None:
        assert self._undo is None, "one transaction at a time: commit() or rollback() first"
        self._undo = []

    def commit(self) -> None:
        assert self._undo is not None, NOT_OPEN
        self._undo = None

    def rollback(self) -> None:
        assert self._undo is not None, NOT_OPEN
        for table, key, before in reversed(self._undo):
            if before is not None:
                if key not in table.values:
                    table.appears(key)
                table.values[key] = before
            elif table.values.pop(key, None) is not None:
                table.vanishes(key)
        self._undo = None
