"""Rows that are written behind the log: what the image holds, what waits for it, and what fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from crdt import StateLost
from samebox.image import Change, Image, MemoryImage
from samebox.io import sqlite_image
from samebox.io.sqlite_file import DiskIsFull, SqliteFile
from samebox.io.sqlite_image import SqliteImages
from samebox.unwritten import Table
from samebox.write_back import Bounds, WriteBackRows
from tests.rows_kept import SMALL, SlowImage
from tests.state.test_rows import LAST, everything, put_all


class StuckImage(SlowImage):
    LOOKS = 1 << 30


def kept(image: Image) -> list[tuple[bytes, bytes]]:
    """What the next life finds."""
    return everything(WriteBackRows(image))


def test_what_is_written_is_always_what_was_once_committed() -> None:
    """One transaction puts two rows that belong together, and so many that writes overlap."""
    image = SlowImage()
    rows = WriteBackRows(image, SMALL)
    for number in range(100):
        rows.begin()
        rows.put("t", b"clock", b"%d" % number)
        rows.put("t", b"effect %d" % number, b"")
        rows.commit()
        found = dict(kept(image))
        last = int(found.pop(b"clock", b"-1"))
        assert sorted(found) == sorted(b"effect %d" % before for before in range(last + 1))
    rows.write_all()
    assert len(kept(image)) == 101


def test_an_open_transaction_is_never_written() -> None:
    image = SlowImage()
    rows = WriteBackRows(image, SMALL)
    put_all(rows, [b"kept"])
    rows.begin()
    for number in range(100):
        rows.put("t", b"%d" % number, b"open")
        rows.write_soon()
    image.wait()
    assert kept(image) == []
    rows.rollback()
    rows.write_all()
    assert [key for key, _ in kept(image)] == [b"kept"]


def is_full(rows: WriteBackRows) -> bool:
    return rows.is_full


def test_work_waits_where_the_image_does_not_keep_up() -> None:
    rows = WriteBackRows(StuckImage(), SMALL)
    for number in range(SMALL.unwritten_rows):
        assert not is_full(rows)
        put_all(rows, [b"%d" % number])
    assert is_full(rows)
    rows.wait_a_moment()
    assert not is_full(rows)


def test_bytes_are_bounded_as_rows_are() -> None:
    rows = WriteBackRows(SlowImage(), Bounds(write_bytes=1 << 30, unwritten_bytes=10_000))
    put_all(rows, [b"short"])
    assert not is_full(rows)
    rows.begin()
    rows.put("t", b"long", bytes(10_000))
    rows.put("t", b"long", b"")
    rows.commit()
    assert not is_full(rows)
    rows.begin()
    rows.put("t", b"long", bytes(10_000))
    rows.commit()
    assert is_full(rows)
    rows.begin()
    rows.remove("t", b"long")
    rows.rollback()
    assert is_full(rows)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Where the pages begin that scans look at."""
    begun: list[bytes] = []
    page = WriteBackRows._page

    def noted(
        self: WriteBackRows, table: Table, start: bytes, stop: bytes, count: int, *, reverse: bool
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        begun.append(start)
        return page(self, table, start, stop, count, reverse=reverse)

    monkeypatch.setattr(WriteBackRows, "_page", noted)
    return begun


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_queue_costs_the_same_however_much_was_taken_from_it(
    pages: list[bytes], is_written: bool, reverse: bool
) -> None:
    """What was removed lately is stepped over once."""
    rows = WriteBackRows(MemoryImage())
    keys = [number.to_bytes(4, "big") for number in range(1000)]
    put_all(rows, keys)
    if is_written:
        rows.write_all()
    rows.begin()
    for key in keys[::-1] if reverse else keys:
        assert next(rows.scan("t", b"", LAST, reverse=reverse))[0] == key
        rows.remove("t", key)
    assert len(pages) == len(keys)
    assert everything(rows) == []
    rows.rollback()
    assert [key for key, _ in everything(rows)] == keys


def test_a_removal_that_is_taken_back_hides_no_row_of_the_image() -> None:
    rows = WriteBackRows(MemoryImage())
    put_all(rows, [b"a", b"k"])
    rows.write_all()
    rows.begin()
    rows.put("t", b"k", b"other")
    rows.remove("t", b"k")
    assert list(rows.scan("t", b"b", LAST)) == []
    rows.rollback()
    assert list(rows.scan("t", b"b", LAST)) == [(b"k", b"value of k")]


def test_a_row_in_place_of_another_leaves_nothing_to_step_over(pages: list[bytes]) -> None:
    """A write of a file removes the content before it."""
    rows = WriteBackRows(MemoryImage())
    put_all(rows, [b"0000"])
    for number in range(1, 1000):
        ((before, _),) = rows.scan("t", b"", LAST)
        rows.begin()
        rows.remove("t", before)
        rows.put("t", b"%04d" % number, b"")
        rows.commit()
    assert len(pages) == 999


def on_disk(folder: Path, *, bounds: Bounds = SMALL) -> WriteBackRows:
    return WriteBackRows(SqliteImages(folder).open(), bounds)


def test_rows_that_were_written_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    rows = on_disk(tmp_path)
    put_all(rows, [b"kept"])
    rows.write_all()
    rows.begin()
    rows.put("t", b"open", b"x")
    rows.close()
    again = on_disk(tmp_path)
    assert [key for key, _ in everything(again)] == [b"kept"]
    again.close()


def test_a_file_that_is_no_database_is_a_lost_state(tmp_path: Path) -> None:
    (tmp_path / "rows.db").write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(StateLost, match=r"rows\.db"):
        on_disk(tmp_path)
    SqliteImages(tmp_path).clear()
    on_disk(tmp_path).close()
    with pytest.raises(StateLost, match="unable to open"):
        on_disk(tmp_path / "nowhere")


def test_a_byte_that_changed_is_a_lost_state(tmp_path: Path) -> None:
    rows = on_disk(tmp_path)
    put_all(rows, [b"a key", b"another"])
    rows.write_all()
    rows.close()
    path = tmp_path / "rows.db"
    path.write_bytes(path.read_bytes().replace(b"value of another", b"value of anothes"))
    again = on_disk(tmp_path)
    assert again.get("t", b"a key") == b"value of a key"
    with pytest.raises(StateLost, match="checksum"):
        again.get("t", b"another")
    with pytest.raises(StateLost, match="checksum"):
        everything(again)
    again.close()


def test_a_read_that_fails_is_a_lost_state(tmp_path: Path) -> None:
    rows = on_disk(tmp_path)
    rows.close()
    with pytest.raises(StateLost, match="snapshot and log"):
        rows.get("t", b"k")
    with pytest.raises(StateLost):
        everything(rows)


def test_a_write_that_fails_is_a_lost_state_at_the_next_commit(tmp_path: Path) -> None:
    image = SqliteImages(tmp_path).open()
    rows = WriteBackRows(image, SMALL)
    with sqlite3.connect(tmp_path / "rows.db") as other:
        other.execute("DROP TABLE rows")
    other.close()
    put_all(rows, [b"1", b"2", b"3", b"4"])
    image.wait()
    with pytest.raises(StateLost, match="no such table"):
        put_all(rows, [b"5"])
    rows.close()


def test_want_of_memory_in_a_write_is_a_lost_state_and_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: SqliteFile, changes: Iterable[Change]) -> None:
        raise MemoryError

    monkeypatch.setattr(SqliteFile, "write", fails)
    rows = on_disk(tmp_path)
    put_all(rows, [b"1", b"2", b"3", b"4"])
    rows.wait_a_moment()
    with pytest.raises(StateLost, match="cannot be written: MemoryError"):
        put_all(rows, [b"5"])
    rows.close()


def test_a_full_disk_delays_a_write_and_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_image, "FULL_AGAIN_S", 0.001)
    monkeypatch.setattr(SqliteFile, "write", no_room)
    rows = on_disk(tmp_path)
    put_all(rows, [b"1", b"2", b"3", b"4"])
    rows.write_all()
    assert [key for key, _ in everything(rows)] == [b"1", b"2", b"3", b"4"]
    monkeypatch.undo()
    rows.wait_a_moment()
    image = SqliteImages(tmp_path).open()
    while not kept(image):
        rows.write_all()
    image.close()
    monkeypatch.setattr(SqliteFile, "write", no_room)
    put_all(rows, [b"5", b"6", b"7", b"8"])
    rows.write_all()
    rows.close()
    monkeypatch.undo()
    again = on_disk(tmp_path)
    assert [key for key, _ in everything(again)] == [b"1", b"2", b"3", b"4"]
    again.close()


def no_room(file: SqliteFile, changes: Iterable[Change]) -> None:
    raise DiskIsFull("no room")
