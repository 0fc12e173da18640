"""The disk port over a directory of the operating system."""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import (
    DiskError,
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    DiskWriteFailed,
    FileMissing,
    SyncFailed,
)

OPEN_FILES_MAX = 32
"""Descriptors kept per disk. A file with unsynced writes is never closed to make room: an error
of its write-back would be reported to nobody."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class FileDisk:
    """One directory, held open: it stays the same directory if its path is renamed.

    To be driven by one thread. Raises `FileMissing` where `path` is no directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: OrderedDict[str, tuple[int, bool]] = OrderedDict()
        self._unsynced: set[str] = set()
        with self._mapped("open", ".", DiskReadFailed):
            self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def inode(self) -> int:
        """Of the directory: a copy of it has another."""
        with self._mapped("stat", ".", DiskReadFailed):
            return os.fstat(self._directory).st_ino

    def names(self) -> list[str]:
        with self._mapped("list", ".", DiskReadFailed), os.scandir(self._directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))

    def size(self, name: str) -> int:
        with self._mapped("stat", name, DiskReadFailed):
            return os.fstat(self._reading(name)).st_size

    def read(self, name: str, offset: int, length: int) -> bytes:
        with self._mapped("read", name, DiskReadFailed):
            file = self._reading(name)
            data = os.pread(file, length, offset)
            while len(data) < length:
                more = os.pread(file, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data

    def create(self, name: str) -> None:
        with self._mapped("create", name, DiskWriteFailed):
            self._open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, writable=True)

    def write(self, name: str, offset: int, data: bytes) -> None:
        try:  # a context manager would cost as much as the rest of it
            file = self._writing(name)
            self._unsynced.add(name)
            written = os.pwrite(file, data, offset)
            while written < len(data):
                written += os.pwrite(file, memoryview(data)[written:], offset + written)
        except OSError as error:
            raise self._error("write", name, error, DiskWriteFailed) from error

    def truncate(self, name: str, size: int) -> None:
        with self._mapped("truncate", name, DiskWriteFailed):
            file = self._writing(name)
            self._unsynced.add(name)
            os.ftruncate(file, size)

    def sync(self, name: str) -> None:
        try:
            file = self._writing(name)
            os.fdatasync(file)
            is_removed = os.fstat(file).st_nlink == 0
        except OSError as error:
            raise self._not_synced(name, error) from error
        if is_removed:
            raise SyncFailed(
                f"{self._path / name}: was removed while in use; what is written to it is lost. "
                "Stop the process and find out who removed it"
            )
        self._unsynced.discard(name)

    def rename(self, old: str, new: str) -> None:
        with self._mapped("rename", old, DiskWriteFailed):
            os.rename(old, new, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        self._forget(new)
        if old in self._files:
            self._files[new] = self._files.pop(old)
        if old in self._unsynced:
            self._unsynced.discard(old)
            self._unsynced.add(new)

    def remove(self, name: str) -> None:
        with self._mapped("remove", name, DiskWriteFailed):
            os.unlink(name, dir_fd=self._directory)
        self._forget(name)

    def sync_directory(self) -> None:
        try:
            os.fsync(self._directory)
        except OSError as error:
            raise self._not_synced(".", error) from error

    def close(self) -> None:
        for name in list(self._files):
            self._forget(name)
        os.close(self._directory)

    def _reading(self, name: str) -> int:
        known = self._files.get(name)
        if known is None:
            return self._open(name, os.O_RDONLY, writable=False)
        self._files.move_to_end(name)
        return known[0]

    def _writing(self, name: str) -> int:
        known = self._files.get(name)
        if known is not None and known[1]:
            self._files.move_to_end(name)
            return known[0]
        self._forget(name)
        return self._open(name, os.O_RDWR, writable=True)

    def _open(self, name: str, flags: int, *, writable: bool) -> int:
        assert "/" not in name, f"{name!r} is no name in a flat directory"
        file = os.open(name, flags | os.O_CLOEXEC, 0o600, dir_fd=self._directory)
        self._files[name] = (file, writable)
        self._make_room()
        return file

    def _make_room(self) -> None:
        """The file opened last is the last to go."""
        for name in list(self._files)[:-1]:
            if len(self._files) <= OPEN_FILES_MAX:
                break
            if name not in self._unsynced:
                self._forget(name)

    def _forget(self, name: str) -> None:
        known = self._files.pop(name, None)
        self._unsynced.discard(name)
        if known is not None:
            os.close(known[0])

    @contextmanager
    def _mapped(self, action: str, name: str, otherwise: type[DiskError]) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(action, name, error, otherwise) from error

    def _error(
        self, action: str, name: str, error: OSError, otherwise: type[DiskError]
    ) -> DiskError:
        where = f"{self._path / name}: cannot {action}: {error.strerror}"
        if error.errno in _FULL:
            return DiskFull(f"{where}; make space")
        if error.errno in _READ_ONLY:
            return DiskReadOnly(f"{where}; check mount and permissions")
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return FileMissing(where)
        return otherwise(f"{where}; check the disk")

    def _not_synced(self, name: str, error: OSError) -> SyncFailed:
        return SyncFailed(
            f"{self._path / name}: sync failed: {error.strerror}. What was written may be "
            "lost; stop the process, check the disk, start again"
        )
