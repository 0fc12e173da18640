"""Every image gives the pages that a plain dictionary would, whatever was written into it."""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebox.image import Change, Image, MemoryImage
from samebox.io.sqlite_file import CHUNK_ROWS, STATEMENTS_MAX, DiskIsFull, SqliteFile

KEYS = st.sampled_from([bytes([first, last]) for first in range(3) for last in range(4)])
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(max_size=2), max_size=12)
PAGES = st.tuples(KEYS, KEYS, st.integers(1, 5), st.booleans())


def sqlite_image() -> Image:
    return SqliteFile(":memory:")


@pytest.mark.parametrize("make", [MemoryImage, sqlite_image])
@given(writes=st.lists(CHANGES, max_size=6), page=PAGES)
def test_a_page_is_that_of_a_dictionary(
    make: Callable[[], Image],
    writes: Sequence[Mapping[bytes, bytes | None]],
    page: tuple[bytes, bytes, int, bool],
) -> None:
    image, plain = make(), dict[bytes, bytes]()
    start, stop, count, reverse = page
    for changes in writes:
        image.write(changes.items())
        image.finish()
        for key, value in changes.items():
            if value is None:
                plain.pop(key, None)
            else:
                plain[key] = value
        inside = sorted((key for key in plain if start <= key < stop), reverse=reverse)
        expected = [(key, plain[key]) for key in inside[:count]]
        assert image.page(start, stop, count, reverse=reverse) == expected
    image.close()


def test_what_is_frozen_stays_as_it_was() -> None:
    image = MemoryImage()
    image.write([(b"a", b"1")])
    view = image.frozen()
    image.write([(b"a", None), (b"b", b"2")])
    assert view.page(b"", b"z", 8) == [(b"a", b"1")]


def test_writes_and_questions_of_every_length_leave_few_compiled_statements() -> None:
    """One of 250 rows takes 65 to 85 KiB: 128 were kept, 10 MB for an image."""
    rows = [(b"%04d" % number, b"") for number in range(CHUNK_ROWS)]
    image, before = SqliteFile(":memory:"), compiled()
    for count in range(1, CHUNK_ROWS, 7):
        image.write(rows[:count])
        assert len(image.find([key for key, _ in rows[:count]])) == count
        image.write([(key, None) for key, _ in rows[:count]])
    assert compiled() - before <= STATEMENTS_MAX
    image.close()


def compiled() -> int:
    gc.collect()
    kept = [found for found in gc.get_objects() if type(found).__qualname__ == "Statement"]
    return len([found for found in kept if type(found).__module__ == "sqlite3"])


def test_no_statement_of_a_write_has_a_journal_in_a_file(tmp_path: Path) -> None:
    """SQLite opens one below its temporary folder, and keeps it to the end of the transaction."""
    image = SqliteFile(tmp_path / "rows.db")
    keys = [number.to_bytes(4, "big") for number in range(4 * CHUNK_ROWS)]
    image.write((key, bytes(1000)) for key in keys)
    journals: list[str] = []

    def changes() -> Iterator[Change]:
        for key in keys:
            yield key, bytes(900)
        journals.extend(name for name in open_files() if "etilqs" in name)

    image.write(changes())
    image.close()
    assert journals == []


@pytest.mark.parametrize("column", ["v BLOB", "v BLOB NOT NULL"])
def test_a_write_that_found_no_room_in_the_midst_of_a_statement_is_taken_back(
    tmp_path: Path, column: str
) -> None:
    """Also in a file of an earlier version, where SQLite takes back that statement alone."""
    with closing(sqlite3.connect(tmp_path / "rows.db")) as earlier:
        earlier.execute(f"CREATE TABLE rows (k BLOB PRIMARY KEY, {column}) WITHOUT ROWID")
    image, reader = SqliteFile(tmp_path / "rows.db"), SqliteFile(tmp_path / "rows.db")
    old = [(number.to_bytes(4, "big"), b"old") for number in range(CHUNK_ROWS)]
    image.write(old)
    ((pages,),) = image._connection.execute("PRAGMA page_count").fetchall()
    for more in range(1, 40, 3):
        image._connection.execute(f"PRAGMA max_page_count={pages + more}")
        with pytest.raises(DiskIsFull):
            image.write((key, bytes(1000)) for key, _ in old)
        for one in (image, reader):
            assert one.page(b"", b"\xff", 2 * CHUNK_ROWS) == old
        image.write([(b"more", b"")])
        image.write([(b"more", None)])
    image.close()
    reader.close()


def open_files() -> list[str]:
    found: list[str] = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one by which the folder is read
            found.append(os.readlink(link))
    return found
