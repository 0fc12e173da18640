"""A log, printed readably: every segment with its header, base, batches, marks, records, damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from crdt import Record
from storage.disk import Disk
from storage.errors import Damaged
from storage.files import NEW, FileName, parse_name
from storage.frames import (
    BASE,
    INDEX,
    MARK,
    OFFSETS,
    RECORD,
    Frame,
    frame_payload,
    mark_in,
    record_in,
    scan,
    seed_of,
)
from storage.header import LOG_MAGIC, NO_ID, Header, find_header
from storage.index import TRAILER_BYTES, Base, Index, Tip, decode_part, decode_trailer
from storage.segment import read_whole

DescribeData = Callable[[Record], str]
_STATES = ("segment", "damaged", "aside", NEW)


def describe(disk: Disk, data: DescribeData | None = None) -> Iterator[str]:
    """Lines of text; `data` says what is in a record. Changes nothing. Raises `TooNew`."""
    for text in disk.names():
        name = parse_name(text, kind="log", states=_STATES)
        if name is not None:
            yield from _segment(disk, name, data)


def _segment(disk: Disk, name: FileName, data: DescribeData | None) -> Iterator[str]:
    buffer = read_whole(disk, name)
    yield f"{name.text}: {len(buffer)} bytes"
    try:
        header, at = find_header(buffer, LOG_MAGIC, name.text)
    except Damaged as error:
        yield f"  damaged: {error}"
        return
    yield from _header(header, at)
    reached: int | None = None
    for frame in scan(buffer, 0, seed=seed_of(header.id)):
        if reached is not None and frame.start > reached:
            yield f"  {reached:>10}  damaged: {frame.start - reached} bytes do not verify"
        yield from (f"  {frame.start:>10}  {line}" for line in _frame(buffer, frame, data))
        reached = None if frame.type == BASE else frame.end
    yield from _end(buffer, header, reached)


def _header(header: Header, at: int) -> Iterator[str]:
    place = "" if at == 0 else f" (the first is damaged; this one is at {at})"
    yield (
        f"  header{place}: segment {header.number}, id {header.id.hex()}, cluster "
        f"{header.cluster!r}, shard {header.shard!r}, from batch {header.first_batch} on, "
        f"synced up to {header.synced}"
    )
    if header.begins:
        yield "  the log begins here: a snapshot stands for what was before"
    if header.replaces != NO_ID:
        kept = ", which was damaged" if header.replaced_damaged else ""
        yield f"  took over segment {header.replaces.hex()}{kept}"


def _frame(buffer: bytes, frame: Frame, data: DescribeData | None) -> Iterator[str]:
    if frame.type == RECORD:
        yield _record(record_in(buffer, frame), data)
    elif frame.type == MARK:
        mark = mark_in(buffer, frame)
        yield (
            f"mark of batch {mark.number}: {_records(mark.records)} from {mark.start} on, "
            f"synced up to {mark.synced}"
        )
    elif frame.type == BASE:
        base = decode_part(frame_payload(buffer, frame), Base, "base")
        yield "base:" if base.tips else "base: none: no record comes before this segment"
        yield from _tips(base.tips)
    elif frame.type == INDEX:
        index = decode_part(frame_payload(buffer, frame), Index, "index")
        yield f"index: {_records(index.records)}, last batch {index.last_batch}"
        yield from _tips({actor: part.tip for actor, part in index.actors.items()})
    else:
        kind = "offsets" if frame.type == OFFSETS else f"frame of type {frame.type}"
        yield f"{kind}: {frame.end - frame.start} bytes"


def _record(record: Record, data: DescribeData | None) -> str:
    said = f"  {data(record)}" if data is not None else ""
    return (
        f"{record.actor.hex()[:8]}:{record.seq}  {len(record.data)} bytes  "
        f"chain {record.chain.hex()[:8]}{said}"
    )


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _tips(tips: Mapping[bytes, Tip]) -> Iterator[str]:
    for actor, tip in tips.items():
        head = "head unknown" if tip.head is None else f"head of {len(tip.head)} bytes"
        yield f"  {actor.hex()[:8]}:{tip.seq}  chain {tip.chain.hex()[:8]}  {head}"


def _end(buffer: bytes, header: Header, reached: int | None) -> Iterator[str]:
    trailer = decode_trailer(buffer[-TRAILER_BYTES:], size=len(buffer))
    if trailer is not None and trailer.id == header.id:
        yield f"  {len(buffer) - TRAILER_BYTES:>10}  trailer: sealed"
    elif reached is not None and reached < len(buffer):
        yield f"  {reached:>10}  not sealed; {len(buffer) - reached} bytes at the end do not verify"
    else:
        yield f"  {len(buffer):>10}  not sealed"
