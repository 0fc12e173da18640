"""Rows in an SQLite file: small and untuned, so that the port is one that a disk can keep."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from crdt import StateLost

Value: TypeAlias = bytes | str | int

CHUNK_ROWS = 256
"""Rows that a scan takes at a time: nothing is open while the caller looks at them."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS rows (t TEXT, k BLOB, v BLOB, PRIMARY KEY (t, k)) WITHOUT ROWID"
)
_SCAN = "SELECT k, v FROM rows WHERE t = ? AND k >= ? AND k < ? ORDER BY k LIMIT ?"
_SCAN_REVERSE = "SELECT k, v FROM rows WHERE t = ? AND k >= ? AND k < ? ORDER BY k DESC LIMIT ?"


class SqliteRows:
    """Implements crdt.Rows. Whatever SQLite raises becomes StateLost.

    Committed rows survive the end of the process; what a power cut takes, the log brings back.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise self._lost(error) from error
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", _TABLE):
            self._run(statement)

    def close(self) -> None:
        self._connection.close()

    def get(self, table: str, key: bytes) -> bytes | None:
        found = self._run("SELECT v FROM rows WHERE t = ? AND k = ?", table, key)
        return found[0][0] if found else None

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self._change("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", table, key, value)

    def remove(self, table: str, key: bytes) -> None:
        self._change("DELETE FROM rows WHERE t = ? AND k = ?", table, key)

    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        statement = _SCAN_REVERSE if reverse else _SCAN
        while start < stop:
            found = self._run(statement, table, start, stop, CHUNK_ROWS)
            yield from found
            if len(found) < CHUNK_ROWS:
                return
            last = found[-1][0]
            start, stop = (start, last) if reverse else (last + b"\0", stop)

    def begin(self) -> None:
        assert not self._connection.in_transaction, "one transaction at a time: end it first"
        self._run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._change("COMMIT")

    def rollback(self) -> None:
        self._change("ROLLBACK")

    def _change(self, statement: str, *values: Value) -> None:
        assert self._connection.in_transaction, "no transaction is open: begin() first"
        self._run(statement, *values)

    def _run(self, statement: str, *values: Value) -> list[tuple[bytes, bytes]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._lost(error) from error

    def _lost(self, error: sqlite3.Error) -> StateLost:
        return StateLost(
            f"{self._path}: expected the rows of a state, found: {error}; "
            "it is made again from snapshot and log"
        )
