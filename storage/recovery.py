"""What a start found and did, and how an unsealed tail is taken over into a new segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from crdt import Record, first_chain, next_chain
from storage.coverage import Coverage, Missing, Span, runs_of
from storage.disk import Disk
from storage.errors import Damaged, DiskFull, DiskReadOnly
from storage.files import FileName, remove_if_there
from storage.frames import (
    BASE,
    MARK,
    RECORD,
    decode_frame,
    decode_records,
    frame_length,
    readable_records,
    scan,
    seed_of,
)
from storage.header import LOG_MAGIC, Header, find_header, header_length
from storage.index import TRAILER_BYTES, Base, Tip, decode_part, decode_trailer
from storage.segment import next_sector, read_whole
from storage.tail import Tail
from storage.verdict import Cut, Stretch, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The log as it was found and is now.

    tips          last record of every actor, holes before it or not. `head` is None where
                  records after the last base made another: replay, then `Log.set_heads`
    clock         per actor the last seq without a hole before it
    missing       records that must be here and are not: fetch them and `Log.append` them
    unidentified  files that lost records of which nothing says which ones they were
    quarantined   files with damage at or below what was confirmed; their bytes are kept
    cut           the torn tail that was left behind
    problems      the same and all else out of the ordinary, as sentences
    """

    tips: Mapping[bytes, Tip]
    clock: Mapping[bytes, int]
    missing: tuple[Missing, ...]
    unidentified: tuple[str, ...]
    quarantined: tuple[str, ...]
    cut: Cut | None
    problems: tuple[str, ...]

    @property
    def lost(self) -> tuple[str, ...]:
        """Those of the problems that name what is missing."""
        return tuple(f"records {missing.text} are missing" for missing in self.missing)

    def with_missing(self, clock: Mapping[bytes, int], missing: tuple[Missing, ...]) -> Recovery:
        problems = [text for text in self.problems if text not in self.lost]
        found = replace(self, clock=MappingProxyType(dict(clock)), missing=missing)
        return replace(found, problems=(*problems, *found.lost))


def together(recoveries: Sequence[Recovery]) -> Recovery:
    """One start that opened the log several times: how it is now, and all that was found."""
    last = recoveries[-1]
    problems = (text for one in recoveries for text in one.problems if text not in one.lost)
    return replace(
        last,
        unidentified=tuple(dict.fromkeys(text for one in recoveries for text in one.unidentified)),
        quarantined=tuple(dict.fromkeys(text for one in recoveries for text in one.quarantined)),
        cut=next((one.cut for one in recoveries if one.cut is not None), None),
        problems=(*dict.fromkeys(problems), *last.lost),
    )


class Continuity:
    """Follows every actor's seq and chain through a segment, and says what does not follow.

    `tips` and `coverage` move with the records admitted; a head that became obsolete is None.
    """

    def __init__(
        self, tips: dict[bytes, Tip], coverage: Coverage, *, cluster: str, shard: str
    ) -> None:
        self.tips = tips
        self._coverage = coverage
        self._cluster = cluster
        self._shard = shard

    def admit(self, record: Record, segment: int) -> str | None:
        """None where the record follows, fills a hole or comes after one; otherwise why not."""
        actor, seq, chain, data = record
        tip = self.tips.get(actor) or Tip(0, first_chain(self._cluster, self._shard, actor), None)
        if seq == tip.seq + 1 and chain != next_chain(tip.chain, data):
            return f"{actor.hex()[:8]}:{seq} does not continue the chain of the one before it"
        if seq <= tip.seq and self._coverage.find(actor, seq) is not None:
            return f"{actor.hex()[:8]}:{seq} is in the log already"
        if seq > tip.seq:
            self.tips[actor] = Tip(seq, chain, None)
        self._coverage.add(actor, Span(seq, seq, segment))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """A tail as found: its bytes, where its batches begin, its base if that reads."""

    name: FileName
    header: Header
    buffer: bytes
    header_bytes: int
    start: int
    base: Base | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    tail: Tail
    damaged: bool
    cut: Cut | None


def load_unsealed(disk: Disk, name: FileName) -> Unsealed:
    """Raises `Damaged` where no header holds: then no frame can be verified. Raises `TooNew`."""
    buffer = read_whole(disk, name)
    header, at = find_header(buffer, LOG_MAGIC, name.text)
    length = header_length(buffer[at:], LOG_MAGIC, name.text)
    base, start = _locate(buffer, header, length, at)
    return Unsealed(
        name=name, header=header, buffer=buffer, header_bytes=length, start=start, base=base
    )


def take_over(
    disk: Disk, found: Unsealed, draft: Header, continuity: Continuity, problems: list[str]
) -> TakenOver:
    """Writes what counts of `found` into a new segment with header `draft`, and publishes it.

    The old file is not touched. Nothing of it is trusted where it lies: a tail that reads well may
    live in the page cache alone. Raises `DiskError`; then the old file is all there is, as before.
    """
    verdict = judge(
        found.buffer,
        found.start,
        seed=seed_of(found.header.id),
        first_batch=found.header.first_batch,
        synced=found.header.synced,
        sealed_at=_sealed_at(found),
    )
    tail = Tail.create(disk, draft, Base(dict(continuity.tips)))
    before = len(problems)
    try:
        for stretch in verdict.kept:
            _copy(found, stretch, tail, continuity, problems)
        damaged = verdict.damaged or len(problems) > before
        tail.settle(replace(draft, synced=tail.last_batch, replaced_damaged=damaged))
        tail.publish()
    except (DiskFull, DiskReadOnly):
        remove_if_there(disk, tail.segment.name)
        raise
    return TakenOver(tail=tail, damaged=damaged, cut=_cut(found, verdict.cut_at))


def _copy(
    found: Unsealed, stretch: Stretch, tail: Tail, continuity: Continuity, problems: list[str]
) -> None:
    admitted: list[Record] = []
    for record in _records_in(found, stretch):
        refused = continuity.admit(record, tail.segment.number)
        if refused is None:
            admitted.append(record)
        else:
            problems.append(f"{found.name.text}: {refused}; it is not used")
    if admitted:
        runs = runs_of(admitted, tail.segment.number)
        tail.write(admitted, runs, synced=tail.last_batch)


def _records_in(found: Unsealed, stretch: Stretch) -> list[Record]:
    seed = seed_of(found.header.id)
    if not stretch.whole:
        return readable_records(found.buffer, stretch.start, stretch.end, seed=seed)
    buffer = found.buffer[stretch.start : stretch.end]
    records, _ = decode_records(buffer, offset=stretch.start, seed=seed)
    return records


def _sealed_at(found: Unsealed) -> int | None:
    size = len(found.buffer)
    trailer = decode_trailer(found.buffer[-TRAILER_BYTES:], size=size)
    ours = trailer is not None and trailer.id == found.header.id
    return trailer.index_at if trailer is not None and ours else None


def _cut(found: Unsealed, at: int | None) -> Cut | None:
    return None if at is None else Cut(found.name.text, at, len(found.buffer) - at)


def _locate(buffer: bytes, header: Header, length: int, at: int) -> tuple[Base | None, int]:
    """The base and where the batches begin, whichever of the three opening parts still hold."""
    seed = seed_of(header.id)
    frame = frame_length(buffer[length : length + 8])
    if frame is not None:
        try:
            payload = decode_frame(buffer[length : length + frame], BASE, offset=length, seed=seed)
            return decode_part(payload, Base, "the base"), next_sector(length + frame) + length
        except Damaged:
            pass  # the second header, or else the first batch, says where the base ended
    try:
        second = at or 1 + find_header(buffer[1:], LOG_MAGIC, "the second header")[1]
        return None, second + length
    except Damaged:
        batches = (f for f in scan(buffer, 0, seed=seed) if f.type in (RECORD, MARK))
        first = next(batches, None)
        return None, len(buffer) if first is None else first.start
