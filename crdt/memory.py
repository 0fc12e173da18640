"""Rows in memory: the twin of every other implementation of the port."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from sortedcontainers import SortedList

Undo: TypeAlias = tuple["Table", bytes, bytes | None]

CHUNK_FIRST = 8
CHUNK_MAX = 512
"""Keys that a scan takes at a time: few at first, for most scans want one or two rows."""


class Table:
    """A dictionary, and its keys in order. The order is brought up to date when it is asked for."""

    __slots__ = ("_fresh", "_gone", "_order", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self._order: SortedList[bytes] = SortedList()
        self._fresh: dict[bytes, None] = {}
        self._gone: dict[bytes, None] = {}

    def put(self, key: bytes, value: bytes) -> bytes | None:
        before = self.values.get(key)
        self.values[key] = value
        if before is None:
            if key in self._gone:
                del self._gone[key]
            else:
                self._fresh[key] = None
        return before

    def remove(self, key: bytes) -> bytes | None:
        before = self.values.pop(key, None)
        if before is not None:
            if key in self._fresh:
                del self._fresh[key]
            else:
                self._gone[key] = None
        return before

    def keys(self, start: bytes, stop: bytes, reverse: bool, count: int) -> list[bytes]:  # noqa: FBT001
        """The first (with `reverse`, the last) `count` keys with start <= key < stop."""
        if self._gone:
            for key in self._gone:
                self._order.remove(key)
            self._gone.clear()
        if self._fresh:
            self._order.update(self._fresh)
            self._fresh.clear()
        return list(islice(self._order.irange(start, stop, (True, False), reverse), count))


class MemoryRows:
    """Implements crdt.Rows. `rollback` undoes every change since `begin`, the last one first."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._undo: list[Undo] | None = None

    def get(self, table: str, key: bytes) -> bytes | None:
        found = self._tables.get(table)
        return None if found is None else found.values.get(key)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        found = self._tables.get(table)
        if found is None:
            found = self._tables[table] = Table()
        before = found.put(key, value)
        assert self._undo is not None, "a row changes inside a transaction alone: begin() first"
        self._undo.append((found, key, before))

    def remove(self, table: str, key: bytes) -> None:
        assert self._undo is not None, "a row changes inside a transaction alone: begin() first"
        found = self._tables.get(table)
        before = None if found is None else found.remove(key)
        if found is not None and before is not None:
            self._undo.append((found, key, before))

    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        found = self._tables.get(table)
        count = CHUNK_FIRST
        while found is not None and start < stop:
            keys = found.keys(start, stop, reverse, count)
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

    def begin(self) -> None:
        assert self._undo is None, "one transaction at a time: commit() or rollback() first"
        self._undo = []

    def commit(self) -> None:
        assert self._undo is not None, "no transaction is open: begin() first"
        self._undo = None

    def rollback(self) -> None:
        assert self._undo is not None, "no transaction is open: begin() first"
        for table, key, before in reversed(self._undo):
            if before is None:
                table.remove(key)
            else:
                table.put(key, before)
        self._undo = None
