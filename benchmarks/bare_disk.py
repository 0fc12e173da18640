"""The floor's disk: an append-only log, a file of contents, one thread that syncs, and SQLite.

The promises are the product's. Contents are synced before the log, the log before anything is
sent, shown or answered; the state is committed after the sync; one batch is under way at a time.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import trio

CHECKPOINT_PERIOD_S = 0.5
"""The write-ahead log is copied into the database this often, by a thread of its own."""


class DiskThread:
    """Runs one job at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], trio.Event] | None]
        self._jobs = queue.SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> trio.Event:
        done = trio.Event()
        self._jobs.put((job, done))
        return done

    async def wait(self, done: trio.Event) -> None:
        await done.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            try:
                job()
            except OSError as failure:
                self._failure = failure
            self._token.run_sync_soon(done.set)


class Disk:
    """Log, contents and state of one bare node, in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._thread = DiskThread()
        self._log = new_file(folder / "log")
        self._contents = new_file(folder / "contents")
        self._state = open_state(folder / "state")
        self._stop = threading.Event()
        self._checkpoints = threading.Thread(
            target=checkpoint, args=(folder / "state", self._stop), name="checkpoint", daemon=True
        )
        self._checkpoints.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._checkpoints.join()
        self._thread.close()
        self._state.close()
        os.close(self._log)
        os.close(self._contents)

    async def commit(
        self, frames: bytes, rows: Sequence[tuple[int, bytes]], contents: bytes = b""
    ) -> None:
        """Make a batch durable, and then visible. While the thread syncs, rows are inserted."""

        def append() -> None:
            if contents:
                write_all(self._contents, contents)
                os.fdatasync(self._contents)
            write_all(self._log, frames)
            os.fdatasync(self._log)

        synced = self._thread.submit(append)
        self._state.execute("BEGIN")
        self._state.executemany("INSERT INTO operation VALUES (?, ?)", rows)
        await self._thread.wait(synced)
        self._state.execute("COMMIT")


def new_file(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)


def write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def open_state(path: Path) -> sqlite3.Connection:
    state = sqlite3.connect(path, isolation_level=None)
    state.execute("PRAGMA journal_mode=WAL")
    state.execute("PRAGMA synchronous=NORMAL")
    state.execute("PRAGMA wal_autocheckpoint=0")
    state.execute("CREATE TABLE operation (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")
    return state


def checkpoint(path: Path, stop: threading.Event) -> None:
    state = sqlite3.connect(path, isolation_level=None)
    while not stop.wait(CHECKPOINT_PERIOD_S):
        state.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    state.close()
