"""Rows that are kept in an image, with bounds so small that every layer is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from typing_extensions import override

from crdt import MemoryRows, Rows
from samebox.image import Change, MemoryImage
from samebox.io.sqlite_file import SqliteFile
from samebox.write_back import NAMES, Bounds, WriteBackRows

SMALL = Bounds(write_rows=4, unwritten_rows=12, clean_rows=6)


class SlowImage(MemoryImage):
    """What is written is there when it was looked after `LOOKS` times, or waited for."""

    LOOKS: ClassVar[int] = 3

    def __init__(self) -> None:
        super().__init__()
        self._changes: Iterable[Change] | None = None
        self._looks = 0

    @override
    def write(self, changes: Iterable[Change]) -> None:
        assert self._changes is None, "one write at a time"
        self._changes, self._looks = changes, self.LOOKS

    @property
    @override
    def is_writing(self) -> bool:
        self._looks -= 1
        if self._looks <= 0:
            self.wait()
        return self._changes is not None

    def forget(self) -> None:
        """The process ended: what was being written is not there."""
        self._changes = None

    def spoil(self, table: str | None = None) -> None:
        """One bit of every value is another, in one table or all of them."""
        number = b"" if table is None else self._rows[NAMES + table.encode()][:1]
        for key, value in self._rows.items():
            if key.startswith(number):
                self._rows[key] = bytes((value[0] ^ 1,)) + value[1:]

    @override
    def wait(self) -> None:
        if self._changes is not None:
            super().write(self._changes)
            self._changes = None


def slow_rows() -> Rows:
    return WriteBackRows(SlowImage(), SMALL)


def sqlite_rows() -> Rows:
    return WriteBackRows(SqliteFile(":memory:"), SMALL)


KINDS = {"memory": MemoryRows, "write-back": slow_rows, "sqlite": sqlite_rows}
