"""The image of a state in a directory, written by a thread of its own.

Two connections: one writes, in the thread; the other reads, in whatever thread asks. In WAL mode
neither waits for the other.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from crdt import StateLost
from samebox.image import Change, Frozen
from samebox.io.sqlite_file import DiskIsFull, SqliteFile

FULL_AGAIN_S = 1.0
"""After a write that found the disk full, until it is tried again."""
MOMENT_S = 0.25
"""How long whoever waits for a write hears of nothing else."""


class SqliteImage:
    """Implements samebox.image.Image. `ended` is called in the thread after each write, failed or
    not, and when one finds the disk full: that goes on when there is room again."""

    def __init__(self, path: Path, ended: Callable[[], None]) -> None:
        self.trouble = ""
        self._path = path
        self._writer = SqliteFile(path)
        self._reader = SqliteFile(path)
        self._ended = ended
        self._error: StateLost | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._settled = threading.Event()
        self._closing = threading.Event()
        self._jobs: queue.SimpleQueue[Iterable[Change] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="state", daemon=True)
        self._thread.start()
        self.page = self._reader.page
        self.find = self._reader.find

    def write(self, changes: Iterable[Change]) -> None:
        assert self._idle.is_set(), "one write at a time"
        self._idle.clear()
        self._settled.clear()
        self._jobs.put(changes)

    @property
    def is_writing(self) -> bool:
        if self._error is not None:
            raise self._error
        return not self._idle.is_set()

    def wait(self) -> None:
        self._idle.wait(MOMENT_S)

    def frozen(self) -> Frozen:
        return self._reader.frozen()

    def finish(self) -> None:
        if not self._idle.is_set():
            self._settled.wait()

    def close(self) -> None:
        """What was given to `write` is written, unless the disk is full."""
        self._closing.set()
        self._jobs.put(None)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def _work(self) -> None:
        """A checkpoint follows each write, which is large: so the log of SQLite begins anew with
        every one. Nothing but the next write can ever wait for it."""
        while (changes := self._jobs.get()) is not None:
            try:
                if not self._write(list(changes)):
                    return
                self._end()
                self._writer.checkpoint()
            except Exception as error:  # want of memory as well: whoever waits has to know
                self._error = error if isinstance(error, StateLost) else self._lost(error)
                self._end()

    def _lost(self, error: Exception) -> StateLost:
        text = f"{self._path}: cannot be written: {error!r}"
        return StateLost(f"{text}; it is made again from snapshot and log")

    def _write(self, changes: list[Change]) -> bool:
        """False where the disk is full, and the image closed: the log has it all."""
        while True:
            try:
                self._writer.write(changes)
                self.trouble = ""
                return True
            except DiskIsFull as error:
                self._settled.set()
                self._note(error)
                if self._closing.wait(FULL_AGAIN_S):
                    return False

    def _note(self, error: DiskIsFull) -> None:
        if not self.trouble:
            folder = self._path.parent
            self.trouble = (
                f"no room for the state in {folder}: {error}; free some there. Until then little "
                "more can be written; what was confirmed is in the log"
            )
            self._ended()

    def _end(self) -> None:
        self._idle.set()
        self._settled.set()
        self._ended()


class SqliteImages:
    """Implements samebox.image.Images: the files `rows.db…` in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rows.db"

    def open(self, ended: Callable[[], None] = lambda: None) -> SqliteImage:
        return SqliteImage(self._path, ended)

    def clear(self) -> None:
        for end in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)
