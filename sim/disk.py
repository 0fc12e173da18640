"""A disk in memory that fails as real ones do, on request and repeatably.

It keeps two pictures: what a running process sees (the page cache) and what is durable. A change
is durable once its file, or the directory for a change of names, was synced. A power cut keeps
of the rest what `draw` says: every change may survive, be lost, or survive in part, whatever
happened to the changes before and after it. A process that merely dies loses nothing of the cache.

A sync that fails leaves the cache as it is and drops the changes: they read well, no later sync
writes them, and a power cut shows that they are gone. This is what Linux does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from storage import (
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    DiskWriteFailed,
    FileMissing,
    SyncFailed,
)

Draw = Callable[[int], int]
"""`draw(n)` is one of 0 … n−1: a seeded random generator, or a constant."""


def lose_all(choices: int) -> int:
    return 0


def keep_all(choices: int) -> int:
    return min(1, choices - 1)


class PowerCut(Exception):
    """The machine lost power during the operation that was asked for by `crash_at`."""


@dataclass(frozen=True, slots=True)
class _Write:
    offset: int
    data: bytes

    def apply(self, content: bytearray) -> None:
        if self.offset > len(content):
            content.extend(bytes(self.offset - len(content)))
        content[self.offset : self.offset + len(self.data)] = self.data

    def survivor(self, draw: Draw) -> Iterator[_Write]:
        match draw(6):
            case 0:
                pass
            case 1:
                yield self
            case 2:
                yield _Write(self.offset, self.data[: draw(len(self.data) + 1)])
            case 3:
                cut = draw(len(self.data) + 1)
                yield _Write(self.offset + cut, self.data[cut:])
            case 4:
                first, second = sorted((draw(len(self.data) + 1), draw(len(self.data) + 1)))
                yield _Write(self.offset, self.data[:first])
                yield _Write(self.offset + second, self.data[second:])
            case _:
                yield _Write(self.offset, bytes(len(self.data)))


@dataclass(frozen=True, slots=True)
class _Truncate:
    size: int

    def apply(self, content: bytearray) -> None:
        del content[self.size :]

    def survivor(self, draw: Draw) -> Iterator[_Truncate]:
        if draw(2):
            yield self


@dataclass(slots=True)
class _File:
    """`pending` leads from `durable` to what a sync would make durable."""

    cache: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Write | _Truncate] = field(default_factory=list)

    def change(self, change: _Write | _Truncate) -> None:
        change.apply(self.cache)
        self.pending.append(change)

    def flush(self) -> None:
        for change in self.pending:
            change.apply(self.durable)
        self.pending.clear()

    def lose_power(self, draw: Draw) -> None:
        for change in self.pending:
            for survivor in change.survivor(draw):
                survivor.apply(self.durable)
        self.pending.clear()
        self.cache = bytearray(self.durable)


class SimulatedDisk:
    """Implements `storage.Disk`. Counts in `operations` the calls that change or sync something.

    crash_at        `PowerCut` is raised during the operation that has this number; then call
                    `lose_power`, or `end_process` if it was only the process that died
    capacity        bytes that the files may have together; `DiskFull` beyond, after a part was
                    written; None is no limit
    read_only_from  every change from the operation with this number on raises `DiskReadOnly`
    failing_writes  so many of the next writes raise `DiskWriteFailed`
    failing_syncs   so many of the next syncs raise `SyncFailed`
    unreadable      (name, offset): reading across it raises `DiskReadFailed`
    """

    def __init__(self) -> None:
        self.operations = 0
        self.crash_at: int | None = None
        self.capacity: int | None = None
        self.read_only_from: int | None = None
        self.failing_writes = 0
        self.failing_syncs = 0
        self.unreadable: set[tuple[str, int]] = set()
        self._cached: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._renamings: list[dict[str, _File | None]] = []

    def end_process(self) -> None:
        """The process was killed; the cache, and what is pending, lives on."""
        self.crash_at = None

    def lose_power(self, draw: Draw) -> None:
        """From here on the disk is as it is found when the machine comes up again."""
        for file in {id(file): file for file in self._all_files()}.values():
            file.lose_power(draw)
        for change in self._renamings:
            if draw(2):
                _apply_names(change, self._durable)
        self._renamings.clear()
        self._cached = dict(self._durable)
        self.crash_at = None
        self.failing_syncs = 0

    def flip(self, name: str, offset: int, bits: int = 1) -> None:
        """Damage: the byte at `offset` comes back otherwise from now on."""
        file = self._file(name)
        file.cache[offset] ^= bits
        file.durable[offset] ^= bits

    def names(self) -> list[str]:
        return sorted(self._cached)

    def size(self, name: str) -> int:
        return len(self._file(name).cache)

    def read(self, name: str, offset: int, length: int) -> bytes:
        for bad, at in self.unreadable:
            if bad == name and offset <= at < offset + length:
                raise DiskReadFailed(f"{name}: input/output error at {at}")
        return bytes(self._file(name).cache[offset : offset + length])

    def create(self, name: str) -> None:
        self._begin()
        if name in self._cached:
            raise DiskWriteFailed(f"{name}: exists already")
        self._change_names({name: _File()})

    def write(self, name: str, offset: int, data: bytes) -> None:
        self._begin()
        file = self._file(name)
        if self.failing_writes:
            self.failing_writes -= 1
            raise DiskWriteFailed(f"{name}: input/output error")
        fitting = self._fitting(file, offset, len(data))
        file.change(_Write(offset, data[:fitting]))
        self._end()
        if fitting < len(data):
            raise DiskFull(f"{name}: no space left after {fitting} of {len(data)} bytes")

    def truncate(self, name: str, size: int) -> None:
        self._begin()
        self._file(name).change(_Truncate(size))
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

    def sync_directory(self) -> None:
        self.operations += 1
        self._end()
        if self.failing_syncs:
            self.failing_syncs -= 1
            raise SyncFailed("the directory: input/output error")
        for change in self._renamings:
            _apply_names(change, self._durable)
        self._renamings.clear()

    def close(self) -> None:
        pass

    def _begin(self) -> None:
        self.operations += 1
        if self.read_only_from is not None and self.operations >= self.read_only_from:
            raise DiskReadOnly("the file system is read-only")

    def _end(self) -> None:
        if self.operations == self.crash_at:
            raise PowerCut(f"operation {self.operations}")

    def _change_names(self, change: dict[str, _File | None]) -> None:
        _apply_names(change, self._cached)
        self._renamings.append(change)
        self._end()

    def _fitting(self, file: _File, offset: int, length: int) -> int:
        if self.capacity is None:
            return length
        used = sum(len(other.cache) for other in self._cached.values())
        free = max(0, self.capacity - used)
        return max(0, min(length, len(file.cache) + free - offset))

    def _file(self, name: str) -> _File:
        file = self._cached.get(name)
        if file is None:
            raise FileMissing(f"{name}: no such file")
        return file

    def _all_files(self) -> Iterator[_File]:
        yield from self._cached.values()
        yield from self._durable.values()
        for change in self._renamings:
            yield from (file for file in change.values() if file is not None)


def _apply_names(change: dict[str, _File | None], names: dict[str, _File]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
