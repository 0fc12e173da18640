"""The log of one shard: every operation, own and received, in the order delivered.

One thread drives a log and its disk. What `append` has returned for is durable; nothing else is
ever read back. The clock is derived from the records, never stored beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from crdt import Record, first_chain
from storage.anew import Anew, beyond, retire, write_anew
from storage.coverage import Missing, runs_of
from storage.disk import Disk
from storage.errors import DiskError, DiskFull, DiskReadOnly, FileMissing, Poisoned
from storage.files import ASIDE, set_state
from storage.ground import Ground, Told
from storage.header import ID_BYTES, LOG_MAGIC, Header
from storage.index import Base, Tip
from storage.joining import Joining
from storage.opening import Opened, open_segments
from storage.reading import HeadBefore, Reader, SegmentReplay
from storage.recent import Recent
from storage.recovery import Recovery
from storage.segment import Segment, State
from storage.sizes import LIMITS, LogLimits, LogSize
from storage.tail import Tail
from storage.truncation import LogPart, parts_of, within

NOTHING: Final[Mapping[bytes, int]] = MappingProxyType({})


class Log:
    """Made by `open`. Not to be used by two threads at a time."""

    def __init__(
        self,
        disk: Disk,
        opened: Opened,
        *,
        cluster: str,
        shard: str,
        entropy: Callable[[int], bytes],
        limits: LogLimits,
        start: Mapping[bytes, int],
    ) -> None:
        self._disk = disk
        self._cluster = cluster
        self._shard = shard
        self._entropy = entropy
        self._limits = limits
        self._segments = opened.segments
        self._coverage = opened.coverage
        self._tips = opened.tips
        self._last_batch = opened.last_batch
        self._last_number = opened.last_number
        self._ground = Ground(
            is_cut=opened.is_cut,
            tips=opened.ground,
            start=dict(start),
            coverage=opened.coverage,
            base=NOTHING,
        )
        self._recent = Recent(limits.recent_bytes)
        self._reader = Reader(disk, self._segments, self._coverage, self._recent)
        self._reader.tail = opened.tail
        self._joining = Joining(
            self._tips, self._coverage, self._origin, self.chain_at, self._one, self._ground
        )
        self._missing = self._find_missing()
        self._measured: dict[int, int] = {}
        self._poison: str | None = None

    @classmethod
    def open(
        cls,
        disk: Disk,
        *,
        cluster: str,
        shard: str,
        entropy: Callable[[int], bytes],
        limits: LogLimits = LIMITS,
        start: Mapping[bytes, int] = NOTHING,
    ) -> tuple[Log, Recovery]:
        """Opens what is there, an empty directory included, and repairs what a crash left.

        `entropy(n)` gives n random bytes. `start` is what a snapshot stands for: records up to it
        are not missed. Raises `NotOurs`, `TooNew`, `DiskError`; none of them loses anything.
        """
        opened = open_segments(disk, cluster=cluster, shard=shard, entropy=entropy)
        log = cls(
            disk,
            opened,
            cluster=cluster,
            shard=shard,
            entropy=entropy,
            limits=limits,
            start=start,
        )
        return log, log._recovery(opened)

    def append(self, records: Sequence[Record], heads: Mapping[bytes, bytes]) -> int:
        """Makes one batch durable, whole or not at all, and returns its number: 1, 2, 3, …

        Every record is the next of its actor, or fills a hole. `heads` has, for each actor that
        went on, what decodes the record after its last one here. After `DiskFull` and
        `DiskReadOnly` nothing of the batch will ever be read, and the log is as before. After any
        other `DiskError` it is poisoned: every later `append` raises `Poisoned`.
        """
        assert records, "an empty batch"
        self._check_sound()
        try:
            return self._append(records, heads)
        except (DiskFull, DiskReadOnly):
            raise
        except DiskError as error:
            self._poison = str(error)
            raise

    def absent(self, records: Sequence[Record]) -> list[Record]:
        """Those of `records` that are not held: around a hole, some that come again are.

        Raises `ChainBroken` where another one than that which came is held, `LogDamaged`.
        """
        return self._joining.absent(records)

    def set_heads(self, heads: Mapping[bytes, bytes]) -> None:
        """The heads after each actor's tip, which a replay has found out.

        An actor whose replay did not reach its tip is left out; replays then start earlier.
        """
        for actor, head in heads.items():
            tip = self._tips[actor]
            self._tips[actor] = Tip(tip.seq, tip.chain, head)

    def clock(self) -> dict[bytes, int]:
        """Per actor the last seq without a hole before it: what may be acknowledged."""
        clock = {actor: tip.seq for actor, tip in self._tips.items()}
        for actor, first, _ in self._missing:
            clock[actor] = min(clock[actor], first - 1)
        return {actor: seq for actor, seq in clock.items() if seq}

    def tips(self) -> dict[bytes, Tip]:
        """The last record of every actor, holes before it or not."""
        return dict(self._tips)

    def missing(self) -> tuple[Missing, ...]:
        """Holes: fetch these records again and append them."""
        return self._missing

    def read(self, actor: bytes, first: int, last: int, *, max_bytes: int) -> list[Record]:
        """Records `first` to `last` of `actor`, cut at the first hole and at `max_bytes` of data.

        At least one. Raises `RecordsMissing` where `first` is not held, `LogDamaged`.
        """
        return self._reader.read(actor, first, last, bytes_max=max_bytes)

    def chain_at(self, actor: bytes, seq: int) -> bytes | None:
        """The chain after record `seq`; None where that is not held. Raises `LogDamaged`."""
        tip = self._tips.get(actor)
        if seq == 0:
            return first_chain(self._cluster, self._shard, actor)
        if tip is not None and tip.seq == seq:
            return tip.chain
        if self._coverage.find(actor, seq) is not None:
            return self._one(actor, seq).chain
        return self._ground.chain_at(actor, seq)

    # --- A log whose beginning is in a snapshot ---------------------------------------------------

    @property
    def is_cut(self) -> bool:
        """Its first segments are gone."""
        return self._ground.is_cut

    def base(self) -> Mapping[bytes, int]:
        """Per actor the last seq up to which not all records can be read any more."""
        return self._ground.base

    def unproven(self, told: Told) -> str | None:
        """Why a log that is cut does not go on from what is told. Raises `LogDamaged`."""
        return self._ground.unproven(told, self._tips, self.chain_at, self._one)

    def leads_on(self, actor: bytes, seq: int, chain: bytes) -> bool | None:
        """Whether the log is of this history; None where nothing tells. Raises `LogDamaged`."""
        return self._ground.leads_on(actor, seq, chain, self.chain_at, self._one)

    def stand_on(self, clock: Mapping[bytes, int]) -> None:
        """A state stands for all records up to `clock`: they are not missed."""
        self._ground.stand_on(clock)
        self._missing = self._find_missing()

    def renewed(self, recovery: Recovery) -> Recovery:
        """What a start found, now that it is known what the log stands on."""
        return recovery.with_missing(self.clock(), self._missing)

    def begin_anew(
        self, tips: Mapping[bytes, Tip], before: Callable[[], object], *, keeps: bool
    ) -> None:
        """The log goes on from a snapshot with these `tips`; of what it held, the records that the
        snapshot does not stand for stay. `before` makes that durable, when all but the name of the
        new segment is. With `keeps` the old ones are set aside. Raises `LogDamaged`, `DiskError`;
        after `DiskFull` and `DiskReadOnly` nothing has changed, after others it is poisoned."""
        self._check_sound()
        kept, header = beyond(tips, self.replay()), self._next_header(begins=True)
        try:
            anew = write_anew(self._disk, header, tips, kept, before)
        except (DiskFull, DiskReadOnly):
            raise
        except DiskError as error:
            self._poison = str(error)
            raise
        old = self.segments()
        self._switch(anew, tips)
        with suppress(DiskFull, DiskReadOnly):  # the next start does it
            retire(self._disk, old, keeps=keeps)

    def _switch(self, anew: Anew, tips: Mapping[bytes, Tip]) -> None:
        known = dict(self._tips)
        self._tips.clear()
        self._coverage.clear()
        self._tips.update(tips)
        for actor, span, chain in anew.runs:
            self._coverage.add(actor, span)
            if actor not in self._tips or span.last > self._tips[actor].seq:
                head = known[actor].head if known[actor].seq == span.last else None
                self._tips[actor] = Tip(span.last, chain, head)
        self._segments.clear()
        self._reader.tail = anew.tail
        self._recent.clear()
        self._last_number, self._last_batch = anew.tail.segment.number, anew.tail.last_batch
        self._ground.is_cut, self._ground.tips = True, tips
        self.stand_on({actor: tip.seq for actor, tip in tips.items()})

    def parts(self) -> list[LogPart]:
        return parts_of(self.segments(), self._coverage, self._bytes_of)

    def truncate(self, before: int) -> None:
        """The segments with lesser numbers go, the first one first: a crash leaves no gap. What is
        damaged is set aside. A durable snapshot has to stand for them. Raises `DiskError`."""
        while len(self.segments()) > 1 and self.segments()[0].number < before:
            segment, following = self.segments()[:2]
            lasts = self._coverage.lasts(segment.number)
            if segment.state is State.DAMAGED:
                set_state(self._disk, segment.name, state=ASIDE)
            else:
                self._disk.remove(segment.name.text)
                self._disk.sync_directory()
            del self._segments[0]
            self._coverage.remove(segment.number)
            self._ground.moved(lasts, self._reader.base_tips(following) or {})

    def _one(self, actor: bytes, seq: int) -> Record:
        return self.read(actor, seq, seq, max_bytes=0)[0]

    def head_before(self, actor: bytes, seq: int) -> HeadBefore:
        """The nearest known head before record `seq`: decode from there on to reach it.

        Raises `RecordsMissing` where `seq` is not held.
        """
        return self._reader.head_before(actor, seq)

    def replay_segments(self, after: Mapping[bytes, int] = NOTHING) -> Iterator[SegmentReplay]:
        """The log segment by segment, each with the tips before it, so that a decoder can start.

        Starts as late as `after` allows; records that `after` covers may come all the same. The
        order is that of the log: where a hole was filled later, a record may come before one that
        it depends on. Raises `LogDamaged`.
        """
        return self._reader.replay(after)

    def replay(self, after: Mapping[bytes, int] = NOTHING) -> Iterator[Record]:
        """The records of `replay_segments`."""
        for segment in self.replay_segments(after):
            yield from segment.records

    def size(self) -> LogSize:
        """May be asked often: the disk is asked of the tail, and once of every other segment."""
        segments = self._reader.all_segments()
        return LogSize(
            bytes=sum(map(self._bytes_of, segments)),
            segments=len(segments),
            damaged_segments=sum(segment.name.state == "damaged" for segment in segments),
            last_batch=self._last_batch,
        )

    def bytes_beyond(self, clock: Mapping[bytes, int]) -> int:
        """Of the segments with records that `clock` does not cover."""
        return sum(part.bytes for part in self.parts() if not within(part.lasts, clock))

    def segments(self) -> list[Segment]:
        """What the log consists of now, in its order."""
        return self._reader.all_segments()

    def condemn(self, names: Sequence[str], reason: str) -> None:
        """Marks segments that do not read back, for the next start. Raises LogDamaged."""
        raise self._reader.condemned(names, reason)

    @property
    def disk(self) -> Disk:
        return self._disk

    def _bytes_of(self, segment: Segment) -> int:
        known = self._measured.get(segment.number)
        if known is None:
            try:
                known = self._disk.size(segment.name.text)
            except FileMissing:  # a read, or the next start, says so
                return 0
            if segment.state is not State.TAIL:
                self._measured[segment.number] = known
        return known

    def close(self) -> None:
        """Seals the tail, so that the next start need not copy it. The disk is left open.

        On a full or read-only disk the tail stays unsealed: the next start takes it over.
        """
        if self._poison is None and self._tail is not None and self._tail.segment.records:
            with suppress(DiskFull, DiskReadOnly):  # all of it is durable all the same
                self._seal(self._tail)
        self._poison = self._poison or "the log was closed"

    @property
    def _tail(self) -> Tail | None:
        return self._reader.tail

    def _append(self, records: Sequence[Record], heads: Mapping[bytes, bytes]) -> int:
        tail = self._tail_for(sum(len(record[3]) for record in records))
        runs = runs_of(records, tail.segment.number)
        tips = self._joining.checked(records, runs, heads, has_holes=bool(self._missing))
        tail.write(records, runs, synced=self._last_batch)
        tail.sync()
        for run in runs:
            self._coverage.add(run.actor, run.span)
        self._tips.update(tips)
        if self._missing:
            self._missing = self._find_missing()
        self._recent.add(records)
        self._last_batch = tail.last_batch
        return self._last_batch

    def _origin(self, actor: bytes) -> Tip:
        return Tip(0, first_chain(self._cluster, self._shard, actor), None)

    def _tail_for(self, size: int) -> Tail:
        tail = self._tail
        if tail is not None:
            if tail.has_room(size, self._limits.segment_bytes) or not tail.segment.records:
                return tail
            self._seal(tail)
        return self._new_tail()

    def _seal(self, tail: Tail) -> None:
        tail.seal(self._tips)
        self._segments.append(tail.segment)
        self._reader.tail = None

    def _new_tail(self) -> Tail:
        tail = Tail.create(self._disk, self._next_header(), Base(dict(self._tips)))
        tail.publish()
        self._last_number += 1
        self._reader.tail = tail
        return tail

    def _next_header(self, *, begins: bool = False) -> Header:
        return Header(
            magic=LOG_MAGIC,
            number=self._last_number + 1,
            id=self._entropy(ID_BYTES),
            cluster=self._cluster,
            shard=self._shard,
            begins=begins,
            first_batch=self._last_batch + 1,
            synced=self._last_batch,
        )

    def _find_missing(self) -> tuple[Missing, ...]:
        seqs = {actor: tip.seq for actor, tip in self._tips.items()}
        return self._coverage.missing(self._ground.start, seqs)

    def _recovery(self, opened: Opened) -> Recovery:
        found = Recovery(
            tips=MappingProxyType(dict(self._tips)),
            clock=NOTHING,
            missing=(),
            unidentified=tuple(opened.unidentified),
            quarantined=tuple(opened.quarantined),
            cut=opened.cut,
            problems=tuple(opened.problems),
        )
        return self.renewed(found)

    def _check_sound(self) -> None:
        if self._poison is not None:
            raise Poisoned(f"nothing can be appended any more: {self._poison}")
