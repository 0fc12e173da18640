"""The image of a state in an SQLite file: one connection to it, for one thread at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from shutil import disk_usage

from crdt import StateLost
from samebox.image import Change, Frozen, WrittenAtOnce
from storage import DiskFull

CHUNK_ROWS = 500
"""In one statement, 1 or 2 ms: each statement gives Python's lock away, and to get it back may take
milliseconds while another thread computes. 2,000 write no faster, and 100 take a fifth longer."""
STATEMENTS_MAX = 16
"""Kept compiled by a connection. The last statement of a write has a number of rows of its own: one
of 250 takes 65 to 85 KiB, and Python would keep 128 of them, 10 MB for the connection that writes.
A write needs seven, and a reader six."""
FIND_SIZES = (8, 64, 250, CHUNK_ROWS)
"""Keys that are asked for together; the last one stands there several times where there are fewer.
To compile a statement for each number takes a fifth of the time."""
ROOM_BYTES = 1 << 20
"""To open a file takes some 32 KiB, which are not reserved: where so little is free, that is why it
could not be opened, and its rows are as good as they were."""
CACHE_KIB = 4096
"""From 2 to 32 MiB made no difference beyond the noise; nor did pages of 8 or 16 KiB."""
BUSY_S = 30.0

_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=0",
    f"PRAGMA cache_size=-{CACHE_KIB}",
    "CREATE TABLE IF NOT EXISTS rows (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID",
)
_PAGE = "SELECT k, v FROM rows WHERE k >= ? AND k < ? ORDER BY k LIMIT ?"
_PAGE_REVERSE = "SELECT k, v FROM rows WHERE k >= ? AND k < ? ORDER BY k DESC LIMIT ?"


class DiskIsFull(Exception):
    """Nothing was written."""


class SqliteFile(WrittenAtOnce):
    """Implements samebox.image.Image: `write` returns when all is written. Whatever SQLite raises
    becomes StateLost, but that the disk is full."""

    def __init__(self, path: Path | str) -> None:
        self._path = path
        try:
            self._connection = sqlite3.connect(
                path,
                isolation_level=None,
                check_same_thread=False,
                timeout=BUSY_S,
                cached_statements=STATEMENTS_MAX,
            )
            for setting in _SETTINGS:
                self._connection.execute(setting)
        except sqlite3.Error as error:
            if _has_no_room(path, error):
                raise DiskFull(
                    f"{path}: cannot be opened: {error}; free at least {ROOM_BYTES >> 20} MiB "
                    "there, and start again: nothing of it is lost"
                ) from error
            raise self._lost(error) from error

    def page(
        self, start: bytes, stop: bytes, count: int, *, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        statement = _PAGE_REVERSE if reverse else _PAGE
        try:
            return self._connection.execute(statement, (*_bound((start, stop)), count)).fetchall()
        except sqlite3.Error as error:
            raise self._lost(error) from error

    def find(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        try:
            for first in range(0, len(keys), CHUNK_ROWS):
                some = _bound(keys[first : first + CHUNK_ROWS])
                size = next(size for size in FIND_SIZES if len(some) <= size)
                some += some[-1:] * (size - len(some))
                found += self._connection.execute(_find(size), some)
        except sqlite3.Error as error:
            raise self._lost(error) from error
        return found

    def write(self, changes: Iterable[Change]) -> None:
        """Raises StateLost, DiskIsFull."""
        connection = self._connection
        kept: list[bytes] = []
        gone: list[bytes] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for key, value in changes:
                if value is None:
                    gone.append(key)
                else:
                    kept += (key, value)
                if len(kept) >= 2 * CHUNK_ROWS:
                    connection.execute(_insert(CHUNK_ROWS), _bound(kept))
                    kept.clear()
            if kept:
                connection.execute(_insert(len(kept) // 2), _bound(kept))
            while chunk := gone[:CHUNK_ROWS]:
                connection.execute(_delete(len(chunk)), _bound(chunk))
                del gone[:CHUNK_ROWS]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise DiskIsFull(str(error)) from error
            raise self._lost(error) from error

    def checkpoint(self) -> None:
        """Bring what was written from the log of SQLite into the file, and sync both. Where the
        disk is full it stays in that log, from which it is read as well, until the next time."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise self._lost(error) from error

    def frozen(self) -> Frozen:
        """A connection of its own, in a transaction that reads: SQLite keeps what it sees."""
        view = SqliteFile(self._path)
        try:
            view._connection.execute("BEGIN")
            view._connection.execute("SELECT 1 FROM rows LIMIT 1").fetchall()
        except sqlite3.Error as error:
            view.close()
            raise self._lost(error) from error
        return view

    def size(self) -> int:
        try:
            ((pages,),) = self._connection.execute("PRAGMA page_count").fetchall()
            ((each,),) = self._connection.execute("PRAGMA page_size").fetchall()
        except sqlite3.Error as error:
            raise self._lost(error) from error
        assert isinstance(pages, int) and isinstance(each, int), "SQLite says so"
        return pages * each

    def close(self) -> None:
        self._connection.close()

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.rollback()

    def _lost(self, error: sqlite3.Error) -> StateLost:
        return StateLost(
            f"{self._path}: expected the rows of a state, found: {error}; "
            "it is made again from snapshot and log"
        )


def _has_no_room(path: Path | str, error: sqlite3.Error) -> bool:
    if error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE):
        return True
    folder = Path(path).parent
    return folder.is_dir() and disk_usage(folder).free < ROOM_BYTES


def _bound(values: Sequence[bytes]) -> list[bytearray]:
    """Values for a statement. Of bytes, Python's module asks each time whether they have an
    adapter, which takes four times as long as all that it does with a bytearray."""
    return list(map(bytearray, values))


@lru_cache(STATEMENTS_MAX)
def _insert(rows: int) -> str:
    """A statement that may have to be taken back by itself, as with `OR REPLACE` or where `v` must
    not be null, copies each page into a file of its own before it changes it: a third of the time.
    Here the whole transaction is taken back."""
    values = ", ".join(["(?, ?)"] * rows)
    return f"INSERT OR FAIL INTO rows VALUES {values} ON CONFLICT (k) DO UPDATE SET v = excluded.v"


@lru_cache(STATEMENTS_MAX)
def _find(rows: int) -> str:
    return f"SELECT k, v FROM rows WHERE k IN ({', '.join(['?'] * rows)})"


@lru_cache(STATEMENTS_MAX)
def _delete(rows: int) -> str:
    return f"DELETE FROM rows WHERE k IN ({', '.join(['?'] * rows)})"
