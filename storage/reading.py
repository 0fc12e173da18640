"""Reading records back: whole segments in the order of the log, and ranges of one actor."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from crdt import Record
from storage.coverage import Coverage
from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed, FileMissing, LogDamaged, RecordsMissing
from storage.files import DAMAGED, set_state
from storage.index import Offsets, Tip
from storage.recent import Recent
from storage.segment import (
    Segment,
    State,
    read_base,
    read_index,
    read_offsets,
    records_of_actor,
    records_of_segment,
)
from storage.tail import Tail

OFFSETS_CACHED = 16
"""Offsets of sealed segments kept in memory: some tens of kilobytes each."""
UNREADABLE: Final = (Damaged, DiskReadFailed, FileMissing)


@dataclass(frozen=True, slots=True)
class SegmentReplay:
    """One segment: the tip of every actor before it, then its records in the order of the log."""

    base: Mapping[bytes, Tip]
    records: Iterator[Record]


@dataclass(frozen=True, slots=True)
class HeadBefore:
    """What is known before a record: `head` decodes record `seq` + 1; None where `seq` is 0."""

    seq: int
    head: bytes | None


class Reader:
    """Reads what was synced. `segments` and `coverage` belong to the log, which moves them on.

    Whatever does not read back, a file that somebody removed included, raises `LogDamaged`, after
    the file was marked as damaged if it is there.
    """

    def __init__(
        self, disk: Disk, segments: Sequence[Segment], coverage: Coverage, recent: Recent
    ) -> None:
        self.tail: Tail | None = None
        self._disk = disk
        self._segments = segments
        self._coverage = coverage
        self._recent = recent
        self._offsets: OrderedDict[int, Offsets] = OrderedDict()

    def all_segments(self) -> list[Segment]:
        return [*self._segments, *([self.tail.segment] if self.tail else [])]

    def read(self, actor: bytes, first: int, last: int, *, bytes_max: int) -> list[Record]:
        assert 1 <= first <= last, f"records {first} to {last}"
        found: list[Record] = []
        left = bytes_max
        for record in self._recent.run(actor, first, last) or self._walk(actor, first, last):
            left -= len(record.data)
            if found and left < 0:
                break
            found.append(record)
        if not found:
            raise RecordsMissing(f"{actor.hex()[:8]}:{first} is not in this log")
        return found

    def replay(self, after: Mapping[bytes, int]) -> Iterator[SegmentReplay]:
        """From the last segment on before which `after` covers all and every head is known."""
        segments = self.all_segments()
        start = 0
        for at, segment in enumerate(segments):
            base = self.base_tips(segment)
            if base is not None and all(tip.head is not None for tip in base.values()):
                start = at
            if not self._within(segment, after):
                break
        for segment in segments[start:]:
            base = self.base_tips(segment) or {}
            yield SegmentReplay(base, self._records(segment))

    def head_before(self, actor: bytes, seq: int) -> HeadBefore:
        span = self._coverage.find(actor, seq)
        if span is None:
            raise RecordsMissing(f"{actor.hex()[:8]}:{seq} is not in this log")
        for segment in reversed(self.all_segments()):
            if segment.number > span.segment:
                continue
            tip = (self.base_tips(segment) or {}).get(actor)
            if tip is not None and tip.seq < seq and tip.head is not None:
                return HeadBefore(tip.seq, tip.head)
        return HeadBefore(0, None)

    def _walk(self, actor: bytes, first: int, last: int) -> Iterator[Record]:
        """The records `first` to `last` of `actor`, up to the first that is not held."""
        while first <= last and (span := self._coverage.find(actor, first)) is not None:
            segment = self._segment(span.segment)
            until = min(last, span.last)
            try:
                for record in self._run_in(segment, actor, first, until):
                    yield record
                    first = record.seq + 1
            except UNREADABLE as error:
                raise self._condemned(segment, error) from error

    def _run_in(self, segment: Segment, actor: bytes, first: int, until: int) -> Iterator[Record]:
        offsets = self._offsets_of(segment)
        for records in records_of_actor(self._disk, segment, offsets, actor, first):
            for record in records:
                if record.seq == first:
                    yield record
                    first += 1
                if first > until:
                    return
        raise Damaged(f"{actor.hex()[:8]}:{first} is not where the index says")

    def _records(self, segment: Segment) -> Iterator[Record]:
        """All records that a segment has now; at the end of a sealed one, checked by its index.

        A tail may grow or be sealed while it is read: it is judged by what it was at the start. One
        that the log no longer consists of, for a snapshot stands for it now, raises `FileMissing`.
        """
        count, expected, is_tail = 0, segment.records, segment.state is State.TAIL
        last: dict[bytes, Record] = {}
        try:
            for found in records_of_segment(self._disk, segment):
                records = self._held(segment, found)
                count += len(records)
                last.update((record.actor, record) for record in records)
                yield from records
            if segment.state is not State.DAMAGED and count != expected:
                raise Damaged(f"expected {expected} records, found {count}")
            if not is_tail:
                self._check_index(segment, last)
        except UNREADABLE as error:
            if isinstance(error, FileMissing) and segment not in self.all_segments():
                raise
            raise self._condemned(segment, error) from error

    def _held(self, segment: Segment, records: list[Record]) -> list[Record]:
        """A sector that did not read at the start may do so later: what is missing stays missing
        until the next start, or a state would stand for records that are never sent."""
        if segment.state is not State.DAMAGED:
            return records
        return [record for record in records if self._coverage.find(record.actor, record.seq)]

    def _check_index(self, segment: Segment, last: Mapping[bytes, Record]) -> None:
        if segment.state is State.DAMAGED or segment.trailer is None:
            return
        for actor, part in read_index(self._disk, segment.name, segment.trailer).actors.items():
            found = last.get(actor)
            whole = found is not None and found.seq == part.runs[-1][1]
            other = (
                found is not None and found.seq == part.tip.seq and found.chain != part.tip.chain
            )
            if other or not whole:
                raise Damaged(f"the records of {actor.hex()[:8]} end otherwise than the index says")

    def condemned(self, names: Sequence[str], reason: str) -> LogDamaged:
        """Marks those of the segments that are sealed; the rest is judged at the next start."""
        error: LogDamaged | None = None
        for segment in self.all_segments():
            if segment.name.text in names:
                error = self._condemned(segment, Damaged(reason))
        return error or LogDamaged(f"{', '.join(names)}: {reason}; start again to have it mended")

    def _condemned(self, segment: Segment, error: Exception) -> LogDamaged:
        """Marks a sealed segment, so that the next start reads it frame by frame. That start misses
        one whose file is gone."""
        if segment.state is State.SEALED:
            with suppress(FileMissing):
                segment.name = set_state(self._disk, segment.name, state=DAMAGED)
                segment.state = State.DAMAGED
        return LogDamaged(f"{segment.name.text}: {error}")

    def base_tips(self, segment: Segment) -> dict[bytes, Tip] | None:
        """None where the base does not read back: then the segment is no place to start from."""
        if segment.state is State.DAMAGED:
            return None
        try:
            return read_base(self._disk, segment.name, segment.id, segment.header_bytes)[0].tips
        except UNREADABLE:
            return None

    def _within(self, segment: Segment, after: Mapping[bytes, int]) -> bool:
        """Whether `after` covers every record of the segment, as far as an index says so."""
        if segment.trailer is None or segment.state is not State.SEALED:
            return False
        try:
            index = read_index(self._disk, segment.name, segment.trailer)
        except UNREADABLE:
            return False
        return all(
            after.get(actor, 0) >= last
            for actor, part in index.actors.items()
            for _, last in part.runs
        )

    def _segment(self, number: int) -> Segment:
        for segment in reversed(self.all_segments()):
            if segment.number == number:
                return segment
        raise AssertionError(f"no segment {number}")

    def _offsets_of(self, segment: Segment) -> Offsets:
        if self.tail is not None and segment is self.tail.segment:
            return self.tail.offsets
        if segment.state is State.DAMAGED:
            return Offsets({})
        known = self._offsets.get(segment.number)
        if known is None:
            known = self._offsets[segment.number] = read_offsets(self._disk, segment)
        self._offsets.move_to_end(segment.number)
        if len(self._offsets) > OFFSETS_CACHED:
            self._offsets.popitem(last=False)
        return known
