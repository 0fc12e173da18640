"""Rows of a state that are kept in an image, which is written later and by somebody else.

A row is looked for in this order:

    unwritten   changed since the last write began, by the open transaction too
    in_writing  given to the image, which is at it
    clean       read or written lately: two generations, of which the older is forgotten whole
    the image

Only what was committed is written, and `commit` comes only when the log is synced: so the image may
lag behind the log and is never ahead of it. A row that changes often is written once for many
changes. Rows and clock go together, so an image is always the state at some commit.

The rule for a scan: of the image, and of what is not in it yet, the first so many keys each; the
one that ends first says how far this page goes; what the image says of a row that changed since
does not count. Rows of the image that were removed since are stepped over once, and remembered as
a gap then: to take the first row again and again, as of a queue, costs the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat

from msgspec import Struct

from crdt import StateLost
from samebox.image import Change, Frozen, Image
from samebox.unwritten import UNKNOWN, Page, Table, Unknown, unsealed, unsealed_page

NAMES = b"\0"
"""The table of tables: name to number, one byte."""
TABLES_MAX = 254
ROW_BYTES = 250
"""Memory of a row beside its value, about: its key and its places in dictionaries."""
PAGE_FIRST = 8
PAGE_MAX = 512
"""Rows that a scan takes at a time: few at first, for most scans want one or two rows."""
NOT_OPEN = "a row changes inside a transaction alone: begin() first"


class Bounds(Struct, frozen=True):
    """Of a number of rows and one of bytes, what is reached first counts.

    `write`: unwritten rows at which a write begins. Some tenths of a second of work, so that rows
    which change often are written once; and about what a start after kill -9 replays.
    `unwritten`: at which work waits for the image; so a write may take three times as long as the
    rows for the next one take to come.
    `clean`: of each of two generations.
    """

    write_rows: int = 20_000
    write_bytes: int = 8 << 20
    unwritten_rows: int = 60_000
    unwritten_bytes: int = 24 << 20
    clean_rows: int = 15_000
    clean_bytes: int = 6 << 20


class _Tables(dict[str, Table]):
    """By name. A new one takes the next number, which is written with its first rows."""

    def __init__(self, image: Image) -> None:
        self.names = Table(0)
        for key, value in image.page(NAMES, self.names.stop, TABLES_MAX):
            self[key[1:].decode()] = Table(unsealed(key, value)[0])

    def __missing__(self, name: str) -> Table:
        assert len(self) < TABLES_MAX, "too many tables for one byte"
        table = self[name] = Table(len(self) + 1)
        self.names.unwritten[name.encode()] = table.number
        return table


class WriteBackRows:
    """Implements crdt.Rows, over an image that belongs to it. `is_lost` once that has failed."""

    def __init__(self, image: Image, bounds: Bounds | None = None) -> None:
        self.is_lost = False
        self._image = image
        self._bounds = bounds or Bounds()
        self._tables = _Tables(image)
        self._undo: list[tuple[Table, bytes, bytes | Unknown | None]] | None = None
        self._rows = self._bytes = 0
        self._rows_in_writing = self._bytes_in_writing = 0
        self._is_writing = False
        self._clean_rows = self._clean_bytes = 0

    # --- crdt.Rows -------------------------------------------------------------------------------

    def get(self, table: str, key: bytes) -> bytes | None:
        found = self._tables[table]
        value = found.unwritten.get(key, UNKNOWN)
        if value is UNKNOWN:
            value = found.in_writing.get(key, UNKNOWN)
            if value is UNKNOWN:
                value = found.young.get(key, UNKNOWN)
                if value is UNKNOWN:
                    return self._older(found, key)
        return value

    def put(self, table: str, key: bytes, value: bytes | None) -> None:
        """None removes the row."""
        found, undo = self._tables[table], self._undo
        assert undo is not None, NOT_OPEN
        rows = found.unwritten
        before = rows.get(key, UNKNOWN)
        undo.append((found, key, before))
        rows[key] = value
        if before is UNKNOWN:
            found.comes_or_goes(key)
            self._rows += 1
            self._bytes += ROW_BYTES
        else:
            if (before is None) != (value is None):
                found.comes_or_goes(key)
            self._bytes -= len(before) if before else 0
        if value:
            self._bytes += len(value)

    def remove(self, table: str, key: bytes) -> None:
        self.put(table, key, None)

    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        found = self._tables[table]
        count = PAGE_FIRST
        while start < stop:
            rows, last = self._page(found, start, stop, count, reverse=reverse)
            for key, value in rows:
                if not found.unwritten and not found.in_writing:
                    yield key, value
                    continue
                now = found.now(key)
                if now is UNKNOWN:
                    now = value
                if now is not None:
                    yield key, now
            if last is None:
                return
            start, stop = (start, last) if reverse else (last + b"\0", stop)
            count = min(count * 8, PAGE_MAX)

    def fetch(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        found = self._tables[table]
        values: list[bytes | Unknown | None] = [UNKNOWN] * len(keys)
        if not found.unwritten and not found.in_writing:
            values = list(map(found.young.get, keys, repeat(UNKNOWN)))
        if UNKNOWN in values:
            self._have_at_hand(found, keys)
        pairs = zip(keys, values, strict=True)
        return [self.get(table, key) if value is UNKNOWN else value for key, value in pairs]

    def _have_at_hand(self, found: Table, keys: Sequence[bytes]) -> None:
        """Those that only the image may have, with one question. A row by itself is for `get`."""
        unknown = [found.number + key for key in keys if not found.knows(key)]
        if len(unknown) > 1:
            rows = self._unsealed(self._read(lambda: self._image.find(unknown)))
            self._age(len(rows), sum([ROW_BYTES + len(value) for _, value in rows]))
            found.young.update(rows)

    def begin(self) -> None:
        assert self._undo is None, "one transaction at a time: commit() or rollback() first"
        self._undo = []

    def commit(self) -> None:
        assert self._undo is not None, NOT_OPEN
        self._undo = None
        self._go_on()

    def rollback(self) -> None:
        assert self._undo is not None, NOT_OPEN
        for table, key, before in reversed(self._undo):
            now = table.unwritten[key]
            self._bytes -= len(now) if now else 0
            table.undo(key, before)
            if before is UNKNOWN:
                self._rows -= 1
                self._bytes -= ROW_BYTES
            else:
                self._bytes += len(before) if before else 0
        self._undo = None

    # --- Writing ---------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the next transaction has to wait until more is written."""
        if self._undo is None:
            self._go_on()
        rows, bytes_ = self._rows + self._rows_in_writing, self._bytes + self._bytes_in_writing
        return rows >= self._bounds.unwritten_rows or bytes_ >= self._bounds.unwritten_bytes

    @property
    def is_open(self) -> bool:
        """Whether a transaction is."""
        return self._undo is not None

    def write_soon(self) -> None:
        """Begin to write whatever is committed, if nothing is being written."""
        if self._undo is None:
            self._look()
            if not self._is_writing and self._rows:
                self._begin_writing()

    def write_all(self) -> None:
        """Return when all that is committed is written, or there is no room for it: then the next
        start has it from the log. Raises StateLost."""
        assert self._undo is None, "a transaction is open: commit() or rollback() first"
        while self._rows or self._is_writing:
            self.write_soon()
            self._image.finish()
            self._look()
            if self._is_writing:
                return

    def wait_a_moment(self) -> None:
        """For more to be written."""
        self._image.wait()

    @property
    def trouble(self) -> str:
        """See samebox.image.Image."""
        return self._image.trouble

    def frozen(self) -> Frozen:
        """What is written by now; may be called by any thread."""
        return self._image.frozen()

    def close(self) -> None:
        self._image.close()

    def _go_on(self) -> None:
        self._look()
        bounds = self._bounds
        is_much = self._rows >= bounds.write_rows or self._bytes >= bounds.write_bytes
        if is_much and not self._is_writing:
            self._begin_writing()

    def _look(self) -> None:
        if not self._is_writing or self._is_image_writing():
            return
        self._is_writing = False
        self._age(self._rows_in_writing, self._bytes_in_writing)
        for table in self._every():
            if table.in_writing:
                table.end_writing()
        self._rows_in_writing = self._bytes_in_writing = 0

    def _is_image_writing(self) -> bool:
        try:
            return self._image.is_writing
        except StateLost:
            self.is_lost = True
            raise

    def _begin_writing(self) -> None:
        self._is_writing = True
        self._rows_in_writing, self._rows = self._rows, 0
        self._bytes_in_writing, self._bytes = self._bytes, 0
        changed = [table for table in self._every() if table.unwritten]
        for table in changed:
            table.begin_writing()
        self._image.write(_changes(changed))

    def _every(self) -> list[Table]:
        return [self._tables.names, *self._tables.values()]

    # --- One row, one page -----------------------------------------------------------------------

    def _older(self, table: Table, key: bytes) -> bytes | None:
        """A row that only the older generation or the image can have."""
        value = table.old.get(key, UNKNOWN)
        if value is UNKNOWN:
            value = self._from_image_alone(table, key)
            if value is None:
                return None
        self._age(1, ROW_BYTES + len(value or b""))
        table.young[key] = value
        return value

    def _from_image_alone(self, table: Table, key: bytes) -> bytes | None:
        full = table.number + key
        if table.gaps.holds(full):
            return None
        found = self._read(lambda: self._image.page(full, table.stop, 1))
        if found and found[0][0] == full:
            return self._unsealed(found)[0][1]
        table.gaps.add(full, found[0][0] if found else table.stop)
        return None

    def _age(self, rows: int, bytes_: int) -> None:
        """So much more is clean: at the bound, what was not asked for lately is forgotten."""
        self._clean_rows += rows
        self._clean_bytes += bytes_
        bounds = self._bounds
        if self._clean_rows >= bounds.clean_rows or self._clean_bytes >= bounds.clean_bytes:
            for table in self._every():
                table.grow_old()
            self._clean_rows, self._clean_bytes = rows, bytes_

    def _page(
        self, table: Table, start: bytes, stop: bytes, count: int, *, reverse: bool
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """Rows in order, and the last key that they go up to; None where they are the last."""
        page, last = self._from_image(table, start, stop, count, reverse=reverse)
        keys = table.first(start, stop, count, reverse=reverse)
        if not keys:
            return page, last
        rows = dict(page)
        if len(keys) == count:
            end = keys[-1]
            last = end if last is None else (max(last, end) if reverse else min(last, end))
        for key in keys:
            value = table.now(key)
            assert value is not UNKNOWN and value is not None, "its order names another row"
            rows[key] = value
        found = sorted(rows, reverse=reverse)
        if last is not None:
            found = [key for key in found if (key >= last if reverse else key <= last)]
        return [(key, rows[key]) for key in found], last

    def _from_image(
        self, table: Table, start: bytes, stop: bytes, count: int, *, reverse: bool
    ) -> tuple[Page, bytes | None]:
        """Those of `count` rows of the image that count, and the last key of them all; None where
        they are the last."""
        first, end = table.gaps.narrowed(table.number + start, table.number + stop)
        if first >= end:
            return [], None
        page = self._read(lambda: self._image.page(first, end, count, reverse=reverse))
        last = page[-1][0][1:] if len(page) == count else None
        if table.unwritten or table.in_writing:
            counts = [row for row in page if not table.covers(row[0][1:])]
            if len(counts) < len(page):
                self._note_removed(table, page, first, end, reverse=reverse)
            page = counts
        return self._unsealed(page), last

    def _note_removed(
        self, table: Table, page: Page, first: bytes, end: bytes, *, reverse: bool
    ) -> None:
        """Of a page of the image that goes from `first` on, or from `end` back."""
        removed = 0
        while removed < len(page) and table.now(page[removed][0][1:]) is None:
            removed += 1
        if removed and reverse:
            table.gaps.add(page[removed - 1][0], end)
        elif removed:
            table.gaps.add(first, page[removed - 1][0] + b"\0")

    def _read(self, read: Callable[[], Page]) -> Page:
        try:
            return read()
        except StateLost:
            self.is_lost = True
            raise

    def _unsealed(self, page: Page) -> Page:
        try:
            return unsealed_page(page)
        except StateLost:
            self.is_lost = True
            raise


def _changes(tables: list[Table]) -> Iterator[Change]:
    for table in tables:
        yield from table.changes()
