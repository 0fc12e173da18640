"""The port through which storage reaches a disk: one flat directory of files.

Every call blocks; one thread drives a disk. `storage.io.FileDisk` is the real one,
`storage.MemoryDisk` its twin, `sim.SimulatedDisk` the one that fails.

What a disk promises: bytes are durable once `sync` of their file has returned, the length of the
file included; names are durable once `sync_directory` has returned. Before that, a crash may
keep any part of the writes and any of the name changes; a rename alone is never half done.
"""

from __future__ import annotations

from typing import Protocol


class Disk(Protocol):
    """Every method raises `DiskError`; `FileMissing` where the named file does not exist."""

    def names(self) -> list[str]:
        """The regular files, sorted."""
        ...

    def size(self, name: str) -> int: ...

    def read(self, name: str, offset: int, length: int) -> bytes:
        """At most `length` bytes; fewer only where the file ends."""
        ...

    def create(self, name: str) -> None:
        """An empty file. The name must be free."""
        ...

    def write(self, name: str, offset: int, data: bytes) -> None:
        """All of `data`. After `DiskFull` or `DiskReadOnly` a part of it may be in the file."""
        ...

    def truncate(self, name: str, size: int) -> None: ...

    def sync(self, name: str) -> None:
        """fdatasync. Any failure is `SyncFailed`."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Atomic; replaces a file that has the new name."""
        ...

    def remove(self, name: str) -> None: ...

    def sync_directory(self) -> None:
        """Makes names durable. Any failure is `SyncFailed`."""
        ...

    def close(self) -> None: ...
