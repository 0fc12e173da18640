"""One segment of the log as a reader sees it, and how its records are read back.

    [header] [base frame] [zeros] [the header again] [batches …]
    [index frame] [offsets frame] [trailer]

The header stands twice, the second time at the next multiple of 4096, so that one lost sector
does not hide the id without which no frame verifies. Index, offsets and trailer are there only
once the segment is sealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from crdt import Record
from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed
from storage.files import FileName
from storage.frames import (
    BASE,
    INDEX,
    OFFSETS,
    RECORD_FRAME_MAX,
    decode_frame,
    decode_records,
    decode_records_of,
    frame_length,
    readable_records,
    seed_of,
)
from storage.header import HEADER_BYTES_MAX, LOG_MAGIC, Header, decode_header, header_length
from storage.index import (
    TRAILER_BYTES,
    Base,
    Index,
    Offsets,
    Trailer,
    decode_part,
    decode_trailer,
    floor,
)

CHUNK_BYTES = 256 << 10
"""Read at a time; small enough to stay in the processor's cache."""
SECTOR_BYTES = 4096
"""What a disk loses at a time, at most; of two copies of a header, one is in another sector."""


def next_sector(offset: int) -> int:
    return -(-offset // SECTOR_BYTES) * SECTOR_BYTES


class State(Enum):
    SEALED = "sealed"
    TAIL = "tail"
    DAMAGED = "damaged"


@dataclass(slots=True, kw_only=True)
class Segment:
    """`start` to `end` are the offsets of the batches; a tail's `end` grows."""

    name: FileName
    id: bytes
    state: State
    start: int
    end: int
    header_bytes: int
    records: int
    trailer: Trailer | None = None

    @property
    def number(self) -> int:
        return self.name.number

    @property
    def seed(self) -> int:
        return seed_of(self.id)


def read_header(disk: Disk, name: FileName) -> tuple[Header, int]:
    """The first header of a segment, and its length. Raises `TooNew`, `Damaged`."""
    buffer = disk.read(name.text, 0, HEADER_BYTES_MAX)
    where = name.text
    header = decode_header(buffer, LOG_MAGIC, where)
    return header, header_length(buffer, LOG_MAGIC, where)


def read_trailer(disk: Disk, name: FileName) -> Trailer | None:
    """None where the file does not end in one that can be read."""
    size = disk.size(name.text)
    if size < TRAILER_BYTES:
        return None
    try:
        buffer = disk.read(name.text, size - TRAILER_BYTES, TRAILER_BYTES)
    except DiskReadFailed:
        return None
    return decode_trailer(buffer, size=size)


def read_base(disk: Disk, name: FileName, id: bytes, header_bytes: int) -> tuple[Base, int]:
    """The base, and the offset of the first batch. Raises `Damaged`."""
    payload, end = _read_frame(disk, name, id, BASE, header_bytes)
    return decode_part(payload, Base, name.text), next_sector(end) + header_bytes


def read_index(disk: Disk, name: FileName, trailer: Trailer) -> Index:
    """Raises `Damaged`."""
    payload, _ = _read_frame(disk, name, trailer.id, INDEX, trailer.index_at)
    return decode_part(payload, Index, name.text)


def read_offsets(disk: Disk, segment: Segment) -> Offsets:
    """Raises `Damaged`."""
    assert segment.trailer is not None, f"{segment.name.text} is not sealed"
    payload, _ = _read_frame(disk, segment.name, segment.id, OFFSETS, segment.trailer.offsets_at)
    return decode_part(payload, Offsets, segment.name.text)


def records_of_segment(disk: Disk, segment: Segment) -> Iterator[list[Record]]:
    """All records in the order of the file, in lists. Raises `Damaged`, `DiskReadFailed`."""
    if segment.state is State.DAMAGED:
        yield _readable(disk, segment)
        return
    for buffer, at in _chunks(disk, segment, segment.start):
        records, used = decode_records(buffer, offset=at[0], seed=segment.seed)
        at[0] += used
        yield records


def records_of_actor(
    disk: Disk, segment: Segment, offsets: Offsets, actor: bytes, first: int
) -> Iterator[list[Record]]:
    """The records of `actor` from seq `first` on, in lists. Raises `Damaged`, `DiskReadFailed`."""
    if segment.state is State.DAMAGED:
        whole = _readable(disk, segment)
        yield [record for record in whole if record.actor == actor and record.seq >= first]
        return
    start = floor(offsets.actors.get(actor, []), first)
    if start is None:
        raise Damaged(f"the index of {segment.name.text} does not name {actor.hex()[:8]}:{first}")
    for buffer, at in _chunks(disk, segment, start):
        records, used = decode_records_of(actor, first, buffer, offset=at[0], seed=segment.seed)
        at[0] += used
        yield records


def read_whole(disk: Disk, name: FileName) -> bytes:
    """A whole file of at most a segment's size; sectors that cannot be read come back as zeros."""
    parts: list[bytes] = []
    size = disk.size(name.text)
    for at in range(0, size, CHUNK_BYTES):
        length = min(CHUNK_BYTES, size - at)
        try:
            parts.append(disk.read(name.text, at, length))
        except DiskReadFailed:
            parts.append(_salvaged(disk, name.text, at, length))
    return b"".join(parts)


def _readable(disk: Disk, segment: Segment) -> list[Record]:
    buffer = read_whole(disk, segment.name)
    return readable_records(buffer, 0, len(buffer), seed=segment.seed)


def _chunks(disk: Disk, segment: Segment, start: int) -> Iterator[tuple[bytes, list[int]]]:
    """Buffers with the place they start at, which the receiver moves to where it got to."""
    at, length, end = [start], CHUNK_BYTES, segment.end
    while at[0] < end:
        before = at[0]
        yield disk.read(segment.name.text, before, min(length, end - before)), at
        if at[0] > before:
            length = CHUNK_BYTES
        elif length > CHUNK_BYTES:
            raise Damaged(f"offset {before}: the frame there runs past the end at {end}")
        else:
            length = RECORD_FRAME_MAX


def _read_frame(disk: Disk, name: FileName, id: bytes, type: int, at: int) -> tuple[bytes, int]:
    length = frame_length(disk.read(name.text, at, 8))
    if length is None or at + length > disk.size(name.text):
        raise Damaged(f"{name.text}, offset {at}: no frame begins here")
    buffer = disk.read(name.text, at, length)
    return decode_frame(buffer, type, offset=at, seed=seed_of(id)), at + length


def _salvaged(disk: Disk, name: str, start: int, length: int) -> bytes:
    parts: list[bytes] = []
    for at in range(start, start + length, SECTOR_BYTES):
        wanted = min(SECTOR_BYTES, start + length - at)
        try:
            parts.append(disk.read(name, at, wanted))
        except DiskReadFailed:
            parts.append(bytes(wanted))
    return b"".join(parts)
