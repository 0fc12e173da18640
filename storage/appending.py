"""Appending to a file so that a refusal for want of space or permission leaves it as it was."""

from __future__ import annotations

from storage.disk import Disk
from storage.errors import DiskFull, DiskReadOnly
from storage.files import FileName


class FileEnd:
    """Owns the end of a file, `at`. What lies beyond was refused and is never read."""

    def __init__(self, disk: Disk, at: int) -> None:
        self.at = at
        self._disk = disk
        self._unclean = False

    def append(self, name: FileName, data: bytes) -> None:
        """Writes `data`, unsynced. Raises `DiskError`.

        After `DiskFull` and `DiskReadOnly` the file is cut back to where it ended, now or, if even
        that is refused, before anything else is written to it.
        """
        if self._unclean:
            self._disk.truncate(name.text, self.at)
            self._unclean = False
        try:
            self._disk.write(name.text, self.at, data)
        except (DiskFull, DiskReadOnly):
            self._undo(name)
            raise
        self.at += len(data)

    def _undo(self, name: FileName) -> None:
        try:
            self._disk.truncate(name.text, self.at)
        except (DiskFull, DiskReadOnly):
            self._unclean = True
