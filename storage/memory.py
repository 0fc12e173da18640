"""The in-memory twin of the disk port: for tests of what storage decides, and for measuring it."""

from __future__ import annotations

from storage.errors import DiskWriteFailed, FileMissing


class MemoryDisk:
    """Never fails, never forgets."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}

    def names(self) -> list[str]:
        return sorted(self.files)

    def size(self, name: str) -> int:
        return len(self._file(name))

    def read(self, name: str, offset: int, length: int) -> bytes:
        return bytes(self._file(name)[offset : offset + length])

    def create(self, name: str) -> None:
        if name in self.files:
            raise DiskWriteFailed(f"{name}: cannot be created, it exists already")
        self.files[name] = bytearray()

    def write(self, name: str, offset: int, data: bytes) -> None:
        file = self._file(name)
        if offset > len(file):
            file.extend(bytes(offset - len(file)))
        file[offset : offset + len(data)] = data

    def truncate(self, name: str, size: int) -> None:
        del self._file(name)[size:]

    def sync(self, name: str) -> None:
        self._file(name)

    def rename(self, old: str, new: str) -> None:
        self._file(old)
        self.files[new] = self.files.pop(old)

    def remove(self, name: str) -> None:
        self._file(name)
        del self.files[name]

    def sync_directory(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _file(self, name: str) -> bytearray:
        file = self.files.get(name)
        if file is None:
            raise FileMissing(f"{name}: no such file on this disk")
        return file
