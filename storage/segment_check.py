"""One segment, read back whole: every frame, mark and chain, and what base, index and offsets say.

Records are followed in the order of the file, so that memory holds what an index holds, no more.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from crdt import RECORD_BYTES_MAX, Record, first_chain, next_chain
from storage.coverage import Coverage, Missing, Span, runs_of
from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed
from storage.files import FileName
from storage.findings import PORTION_BYTES, Damage, Portion
from storage.frames import (
    FRAME_BYTES,
    MARK,
    RECORD,
    RECORD_FRAME_MAX,
    RECORD_HEAD_BYTES,
    Frame,
    Mark,
    decode_frame,
    frame_length,
    mark_in,
    readable_records,
    record_in,
    seed_of,
)
from storage.header import HEADER_BYTES_MAX, LOG_MAGIC, Header, decode_header, find_header
from storage.index import Index, Offsets, Trailer
from storage.segment import (
    Segment,
    State,
    read_base,
    read_header,
    read_index,
    read_offsets,
    read_trailer,
    read_whole,
)

MARK_BYTES = 32


@dataclass(slots=True)
class Followed:
    """Where the log stands behind the segments checked so far.

    `tips` are (seq, chain) by actor; None until a first base was read, and behind damage, where
    the next base is taken as it is. `known` are the last seqs that anything names.
    """

    cluster: str
    shard: str
    tips: dict[bytes, tuple[int, bytes]] | None = None
    coverage: Coverage = field(default_factory=Coverage)
    known: dict[bytes, int] = field(default_factory=dict)

    def heard_of(self, actor: bytes, seq: int) -> None:
        self.known[actor] = max(seq, self.known.get(actor, 0))


class SegmentCheck:
    """`run` yields portions; after it, `followed` has moved on by this segment's records.

    `end` is where the batches of a tail that is written to end at this moment.
    """

    def __init__(self, disk: Disk, name: FileName, followed: Followed, end: int | None) -> None:
        self._disk = disk
        self._name = name
        self._followed = followed
        self._end = end
        self._damages: list[Damage] = []
        self._last: dict[bytes, tuple[int, bytes]] = {}
        self._runs: dict[bytes, list[tuple[int, int]]] = {}
        self._records = 0
        self._is_broken = False

    def run(self) -> Iterator[Portion]:
        try:
            yield from self._whole()
        except (Damaged, DiskReadFailed) as error:
            self._report(str(error), self._lost())
            self._is_broken = True
        self._settle()
        yield Portion(damages=tuple(self._damages))

    def _whole(self) -> Iterator[Portion]:
        header, header_bytes = read_header(self._disk, self._name)
        base, start = read_base(self._disk, self._name, header.id, header_bytes)
        self._check_second_header(header, start - header_bytes)
        self._check_base({actor: (tip.seq, tip.chain) for actor, tip in base.tips.items()})
        yield Portion(bytes=start)
        if self._end is not None:
            yield from self._batches(header, start, self._end, {})
            return
        trailer = read_trailer(self._disk, self._name)
        if trailer is None or trailer.id != header.id:
            raise Damaged(f"{self._name.text}: the trailer does not hold")
        index = read_index(self._disk, self._name, trailer)
        offsets = read_offsets(self._disk, self._segment(header, header_bytes, start, trailer))
        yield Portion(bytes=trailer.size - trailer.index_at)
        found: dict[tuple[bytes, int], int] = {}
        last = yield from self._batches(header, start, trailer.index_at, found, offsets)
        self._check_index(index, last)
        self._check_offsets(offsets, found)

    def _segment(self, header: Header, length: int, start: int, trailer: Trailer) -> Segment:
        return Segment(
            name=self._name,
            id=header.id,
            state=State.SEALED,
            start=start,
            end=trailer.index_at,
            header_bytes=length,
            records=0,
            trailer=trailer,
        )

    def _check_second_header(self, header: Header, at: int) -> None:
        try:
            buffer = self._disk.read(self._name.text, at, HEADER_BYTES_MAX)
            second = decode_header(buffer, LOG_MAGIC, self._name.text)
        except (Damaged, DiskReadFailed) as error:
            self._report(f"the second header, at {at}, does not hold: {error}", is_spare=True)
            return
        if second != header:
            self._report(f"the second header, at {at}, is another than the first", is_spare=True)

    def _check_base(self, tips: dict[bytes, tuple[int, bytes]]) -> None:
        known = self._followed.tips
        if known is not None and known != tips:
            actors = [a for a in {*known, *tips} if known.get(a) != tips.get(a)]
            names = ", ".join(sorted(actor.hex()[:8] for actor in actors))
            self._report(f"the base says of {names} otherwise than the segments before it")
        self._followed.tips = dict(tips)
        for actor, (seq, _) in tips.items():
            self._followed.heard_of(actor, seq)

    # --- Batches ---------------------------------------------------------------------------------

    def _batches(
        self,
        header: Header,
        start: int,
        end: int,
        found: dict[tuple[bytes, int], int],
        offsets: Offsets | None = None,
    ) -> Generator[Portion, None, int]:
        """Portions, and in the end the number of the last batch. Raises `Damaged`.

        `found` takes the offset of the batch of every record that `offsets` names.
        """
        wanted = (
            {} if offsets is None else {a: {s for s, _ in e} for a, e in offsets.actors.items()}
        )
        batch = _Batch(header.first_batch - 1, start)
        at, length = start, PORTION_BYTES
        while at < end:
            buffer = self._disk.read(self._name.text, at, min(length, end - at))
            used = count = 0
            for frame in _frames(buffer, at, seed_of(header.id)):
                used = frame.end
                if frame.type == MARK:
                    batch.end(mark_in(buffer, frame), at + frame.end)
                    continue
                record = record_in(buffer, frame)
                batch.add(buffer[frame.start : frame.end])
                self._follow(record)
                count += 1
                if record.seq in wanted.get(record.actor, ()):
                    found[record.actor, record.seq] = batch.start
            yield Portion(bytes=used, records=count)
            if used:
                at, length = at + used, PORTION_BYTES
            elif length == RECORD_FRAME_MAX:
                raise Damaged(f"offset {at}: the frame there runs past the end at {end}")
            else:
                length = RECORD_FRAME_MAX
        if batch.records:
            raise Damaged(f"offset {batch.start}: a batch without its mark")
        return batch.number

    def _follow(self, record: Record) -> None:
        actor, seq, chain, data = record
        assert self._followed.tips is not None, "a base comes before the records"
        tip = self._followed.tips.get(actor) or self._origin(actor)
        before = next((b for b in (self._last.get(actor), tip) if b and b[0] + 1 == seq), None)
        if before is not None and next_chain(before[1], data) != chain:
            text = f"{actor.hex()[:8]}:{seq} does not continue the chain of the record before it"
            self._report(text, (Missing(actor, seq, seq),))
        if seq > tip[0]:
            self._followed.tips[actor] = (seq, chain)
        self._last[actor] = (seq, chain)
        self._records += 1
        runs = self._runs.setdefault(actor, [])
        if runs and runs[-1][1] + 1 == seq:
            runs[-1] = (runs[-1][0], seq)
        else:
            runs.append((seq, seq))

    def _origin(self, actor: bytes) -> tuple[int, bytes]:
        return 0, first_chain(self._followed.cluster, self._followed.shard, actor)

    # --- What the end of the file says -----------------------------------------------------------

    def _check_index(self, index: Index, last_batch: int) -> None:
        runs = {actor: tuple(part.runs) for actor, part in index.actors.items()}
        if runs != {actor: tuple(found) for actor, found in self._runs.items()}:
            self._report("the index names other records than the segment holds")
        if (index.records, index.last_batch) != (self._records, last_batch):
            self._report(
                f"the index says {index.records} records up to batch {index.last_batch}, found "
                f"{self._records} up to batch {last_batch}"
            )
        tips = self._followed.tips or {}
        for actor, part in index.actors.items():
            if (part.tip.seq, part.tip.chain) != tips.get(actor):
                self._report(f"the index ends {actor.hex()[:8]} otherwise than its records do")

    def _check_offsets(self, offsets: Offsets, found: Mapping[tuple[bytes, int], int]) -> None:
        named = {(a, seq): at for a, entries in offsets.actors.items() for seq, at in entries}
        firsts = {(a, first) for a, runs in self._runs.items() for first, _ in runs}
        if named != found or not firsts <= named.keys():
            self._report("the offsets lead to other places than those of the records")

    # --- Damage -----------------------------------------------------------------------------------

    def _report(
        self, what: str, records: tuple[Missing, ...] = (), *, is_spare: bool = False
    ) -> None:
        self._damages.append(
            Damage(file=self._name.text, what=what, records=records, is_spare=is_spare)
        )

    def _lost(self) -> tuple[Missing, ...]:
        """What the index names and no frame of the file holds; the runs become those that do."""
        records = self._readable()
        self._runs = {}
        held = Coverage()
        for run in runs_of(records, self._name.number):
            held.add_missing_part(run.actor, run.span)
            self._runs.setdefault(run.actor, []).append((run.span.first, run.span.last))
        index = index_of(self._disk, self._name)
        parts = {} if index is None else index.actors
        for actor, part in parts.items():
            self._followed.heard_of(actor, part.tip.seq)
        return tuple(
            missing
            for actor, part in sorted(parts.items())
            for first, last in part.runs
            for missing in held.missing({actor: first - 1}, {actor: last})
        )

    def _readable(self) -> list[Record]:
        buffer = read_whole(self._disk, self._name)
        try:
            header, _ = find_header(buffer, LOG_MAGIC, self._name.text)
        except Damaged:
            return []
        return readable_records(buffer, 0, len(buffer), seed=seed_of(header.id))

    def _settle(self) -> None:
        for actor, runs in self._runs.items():
            for first, last in runs:
                self._followed.heard_of(actor, last)
                span = Span(first, last, self._name.number)
                if not self._followed.coverage.add_missing_part(actor, span):
                    self._report(f"{actor.hex()[:8]}:{first}-{last} is in another segment as well")
        if self._is_broken or self._end is not None:  # a tail may have grown on since
            self._followed.tips = None


def index_of(disk: Disk, name: FileName) -> Index | None:
    """None where there is none, or it does not read back."""
    try:
        trailer = read_trailer(disk, name)
        return None if trailer is None else read_index(disk, name, trailer)
    except (Damaged, DiskReadFailed):
        return None


class _Batch:
    """The batch that is being read: its marks count on, and sum up what lies before them."""

    def __init__(self, number: int, start: int) -> None:
        self.number = number
        self.start = start
        self.records = 0
        self._sum = 0

    def add(self, frame: bytes) -> None:
        self.records += 1
        self._sum = crc32(frame, self._sum)

    def end(self, mark: Mark, at: int) -> None:
        """Raises `Damaged`."""
        expected = (self.number + 1, self.start, self.records, self._sum)
        found = (mark.number, mark.start, mark.records, mark.sum)
        if found != expected:
            raise Damaged(f"offset {self.start}: expected batch {expected}, its mark says {found}")
        self.number, self.start, self.records, self._sum = mark.number, at, 0, 0


def _frames(buffer: bytes, offset: int, seed: int) -> Iterator[Frame]:
    """The records and marks at the start of `buffer`, by their places in it, up to the first that
    it cuts. Raises `Damaged`."""
    at = 0
    while (length := frame_length(buffer[at : at + 8])) is not None:
        type, size = buffer[at], length - FRAME_BYTES
        limits = (RECORD_HEAD_BYTES, RECORD_HEAD_BYTES + RECORD_BYTES_MAX)
        if type == MARK:
            limits = (MARK_BYTES, MARK_BYTES)
        if type not in (RECORD, MARK) or not limits[0] <= size <= limits[1]:
            raise Damaged(f"offset {offset + at}: no record and no mark begins here")
        if at + length > len(buffer):
            return
        decode_frame(buffer[at : at + length], type, offset=offset + at, seed=seed)
        yield Frame(type, at, at + length)
        at += length
    if at + 8 <= len(buffer):
        raise Damaged(f"offset {offset + at}: no frame begins here")
