"""The lock on a data directory: one process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from storage.errors import DirectoryLocked, DiskReadOnly, StorageError

LOCK_NAME = "lock"


class DirectoryLock:
    """Held from `acquire` to `release` or the end of the process, whichever comes first.

    The kernel holds it, not the file: a file left behind by a process that died is no obstacle.
    The process id in the file is for people only.
    """

    def __init__(self, file: int, path: Path) -> None:
        self._file: int | None = file
        self.path = path

    @classmethod
    def acquire(cls, directory: Path) -> DirectoryLock:
        """Raises `DirectoryLocked`, `DiskReadOnly`, `StorageError`."""
        path = directory / LOCK_NAME
        file = _opened(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise DirectoryLocked(
                f"{path}: process {holder} works on this data directory; stop it first"
            ) from None
        except OSError as error:
            os.close(file)
            raise StorageError(f"{path}: cannot be locked: {error.strerror}") from error
        with suppress(OSError):  # a full disk must not keep the holder from starting
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        return cls(file, path)

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        kind = DiskReadOnly if error.errno in (errno.EACCES, errno.EROFS) else StorageError
        raise kind(f"{path}: cannot be opened: {error.strerror}") from error
