"""A snapshot that comes from elsewhere, in pieces: it is none before it was read back whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from storage.disk import Disk
from storage.errors import DiskFull, DiskReadOnly
from storage.files import NEW, FileName, publish, remove_if_there
from storage.header import check_ours
from storage.snapshot import SNAPSHOT, Snapshot, blocks_of, read_beginning


class Received:
    """Owns a file that has no name yet. `number` is above that of every other snapshot.

    Every method raises `DiskError`; after `DiskFull` and `DiskReadOnly` nothing is left of it.
    """

    def __init__(self, disk: Disk, number: int) -> None:
        self.size = 0
        self._disk = disk
        self._name = FileName(SNAPSHOT, number, NEW)
        remove_if_there(disk, self._name)
        self._carefully(lambda: disk.create(self._name.text))

    def add(self, data: bytes) -> None:
        """The next bytes of the file; durable when it returns, so that no sync is long."""
        self._carefully(lambda: self._disk.write(self._name.text, self.size, data))
        self._disk.sync(self._name.text)
        self.size += len(data)

    def look(self, *, cluster: str, shard: str) -> Snapshot:
        """What it says of itself. Raises `NotOurs`, `TooNew`, `Damaged`."""
        snapshot = read_beginning(self._disk, self._name)
        check_ours(snapshot.header, cluster=cluster, shard=shard, where=self._name.text)
        return snapshot

    def check(self, snapshot: Snapshot) -> Iterator[bytes]:
        """Reads it back whole, block by block. Raises `Damaged`, at the end at the latest."""
        return blocks_of(self._disk, snapshot)

    def publish(self) -> FileName:
        self._name = publish(self._disk, self._name, state=SNAPSHOT)
        return self._name

    def abandon(self) -> None:
        """Whatever has become of it, it goes."""
        try:
            remove_if_there(self._disk, self._name)
        except (DiskFull, DiskReadOnly):
            return  # the next start does it

    def _carefully(self, do: Callable[[], None]) -> None:
        try:
            do()
        except (DiskFull, DiskReadOnly):
            self.abandon()
            raise
