"""The segment that is written to: one write and one fdatasync per batch, sealed when it is full."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

from crdt import Record
from storage.appending import FileEnd
from storage.coverage import Run
from storage.disk import Disk
from storage.errors import DiskFull, DiskReadOnly
from storage.files import NEW, FileName, publish, remove_if_there
from storage.frames import BASE, INDEX, OFFSETS, encode_batch, encode_frame, seed_of
from storage.header import Header, encode_header
from storage.index import (
    ActorIndex,
    Base,
    Index,
    Offsets,
    Tip,
    Trailer,
    encode_part,
    encode_trailer,
)
from storage.segment import SECTOR_BYTES, Segment, State, next_sector

OFFSET_SPACING_BYTES = 64 << 10
"""Bytes of a segment between two entries of an actor: what a read steps over at most, about."""


class Tail:
    """Owns the end of the file. `segment` is how readers see it, up to the last batch synced."""

    def __init__(self, disk: Disk, header: Header, segment: Segment) -> None:
        self.segment = segment
        self.offsets = Offsets({})
        self.last_batch = header.first_batch - 1
        self._disk = disk
        self._end = FileEnd(disk, segment.end)
        self._unsynced_records = 0
        self._runs: dict[bytes, list[tuple[int, int]]] = {}

    @classmethod
    def create(cls, disk: Disk, header: Header, base: Base) -> Tail:
        """A file that has no name yet that a reader looks at; `publish` gives it one."""
        name = FileName("log", header.number, NEW)
        remove_if_there(disk, name)
        try:
            disk.create(name.text)
            opening, header_bytes = encode_opening(header, base)
            disk.write(name.text, 0, opening)
        except (DiskFull, DiskReadOnly):
            remove_if_there(disk, name)
            raise
        segment = Segment(
            name=name,
            id=header.id,
            state=State.TAIL,
            start=len(opening),
            end=len(opening),
            header_bytes=header_bytes,
            records=0,
        )
        return cls(disk, header, segment)

    def has_room(self, size: int, segment_bytes: int) -> bool:
        """Whether `size` bytes fit in `segment_bytes`; or, where the base is long, as it is after
        many lives of nodes, in twice the base: else each batch would have a segment of its own."""
        base = self.segment.start - SECTOR_BYTES
        return self.segment.end + size <= max(segment_bytes, 2 * base)

    def settle(self, header: Header) -> None:
        """Writes the header that holds when the file gets its name; same length as the first."""
        opening = encode_header(header)
        assert len(opening) == self.segment.header_bytes, "a header of another length"
        assert self.segment.name.state == NEW, "the header of a named file never changes"
        for at in (0, self.segment.start - len(opening)):
            self._disk.write(self.segment.name.text, at, opening)

    def publish(self) -> None:
        self.segment.name = publish(self._disk, self.segment.name, state="segment")
        self._show_written()

    def write(self, records: Sequence[Record], runs: Sequence[Run], *, synced: int) -> None:
        """Writes one batch; readers see it after `sync`. `runs` say which records they are.

        After `DiskFull` and `DiskReadOnly` the file is as before: no mark of this batch was whole.
        """
        at = self._end.at
        batch = encode_batch(
            records,
            number=self.last_batch + 1,
            synced=synced,
            offset=at,
            seed=self.segment.seed,
        )
        self._end.append(self.segment.name, batch)
        self._note(runs, at)
        self.last_batch += 1
        self._unsynced_records += len(records)

    def sync(self) -> None:
        self._disk.sync(self.segment.name.text)
        self._show_written()

    def _show_written(self) -> None:
        self.segment.end = self._end.at
        self.segment.records += self._unsynced_records
        self._unsynced_records = 0

    def seal(self, tips: Mapping[bytes, Tip]) -> Index:
        """Writes index, offsets and trailer, and syncs them. All batches must be synced.

        Raises as `write` does.
        """
        assert self.segment.end == self._end.at, "unsynced batches cannot be sealed"
        segment, seed = self.segment, self.segment.seed
        index = Index(
            self.last_batch,
            segment.records,
            {actor: ActorIndex(tuple(runs), tips[actor]) for actor, runs in self._runs.items()},
        )
        at = segment.end
        summary = encode_frame(INDEX, encode_part(index), offset=at, seed=seed)
        at += len(summary)
        places = encode_frame(OFFSETS, encode_part(self.offsets), offset=at, seed=seed)
        size = at + len(places) + len(encode_trailer(Trailer(segment.id, 0, 0, 0)))
        trailer = Trailer(segment.id, segment.end, at, size)
        self._end.append(segment.name, summary + places + encode_trailer(trailer))
        self._disk.sync(segment.name.text)
        segment.trailer = trailer
        segment.state = State.SEALED
        return index

    def _note(self, runs: Sequence[Run], start: int) -> None:
        for actor, span, _ in runs:
            known = self._runs.setdefault(actor, [])
            entries = self.offsets.actors.setdefault(actor, [])
            joined = bool(known) and known[-1][1] + 1 == span.first
            if joined:
                known[-1] = (known[-1][0], span.last)
            else:
                known.append((span.first, span.last))
            if not joined or start - entries[-1][1] >= OFFSET_SPACING_BYTES:
                insort(entries, (span.first, start))


def encode_opening(header: Header, base: Base) -> tuple[bytes, int]:
    """Header, base, zeros up to the next sector and header again; and the length of one header."""
    encoded = encode_header(header)
    frame = encode_frame(BASE, encode_part(base), offset=len(encoded), seed=seed_of(header.id))
    first = encoded + frame
    return first.ljust(next_sector(len(first)), b"\0") + encoded, len(encoded)
