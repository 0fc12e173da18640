"""A disk in memory that fails as real ones do, on request and repeatably.

It keeps two pictures: what a running process sees (the page cache) and what is durable. A change
is durable once its file, or the directory for a change of names, was synced. A power cut keeps
of the rest what `draw` says: every change may survive, be lost, or survive in part, whatever
happened to the changes before and after it. A process that merely dies loses nothing of the cache.

A sync that fails leaves the cache as it is and drops the changes: they read well, no later sync
writes them, and a power cut shows that they are gone. This is what Linux does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from sim.pages import Draw as Draw
from sim.pages import PagedFile, Truncate, Write
from storage import (
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    DiskWriteFailed,
    FileMissing,
    SyncFailed,
)


def lose_all(choices: int) -> int:
    return 0


def keep_all(choices: int) -> int:
    return min(1, choices - 1)


class PowerCut(Exception):
    """The machine lost power during the operation that was asked for by `crash_at`."""


class SimulatedDisk:
    """Implements `storage.Disk`. Counts in `operations` the calls that change or sync something.

    crash_at        `PowerCut` is raised during the operation that has this number; then call
                    `lose_power`, or `end_process` if it was only the process that died
    capacity        bytes that the files may have together; `DiskFull` beyond, after a part was
                    written; None is no limit
    read_only_from  every change from the operation with this number on raises `DiskReadOnly`
    failing_writes  so many of the next writes raise `DiskWriteFailed`, after half of the bytes;
                    so do creations, renamings and removals, which then change nothing
    failing_syncs   so many of the next syncs raise `SyncFailed`
    unreadable      (name, offset): reading across it raises `DiskReadFailed`
    taken           files that an operator took away, by name
    """

    def __init__(self) -> None:
        self.operations = 0
        self.crash_at: int | None = None
        self.is_crashed = False
        self.capacity: int | None = None
        self.read_only_from: int | None = None
        self.failing_writes = 0
        self.failing_syncs = 0
        self.unreadable: set[tuple[str, int]] = set()
        self._cached: dict[str, PagedFile] = {}
        self._durable: dict[str, PagedFile] = {}
        self.taken: dict[str, PagedFile] = {}
        self._renamings: list[dict[str, PagedFile | None]] = []

    def end_process(self) -> None:
        """The process was killed; the cache, and what is pending, lives on."""
        self.crash_at, self.is_crashed = None, False

    def lose_power(self, draw: Draw) -> None:
        """From here on the disk is as it is found when the machine comes up again."""
        for file in {id(file): file for file in self._all_files()}.values():
            file.lose_power(draw)
        for change in self._renamings:
            if draw(2):
                _apply_names(change, self._durable)
        self._renamings.clear()
        self._cached = dict(self._durable)
        self.crash_at, self.is_crashed = None, False
        self.failing_syncs = 0

    @property
    def is_failing(self) -> bool:
        limits = self.capacity is not None or self.read_only_from is not None
        return limits or bool(self.failing_writes or self.failing_syncs)

    def heal(self) -> None:
        """No more errors; damage that was done stays."""
        self.capacity = self.read_only_from = self.crash_at = None
        self.failing_writes = self.failing_syncs = 0
        self.unreadable.clear()

    def flip(self, name: str, offset: int, bits: int = 1) -> None:
        """Damage: the byte at `offset` comes back otherwise from now on."""
        self.overwrite(name, offset, bytes([self._file(name).cache[offset] ^ bits]))

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        """Damage: a write meant for another place, or an old content, is found here."""
        self._file(name).overwrite(offset, data)

    def forget(self, name: str) -> None:
        """An operator took the file away, wherever he may have it now."""
        file = self._cached.pop(name, None)
        if file is not None:
            self.taken[name] = file
        self._durable.pop(name, None)
        for change in self._renamings:
            change.pop(name, None)

    def put_back(self, name: str) -> None:
        """An operator does, who took it away: it is there as it was then."""
        self._cached[name] = self._durable[name] = self.taken.pop(name)

    def used(self) -> int:
        return sum(len(file.cache) for file in self._cached.values())

    def unsynced(self, ending: str) -> list[str]:
        """The last file whose name ends so, if a power cut might take back bytes of it."""
        last = max((name for name in self._cached if name.endswith(ending)), default=None)
        return [last] if last is not None and self._cached[last].pending else []

    def picture(self) -> Hashable:
        """Equal where two disks hold the same: in the cache, on the medium, and on the way."""
        files = {id(file): file for file in self._all_files()}
        number = {known: place for place, known in enumerate(files)}
        listings: list[Mapping[str, PagedFile | None]]
        listings = [self._cached, self._durable, *self._renamings]
        names = [[(name, number.get(id(file))) for name, file in each.items()] for each in listings]
        return tuple(map(tuple, names)), tuple(file.picture() for file in files.values())

    def names(self) -> list[str]:
        return sorted(self._cached)

    def size(self, name: str) -> int:
        return len(self._file(name).cache)

    def read(self, name: str, offset: int, length: int) -> bytes:
        for bad, at in self.unreadable:
            if bad == name and offset <= at < offset + length:
                raise DiskReadFailed(f"{name}: input/output error at {at}")
        return self.content(name, offset, length)

    def is_durable(self, prefix: str, data: bytes) -> bool:
        """Whether a file whose name begins so holds these bytes, and no power cut takes them."""
        files = (file for name, file in self._durable.items() if name.startswith(prefix))
        return any(data in file.durable for file in files)

    def is_in_the_cache_alone(self, prefix: str, data: bytes) -> bool:
        """Whether a file whose name begins so holds these bytes until the power is cut."""
        if self.is_durable(prefix, data):
            return False
        files = (file for name, file in self._cached.items() if name.startswith(prefix))
        return any(data in file.cache for file in files)

    def content(self, name: str, offset: int, length: int) -> bytes:
        """What the medium holds there, whether or not it gives it back."""
        return bytes(self._file(name).cache[offset : offset + length])

    def create(self, name: str) -> None:
        self._begin()
        if name in self._cached:
            raise DiskWriteFailed(f"{name}: exists already")
        self._change_names({name: PagedFile()})

    def write(self, name: str, offset: int, data: bytes) -> None:
        self._begin()
        file = self._file(name)
        if self.failing_writes:
            self.failing_writes -= 1
            file.change(Write(offset, data[: len(data) // 2]))
            raise DiskWriteFailed(f"{name}: input/output error")
        fitting = self._fitting(file, offset, len(data))
        file.change(Write(offset, data[:fitting]))
        self._end()
        if fitting < len(data):
            raise DiskFull(f"{name}: no space left after {fitting} of {len(data)} bytes")

    def truncate(self, name: str, size: int) -> None:
        self._begin()
        self._file(name).change(Truncate(size))
        self._end()

    def sync(self, name: str) -> None:
        self.operations += 1
        file = self._file(name)
        self._end()
        if self.failing_syncs:
            self.failing_syncs -= 1
            file.pending.clear()
            raise SyncFailed(f"{name}: input/output error")
        file.flush()

    def rename(self, old: str, new: str) -> None:
        self._begin()
        self._change_names({old: None, new: self._file(old)})

    def remove(self, name: str) -> None:
        self._begin()
        self._file(name)
        self._change_names({name: None})

    def sync_directory(self, prefix: str = "") -> None:
        """Of the names that begin with `prefix` and have no "/" behind it."""
        self.operations += 1
        self._end()
        if self.failing_syncs:
            self.failing_syncs -= 1
            raise SyncFailed("the directory: input/output error")
        later: list[dict[str, PagedFile | None]] = []
        for change in self._renamings:
            if all(_is_in(prefix, name) for name in change):
                _apply_names(change, self._durable)
            else:
                later.append(change)
        self._renamings = later

    def close(self) -> None:
        pass

    def _begin(self) -> None:
        self.operations += 1
        if self.read_only_from is not None and self.operations >= self.read_only_from:
            raise DiskReadOnly("the file system is read-only")

    def _end(self) -> None:
        if self.operations == self.crash_at:
            self.is_crashed = True
            raise PowerCut(f"operation {self.operations}")

    def _change_names(self, change: dict[str, PagedFile | None]) -> None:
        if self.failing_writes:
            self.failing_writes -= 1
            raise DiskWriteFailed(f"{', '.join(change)}: input/output error")
        _apply_names(change, self._cached)
        self._renamings.append(change)
        self._end()

    def _fitting(self, file: PagedFile, offset: int, length: int) -> int:
        if self.capacity is None:
            return length
        free = max(0, self.capacity - self.used())
        return max(0, min(length, len(file.cache) + free - offset))

    def _file(self, name: str) -> PagedFile:
        file = self._cached.get(name)
        if file is None:
            raise FileMissing(f"{name}: no such file")
        return file

    def _all_files(self) -> Iterator[PagedFile]:
        yield from self._cached.values()
        yield from self._durable.values()
        for change in self._renamings:
            yield from (file for file in change.values() if file is not None)


class Directory:
    """Implements `storage.Disk`: the files of a disk whose names are `prefix` and a last part."""

    def __init__(self, disk: SimulatedDisk, prefix: str) -> None:
        self._disk = disk
        self._prefix = prefix

    def names(self) -> list[str]:
        inside = (name for name in self._disk.names() if _is_in(self._prefix, name))
        return [name[len(self._prefix) :] for name in inside]

    def size(self, name: str) -> int:
        return self._disk.size(self._prefix + name)

    def read(self, name: str, offset: int, length: int) -> bytes:
        return self._disk.read(self._prefix + name, offset, length)

    def create(self, name: str) -> None:
        self._disk.create(self._prefix + name)

    def write(self, name: str, offset: int, data: bytes) -> None:
        self._disk.write(self._prefix + name, offset, data)

    def truncate(self, name: str, size: int) -> None:
        self._disk.truncate(self._prefix + name, size)

    def sync(self, name: str) -> None:
        self._disk.sync(self._prefix + name)

    def rename(self, old: str, new: str) -> None:
        self._disk.rename(self._prefix + old, self._prefix + new)

    def remove(self, name: str) -> None:
        self._disk.remove(self._prefix + name)

    def sync_directory(self) -> None:
        self._disk.sync_directory(self._prefix)

    def close(self) -> None:
        self._disk.close()


def _is_in(prefix: str, name: str) -> bool:
    return name.startswith(prefix) and "/" not in name[len(prefix) :]


def _apply_names(change: dict[str, PagedFile | None], names: dict[str, PagedFile]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
