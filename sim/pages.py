"""One file of a simulated disk: what a process sees, what is durable, and what lies between.

Of a write that was not synced a power cut leaves any part: none, all, a beginning, an end, both
without the middle, single sectors of 512 or 4096 bytes, or zeros where a file system had made
room only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from msgspec import Struct

Draw = Callable[[int], int]
"""`draw(n)` is one of 0 … n−1: a seeded random generator, or a constant."""

SECTORS = (512, 4096)


class Write(Struct, frozen=True):
    offset: int
    data: bytes

    def apply(self, content: bytearray) -> None:
        if self.offset > len(content):
            content.extend(bytes(self.offset - len(content)))
        content[self.offset : self.offset + len(self.data)] = self.data

    def survivor(self, draw: Draw) -> Iterator[Write]:
        match draw(7):
            case 0:
                pass
            case 1:
                yield self
            case 2:
                yield self._part(0, draw(len(self.data) + 1))
            case 3:
                yield self._part(draw(len(self.data) + 1), len(self.data))
            case 4:
                first, second = sorted((draw(len(self.data) + 1), draw(len(self.data) + 1)))
                yield self._part(0, first)
                yield self._part(second, len(self.data))
            case 5:
                yield from self._sectors(SECTORS[draw(len(SECTORS))], draw)
            case _:
                yield Write(self.offset, bytes(len(self.data)))

    def _part(self, start: int, end: int) -> Write:
        return Write(self.offset + start, self.data[start:end])

    def _sectors(self, size: int, draw: Draw) -> Iterator[Write]:
        start = 0
        while start < len(self.data):
            end = min(len(self.data), start + size - (self.offset + start) % size)
            if draw(2):
                yield self._part(start, end)
            start = end


class Truncate(Struct, frozen=True):
    size: int

    def apply(self, content: bytearray) -> None:
        del content[self.size :]

    def survivor(self, draw: Draw) -> Iterator[Truncate]:
        if draw(2):
            yield self


@dataclass(slots=True)
class PagedFile:
    """`pending` leads from `durable` to what a sync would make durable."""

    cache: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)

    def __deepcopy__(self, memo: dict[int, object]) -> PagedFile:
        """What copy.deepcopy does, at a tenth of its price."""
        return PagedFile(bytearray(self.cache), bytearray(self.durable), list(self.pending))

    def picture(self) -> Hashable:
        return bytes(self.cache), bytes(self.durable), tuple(self.pending)

    def change(self, change: Write | Truncate) -> None:
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

    def overwrite(self, offset: int, data: bytes) -> None:
        """Damage of the medium: it is there for all who read, and no sync repairs it."""
        for content in (self.cache, self.durable):
            end = min(len(content), offset + len(data))
            if end > offset:
                content[offset:end] = data[: end - offset]
