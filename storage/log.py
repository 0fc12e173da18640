"""The log of one shard: every operation, own and received, in the order delivered.

One thread drives a log and its disk. What `append` has returned for is durable; nothing else is
ever read back. The clock is derived from the records, never stored beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from crdt import Record, first_chain, next_chain
from storage.coverage import Missing, Run, runs_of
from storage.disk import Disk
from storage.errors import ChainBroken, DiskError, DiskFull, DiskReadOnly, Poisoned
from storage.header import ID_BYTES, LOG_MAGIC, Header
from storage.index import Base, Tip
from storage.opening import Opened, open_segments
from storage.reading import HeadBefore, Reader, SegmentReplay
from storage.recent import Recent
from storage.recovery import Recovery
from storage.segment import Segment, State
from storage.tail import Tail

NOTHING: Final[Mapping[bytes, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """`segment_bytes`: a start after a crash reads and copies at most about this much.

    `recent_bytes`: memory for the last records, from which peers are sent.
    """

    segment_bytes: int = 32 << 20
    recent_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSize:
    bytes: int
    segments: int
    damaged_segments: int
    last_batch: int


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
        self._start = dict(start)
        self._segments = opened.segments
        self._coverage = opened.coverage
        self._tips = opened.tips
        self._last_batch = opened.last_batch
        self._last_number = opened.last_number
        self._recent = Recent(limits.recent_bytes)
        self._reader = Reader(disk, self._segments, self._coverage, self._recent)
        self._reader.tail = opened.tail
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
        limits: LogLimits = LogLimits(),
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
        absent: list[Record] = []
        held: dict[bytes, Record] = {}
        for record in records:
            tip = self._tips.get(record.actor)
            if tip is None or record.seq > tip.seq or not self._holds(record):
                absent.append(record)
            else:
                held[record.actor] = record  # the chain of the last one speaks for all
        for actor, seq, chain, _ in held.values():
            if self.chain_at(actor, seq) != chain:
                raise ChainBroken(f"{actor.hex()[:8]}:{seq} is held, and is another one", actor)
        return absent

    def _holds(self, record: Record) -> bool:
        return self._coverage.find(record.actor, record.seq) is not None

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
        if self._coverage.find(actor, seq) is None:
            return None
        return self.read(actor, seq, seq, max_bytes=0)[0].chain

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
        """Of the segments with records that `clock` does not cover. Reads their indexes."""
        return sum(map(self._bytes_of, self._reader.beyond(clock)))

    def segments(self) -> list[Segment]:
        """What the log consists of now, in its order."""
        return self._reader.all_segments()

    def condemn(self, names: Sequence[str], reason: str) -> None:
        """Marks segments that do not read back, so that the next start says what they lost.

        Raises `LogDamaged`.
        """
        raise self._reader.condemned(names, reason)

    @property
    def disk(self) -> Disk:
        return self._disk

    def _bytes_of(self, segment: Segment) -> int:
        known = self._measured.get(segment.number)
        if known is None:
            known = self._disk.size(segment.name.text)
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
        tips = self._checked(records, runs, heads)
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

    def _checked(
        self, records: Sequence[Record], runs: Sequence[Run], heads: Mapping[bytes, bytes]
    ) -> dict[bytes, Tip]:
        """The tips after the batch. What it asserts is what the caller promised."""
        tips: dict[bytes, Tip] = {}
        for actor, span, chain in runs:
            tip = tips.get(actor) or self._tips.get(actor) or self._origin(actor)
            place = f"{actor.hex()[:8]}:{span.first}-{span.last}"
            assert span.first <= tip.seq + 1, f"{place} leaves a hole after {tip.seq}"
            assert not self._coverage.overlaps(actor, span.first, span.last), f"{place} is held"
            if span.last > tip.seq:
                assert actor in heads, f"{place} comes without a head"
                tips[actor] = Tip(span.last, chain, heads[actor])
        if self._missing:
            self._check_refills(records)
        else:
            self._check_chains(records)
        return tips

    def _check_chains(self, records: Sequence[Record]) -> None:
        chains: dict[bytes, bytes] = {}
        for actor, seq, chain, data in records:
            before = chains.get(actor) or (self._tips.get(actor) or self._origin(actor)).chain
            assert next_chain(before, data) == chain, f"{actor.hex()[:8]}:{seq} breaks the chain"
            chains[actor] = chain

    def _check_refills(self, records: Sequence[Record]) -> None:
        """What was fetched again must join the chain on both sides. Raises `ChainBroken`."""
        batch: dict[tuple[bytes, int], Record] = {}
        for record in records:
            actor, seq = record.actor, record.seq
            before = batch.get((actor, seq - 1))
            chain = before.chain if before else self.chain_at(actor, seq - 1)
            known = chain is not None or seq - 1 <= self._start.get(actor, 0)
            assert known, f"{actor.hex()[:8]}:{seq} comes before {seq - 1}: fill holes in order"
            joined = chain is None or next_chain(chain, record.data) == record.chain
            batch[actor, seq] = record
            if self._coverage.find(actor, seq + 1) is not None:
                after = self.read(actor, seq + 1, seq + 1, max_bytes=0)[0]
                joined = joined and next_chain(record.chain, after.data) == after.chain
            if not joined:
                text = f"{actor.hex()[:8]}:{seq} does not join the chain; ask another peer"
                raise ChainBroken(text, actor)

    def _origin(self, actor: bytes) -> Tip:
        return Tip(0, first_chain(self._cluster, self._shard, actor), None)

    def _tail_for(self, size: int) -> Tail:
        tail = self._tail
        if tail is not None:
            full = tail.segment.end + size > self._limits.segment_bytes
            if not (full and tail.segment.records):
                return tail
            self._seal(tail)
        return self._new_tail()

    def _seal(self, tail: Tail) -> None:
        tail.seal(self._tips)
        self._segments.append(tail.segment)
        self._reader.tail = None

    def _new_tail(self) -> Tail:
        header = Header(
            magic=LOG_MAGIC,
            number=self._last_number + 1,
            id=self._entropy(ID_BYTES),
            cluster=self._cluster,
            shard=self._shard,
            first_batch=self._last_batch + 1,
            synced=self._last_batch,
        )
        tail = Tail.create(self._disk, header, Base(dict(self._tips)))
        tail.publish()
        self._last_number += 1
        self._reader.tail = tail
        return tail

    def _find_missing(self) -> tuple[Missing, ...]:
        seqs = {actor: tip.seq for actor, tip in self._tips.items()}
        return self._coverage.missing(self._start, seqs)

    def _recovery(self, opened: Opened) -> Recovery:
        recovery = Recovery(
            tips=MappingProxyType(dict(self._tips)),
            clock=MappingProxyType(self.clock()),
            missing=self._missing,
            unidentified=tuple(opened.unidentified),
            quarantined=tuple(opened.quarantined),
            cut=opened.cut,
            problems=tuple(opened.problems),
        )
        return replace(recovery, problems=(*recovery.problems, *recovery.lost))

    def _check_sound(self) -> None:
        if self._poison is not None:
            raise Poisoned(f"nothing can be appended any more: {self._poison}")
