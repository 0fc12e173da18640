"""The rows of a second state, for as long as it is compared with the first, in a folder of their
own beside it: a million entries are too many for memory."""

from __future__ import annotations

import shutil
from pathlib import Path

from typing_extensions import override

from crdt import Rows
from samebox.io.sqlite_image import SqliteImages
from samebox.keeping import Kept
from samebox.write_back import Bounds
from storage import DiskFull

BOUNDS = Bounds(
    write_rows=5000,
    write_bytes=2 << 20,
    unwritten_rows=15_000,
    unwritten_bytes=6 << 20,
    clean_rows=5000,
    clean_bytes=2 << 20,
)
"""Some 10 MB in all: it is slower than with more, and the node keeps its memory."""
TIMES = 2
"""So much room as the first state takes has to be free, for what it has forgotten is kept here, and
for the log of SQLite."""
SPARE_BYTES = 64 << 20
"""Left to the node, whose writes must not be refused for want of room."""


class Scratch(Kept):
    """Implements samebox.keeping.Keeper: the rows last until `drop`, or the next `renew`."""

    def __init__(self, folder: Path, beside: Path) -> None:
        super().__init__(SqliteImages(folder), BOUNDS)
        self._folder = folder
        self._beside = beside

    @override
    def renew(self) -> Rows:
        """Raises DiskFull where there may be too little room."""
        self.drop()
        size = sum(path.stat().st_size for path in self._beside.iterdir())
        wanted, free = TIMES * size + SPARE_BYTES, shutil.disk_usage(self._beside).free
        if free < wanted:
            raise DiskFull(
                f"{self._folder}: expected {wanted >> 20} MiB of room for a second state, found "
                f"{free >> 20} MiB; free some, and verify again"
            )
        self._folder.mkdir(mode=0o700)
        return self.open()

    @override
    def drop(self) -> None:
        super().drop()
        shutil.rmtree(self._folder, ignore_errors=True)
