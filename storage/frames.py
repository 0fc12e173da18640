"""Frames: the unit in which a segment of the log or a pack of blobs is written and checked.

    +0      u8   type; 0 is never valid, so zeroed blocks are no frames
    +1      3    marker D7 73 62, by which a reader finds the next frame after damage
    +4      u32  length n of the payload
    +8      n    payload
    +8+n    u32  CRC-32C over: file id (16), offset of the frame in the file (u64), bytes +0 to +8+n

All integers are little-endian. The file id and the offset are not stored in the frame: a frame
that landed in another file or at another place does not verify.

A record's payload is actor (16), seq (u64), chain (32), data. A mark ends a batch:

    number u64, synced u64, start u64, records u32, sum u32

`number` counts batches for ever, `synced` is the last batch known synced when the mark was
written, `start` is the offset of the batch's first frame, `records` how many it has, `sum`
the CRC-32 (zlib's) of all its bytes before the mark: a batch counts as a whole or not at all. It
is not CRC-32C: bytes that end in their own CRC have a CRC of the same polynomial that depends on
their length alone, and would say nothing about the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from crc32c import crc32c

from crdt import RECORD_BYTES_MAX, Record
from storage.errors import Damaged
from storage.range_crc import RangeCrc

RECORD: Final = 1
MARK: Final = 2
BASE: Final = 3
INDEX: Final = 4
OFFSETS: Final = 5
BLOB: Final = 6
TOOK: Final = 7
BEGINNING: Final = 8
BLOCK: Final = 9
END: Final = 10

MARKER: Final = b"\xd7sb"
FRAME_BYTES: Final = 12
RECORD_HEAD_BYTES: Final = 56
FRAME_PAYLOAD_MAX: Final = 256 << 20
"""Only bases come near it: with the square of the number of actors, for each head names those that
were there before. So many as one greeting names (comm) take half of it."""
RECORD_FRAME_MAX: Final = FRAME_BYTES + RECORD_HEAD_BYTES + RECORD_BYTES_MAX

_CRC = Struct("<I")
_OFFSET = Struct("<Q")
_HEAD = Struct("<B3sI")
_PLACED_HEAD = Struct("<QB3sI")
_RECORD_HEAD = Struct("<B3sI16sQ32s")
_PLACED_RECORD_HEAD = Struct("<QB3sI16sQ32s")
_MARK = Struct("<QQQII")


class Mark(NamedTuple):
    number: int
    synced: int
    start: int
    records: int
    sum: int


class Frame(NamedTuple):
    """A frame that verified: its type, and where in the file it starts and ends."""

    type: int
    start: int
    end: int


def seed_of(file_id: bytes) -> int:
    """Where the checksum of every frame of one file starts."""
    return crc32c(file_id)


def encode_frame(type: int, payload: bytes, *, offset: int, seed: int) -> bytes:
    assert len(payload) <= FRAME_PAYLOAD_MAX, f"a payload of {len(payload)} bytes"
    head = _PLACED_HEAD.pack(offset, type, MARKER, len(payload))
    crc = crc32c(payload, crc32c(head, seed))
    return b"".join((head[8:], payload, _CRC.pack(crc)))


def encode_batch(
    records: Sequence[Record], *, number: int, synced: int, offset: int, seed: int
) -> bytes:
    """The frames of one batch, its mark at the end, to be written at `offset` in one write."""
    parts: list[bytes] = []
    add, pack_head, pack_crc = parts.append, _PLACED_RECORD_HEAD.pack, _CRC.pack
    place = offset
    for actor, seq, chain, data in records:
        size = len(data)
        assert size <= RECORD_BYTES_MAX, f"record {actor.hex()[:8]}:{seq} has {size} bytes"
        head = pack_head(place, RECORD, MARKER, RECORD_HEAD_BYTES + size, actor, seq, chain)
        add(head[8:])
        add(data)
        add(pack_crc(crc32c(data, crc32c(head, seed))))
        place += FRAME_BYTES + RECORD_HEAD_BYTES + size
    body = b"".join(parts)
    mark = _MARK.pack(number, synced, offset, len(records), batch_sum(body))
    return body + encode_frame(MARK, mark, offset=place, seed=seed)


def encode_blobs(
    blobs: Mapping[bytes, bytes], *, offset: int, seed: int
) -> tuple[bytes, dict[bytes, int]]:
    """The frames of blobs by hash, to be written at `offset`; and where each of them lies."""
    parts: list[bytes] = []
    places: dict[bytes, int] = {}
    for hash_, data in blobs.items():
        assert len(data) <= FRAME_PAYLOAD_MAX - len(hash_), f"a blob of {len(data)} bytes"
        head = _PLACED_HEAD.pack(offset, BLOB, MARKER, len(hash_) + len(data))
        crc = crc32c(data, crc32c(hash_, crc32c(head, seed)))
        parts += (head[8:], hash_, data, _CRC.pack(crc))
        places[hash_] = offset
        offset += FRAME_BYTES + len(hash_) + len(data)
    return b"".join(parts), places


def batch_sum(body: bytes | memoryview) -> int:
    return crc32(body)


def decode_records(buffer: bytes, *, offset: int, seed: int) -> tuple[list[Record], int]:
    """The records at the start of `buffer`, which lies at `offset` of its file.

    Returns them with the number of bytes used: up to the first frame that the buffer cuts.
    Raises `Damaged` at the first frame that does not verify.
    """
    records: list[Record] = []
    add, view, make = records.append, memoryview(buffer), Record._make
    unpack_head, pack_offset, crc_at = _RECORD_HEAD.unpack_from, _OFFSET.pack, _CRC.unpack_from
    at, end = 0, len(buffer)
    while at + FRAME_BYTES + RECORD_HEAD_BYTES <= end:
        type, marker, length, actor, seq, chain = unpack_head(buffer, at)
        if type != RECORD:
            after = _after_mark(buffer, at, offset=offset, seed=seed)
            if after is None:
                break
            at = after
            continue
        stop = at + 8 + length
        if marker != MARKER or not 0 <= length - RECORD_HEAD_BYTES <= RECORD_BYTES_MAX:
            raise _damaged(offset + at, "no frame begins here")
        if stop + 4 > end:
            return records, at
        if crc32c(view[at:stop], crc32c(pack_offset(offset + at), seed)) != crc_at(buffer, stop)[0]:
            raise _damaged(offset + at, "the checksum of this record does not hold")
        add(make((actor, seq, chain, buffer[at + 64 : stop])))
        at = stop + 4
    while (after := _after_mark(buffer, at, offset=offset, seed=seed)) is not None:
        at = after
    return records, at


def decode_records_of(
    wanted: bytes, first: int, buffer: bytes, *, offset: int, seed: int
) -> tuple[list[Record], int]:
    """As `decode_records`, but only those of actor `wanted` from seq `first` on.

    The frames of others are stepped over unverified: were a length among them wrong, the step
    would not land on a frame, or the wanted seq would not be found.
    """
    records: list[Record] = []
    unpack_head = _RECORD_HEAD.unpack_from
    at, end = 0, len(buffer)
    while at + FRAME_BYTES + RECORD_HEAD_BYTES <= end:
        type, marker, length, actor, seq, chain = unpack_head(buffer, at)
        limit = RECORD_HEAD_BYTES + RECORD_BYTES_MAX if type == RECORD else _MARK.size
        if marker != MARKER or type not in (RECORD, MARK) or length > limit:
            raise _damaged(offset + at, "no frame begins here")
        stop = at + 8 + length
        if stop + 4 > end:
            return records, at
        if type == RECORD and actor == wanted and seq >= first:
            if not _verifies(buffer, at, stop, offset=offset, seed=seed):
                raise _damaged(offset + at, "the checksum of this record does not hold")
            records.append(Record(actor, seq, chain, buffer[at + 64 : stop]))
        at = stop + 4
    while (after := _after_mark(buffer, at, offset=offset, seed=seed)) is not None:
        at = after
    return records, at


def scan(buffer: bytes, start: int, *, seed: int) -> Iterator[Frame]:
    """Every frame of a whole file that verifies, from `start` on, whatever lies between them.

    Damaged contents may be full of what a stranger made look like heads of long frames.
    """
    at, ranges = start, RangeCrc(buffer, start)
    while at < len(buffer):
        frame = _frame_at(buffer, at, ranges, seed=seed)
        if frame is not None:
            yield frame
            at = frame.end
            continue
        found = buffer.find(MARKER, at + 2)
        at = found - 1 if found >= 0 else len(buffer)


def readable_records(buffer: bytes, start: int, end: int, *, seed: int) -> list[Record]:
    """The records between two offsets of a whole file, whatever lies between them."""
    frames = takewhile(lambda frame: frame.end <= end, scan(buffer, start, seed=seed))
    return [record_in(buffer, frame) for frame in frames if frame.type == RECORD]


def frame_payload(buffer: bytes, frame: Frame) -> bytes:
    return buffer[frame.start + 8 : frame.end - 4]


def record_in(buffer: bytes, frame: Frame) -> Record:
    """The record of a frame of type `RECORD` found by `scan`."""
    _, _, _, actor, seq, chain = _RECORD_HEAD.unpack_from(buffer, frame.start)
    return Record(actor, seq, chain, buffer[frame.start + 64 : frame.end - 4])


def mark_in(buffer: bytes, frame: Frame) -> Mark:
    """The mark of a frame of type `MARK` found by `scan`."""
    return Mark._make(_MARK.unpack_from(buffer, frame.start + 8))


def decode_frame(buffer: bytes, type: int, *, offset: int, seed: int) -> bytes:
    """The payload of the one frame that `buffer` is and that lies at `offset` of its file."""
    if len(buffer) >= FRAME_BYTES:
        found, marker, length = _HEAD.unpack_from(buffer, 0)
        whole = found == type and marker == MARKER and length == len(buffer) - FRAME_BYTES
        if whole and _verifies(buffer, 0, len(buffer) - 4, offset=offset, seed=seed):
            return buffer[8:-4]
    raise _damaged(offset, f"no frame of type {type} is here")


def frame_length(head: bytes) -> int | None:
    """Bytes of the frame whose first 8 bytes are `head`; None where they begin no frame."""
    if len(head) < 8:
        return None
    fields: tuple[int, bytes, int] = _HEAD.unpack_from(head, 0)
    type, marker, length = fields
    valid = type != 0 and marker == MARKER and length <= FRAME_PAYLOAD_MAX
    return FRAME_BYTES + length if valid else None


def _frame_at(buffer: bytes, at: int, ranges: RangeCrc, *, seed: int) -> Frame | None:
    if at + FRAME_BYTES > len(buffer):
        return None
    type, marker, length = _HEAD.unpack_from(buffer, at)
    stop = at + 8 + length
    if type == 0 or marker != MARKER or length > FRAME_PAYLOAD_MAX or stop + 4 > len(buffer):
        return None
    if not _well_sized(type, length):
        return None
    crc = ranges.extend(crc32c(_OFFSET.pack(at), seed), at, stop)
    return Frame(type, at, stop + 4) if crc == _CRC.unpack_from(buffer, stop)[0] else None


def _well_sized(type: int, length: int) -> bool:
    if type == RECORD:
        return RECORD_HEAD_BYTES <= length <= RECORD_HEAD_BYTES + RECORD_BYTES_MAX
    return length == _MARK.size if type == MARK else True


def _after_mark(buffer: bytes, at: int, *, offset: int, seed: int) -> int | None:
    """Where the mark at `at` ends; None where the buffer cuts the frame there. Raises `Damaged`."""
    if at + 8 > len(buffer):
        return None
    type, marker, length = _HEAD.unpack_from(buffer, at)
    if marker != MARKER or type not in (RECORD, MARK):
        raise _damaged(offset + at, "no frame begins here")
    stop = at + 8 + length
    if type == MARK and length != _MARK.size:
        raise _damaged(offset + at, f"a mark of {length} bytes, not {_MARK.size}")
    if type == RECORD or stop + 4 > len(buffer):
        return None
    if not _verifies(buffer, at, stop, offset=offset, seed=seed):
        raise _damaged(offset + at, "the checksum of this mark does not hold")
    return int(stop) + 4


def _verifies(buffer: bytes, at: int, stop: int, *, offset: int, seed: int) -> bool:
    seeded = crc32c(_OFFSET.pack(offset + at), seed)
    found: int = _CRC.unpack_from(buffer, stop)[0]
    return crc32c(memoryview(buffer)[at:stop], seeded) == found


def _damaged(offset: int, what: str) -> Damaged:
    return Damaged(f"offset {offset}: {what}")
