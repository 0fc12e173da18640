"""How a log is opened.

1. Read the header of every segment. A foreign or newer one ends the start before anything is
   changed.
2. A segment that another one took over (its header says so) is done with: it is removed, or set
   aside if it was damaged. This finishes what a crash interrupted in step 6. So is every segment
   before one that says that the log *begins* there: what they held is in a snapshot.
3. Every segment but the last must be sealed. Read the trailers and indexes.
4. One that is not whole is *damaged*: it is renamed so and read frame by frame; what verifies in
   it counts. One that has no readable header is set aside.
5. From indexes and bases follows what the log must hold; what no segment holds is missing.
6. The last segment, if unsealed, is judged (`storage.verdict`), and what counts of it is written
   to a new segment, which is synced, named and its directory synced; then the old one goes.

Nothing is removed but files made here that hold nothing more, and stray files are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from storage.coverage import Coverage, Span, runs_of
from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed
from storage.files import ASIDE, DAMAGED, NEW, FileName, parse_name, set_state
from storage.frames import MARK, mark_in, readable_records, scan, seed_of
from storage.header import (
    ID_BYTES,
    LOG_MAGIC,
    NO_ID,
    Header,
    check_ours,
    find_header,
)
from storage.index import Index, Tip
from storage.recovery import Continuity, Unsealed, load_unsealed, take_over
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
from storage.tail import Tail
from storage.verdict import Cut

SEGMENT = "segment"
_STATES = (SEGMENT, DAMAGED, ASIDE, NEW)


@dataclass(slots=True, kw_only=True)
class Opened:
    """What the directory held, and what was found out about it on the way.

    Of a log that `is_cut` the first segments are gone: a snapshot or a state stands for at least
    `ground`, the tips before the first segment that is left, as far as its base reads.
    """

    segments: list[Segment] = field(default_factory=list)
    tail: Tail | None = None
    is_cut: bool = False
    ground: dict[bytes, Tip] = field(default_factory=dict)
    coverage: Coverage = field(default_factory=Coverage)
    tips: dict[bytes, Tip] = field(default_factory=dict)
    last_batch: int = 0
    last_number: int = 0
    cut: Cut | None = None
    unidentified: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def open_segments(
    disk: Disk, *, cluster: str, shard: str, entropy: Callable[[int], bytes]
) -> Opened:
    """Raises `NotOurs`, `TooNew` with nothing changed, `DiskError` with nothing lost."""
    return _Opening(disk, cluster, shard, entropy).run()


class _Opening:
    def __init__(
        self, disk: Disk, cluster: str, shard: str, entropy: Callable[[int], bytes]
    ) -> None:
        self.disk = disk
        self.cluster = cluster
        self.shard = shard
        self.entropy = entropy
        self.result = Opened()
        self.headers: dict[FileName, Header] = {}
        self.unreadable: list[FileName] = []
        self.leftovers: list[FileName] = []

    def run(self) -> Opened:
        for name in self._survey():
            self._read_header(name)
        self._finish_takeovers()
        self._finish_beginning()
        names = sorted(self.headers)
        last = names[-1] if names else None
        if last is not None:
            self._find_ground(names[0])
            self._add_base(last)
        unsealed = None
        for name in names:
            if self._add_sealed(name, check_offsets=name is last):
                continue
            if name is last and name.state == SEGMENT:
                unsealed = name
            else:
                self._add_damaged(name)
        if unsealed is not None:
            self._add_tail(unsealed)
        self._set_unreadable_aside(last)
        return self.result

    def _survey(self) -> Iterable[FileName]:
        in_use: list[FileName] = []
        for text in self.disk.names():
            name = parse_name(text, kind="log", states=_STATES)
            if name is None:
                if text.startswith("log-"):
                    self._say(f"{text} is no file of this log; it is left alone")
                continue
            self.result.last_number = max(self.result.last_number, name.number)
            if name.state == NEW:
                self.leftovers.append(name)
            elif name.state != ASIDE:
                in_use.append(name)
        return in_use

    def _read_header(self, name: FileName) -> None:
        try:
            header = self._any_header(name)
        except Damaged as error:
            self.unreadable.append(name)
            self._say(f"{error}; the file is set aside")
            return
        check_ours(header, cluster=self.cluster, shard=self.shard, where=name.text)
        if header.number != name.number:
            self._say(f"{name.text} was made as number {header.number}; it is left alone")
        else:
            self.headers[name] = header

    def _any_header(self, name: FileName) -> Header:
        try:
            return read_header(self.disk, name)[0]
        except (Damaged, DiskReadFailed):
            return find_header(read_whole(self.disk, name), LOG_MAGIC, name.text)[0]

    def _finish_takeovers(self) -> None:
        """The new segment's name must be durable before the old file goes."""
        successors = {h.replaces: h for h in self.headers.values() if h.replaces != NO_ID}
        old = [name for name, header in self.headers.items() if header.id in successors]
        if old or self.leftovers:
            self.disk.sync_directory()
        for name in old:
            damaged = successors[self.headers.pop(name).id].replaced_damaged
            self._retire(name, keep=damaged)
        for name in self.leftovers:
            self.disk.remove(name.text)
            self._say(f"{name.text} was never finished; it is removed")

    def _finish_beginning(self) -> None:
        """They are set aside, for whether a person may want them is not known here any more."""
        begins = [name for name, header in self.headers.items() if header.begins]
        old = [name for name in sorted(self.headers) if begins and name < max(begins)]
        if old:
            self.disk.sync_directory()
        for name in old:
            del self.headers[name]
            self._retire(name, keep=True)

    def _find_ground(self, first: FileName) -> None:
        header = self.headers[first]
        self.result.is_cut = header.begins or header.first_batch > 1
        if self.result.is_cut:
            try:
                _, header_bytes = read_header(self.disk, first)
                base, _ = read_base(self.disk, first, header.id, header_bytes)
                self.result.ground = base.tips
            except (Damaged, DiskReadFailed):
                pass  # it is read as damaged below; what the log stands on is judged without it

    def _retire(self, name: FileName, *, keep: bool) -> None:
        if keep:
            set_state(self.disk, name, state=ASIDE)
        else:
            self.disk.remove(name.text)
            self.disk.sync_directory()

    def _add_sealed(self, name: FileName, *, check_offsets: bool) -> bool:
        """False where the segment is not sealed or not whole. A crash can tear only the last."""
        if name.state == DAMAGED:
            return False
        try:
            header, header_bytes = read_header(self.disk, name)
            trailer = read_trailer(self.disk, name)
            if trailer is None or trailer.id != header.id:
                return False
            index = read_index(self.disk, name, trailer)
            _, start = read_base(self.disk, name, header.id, header_bytes)
        except (Damaged, DiskReadFailed):
            return False
        segment = Segment(
            name=name,
            id=header.id,
            state=State.SEALED,
            start=start,
            end=trailer.index_at,
            header_bytes=header_bytes,
            records=index.records,
            trailer=trailer,
        )
        if check_offsets and not self._has_offsets(segment):
            return False
        self.result.segments.append(segment)
        for actor, part in index.actors.items():
            self._cover(name, actor, part.runs)
        self._add_index(index)
        return True

    def _has_offsets(self, segment: Segment) -> bool:
        try:
            read_offsets(self.disk, segment)
        except (Damaged, DiskReadFailed):
            return False
        return True

    def _add_index(self, index: Index) -> None:
        self.result.last_batch = max(self.result.last_batch, index.last_batch)
        for actor, part in index.actors.items():
            self._raise_tip(actor, part.tip)

    def _cover(self, name: FileName, actor: bytes, runs: Iterable[tuple[int, int]]) -> None:
        for first, last in runs:
            if not self.result.coverage.add_missing_part(actor, Span(first, last, name.number)):
                place = f"{actor.hex()[:8]}:{first}-{last}"
                self._say(f"{name.text} holds {place}, which other segments hold as well")

    def _add_damaged(self, name: FileName) -> None:
        """Every record that verifies counts; index and base say what else there was."""
        header = self.headers[name]
        buffer, seed = read_whole(self.disk, name), seed_of(header.id)
        records = readable_records(buffer, 0, len(buffer), seed=seed)
        for run in runs_of(records, name.number):
            self._cover(name, run.actor, [(run.span.first, run.span.last)])
            self._raise_tip(run.actor, Tip(run.span.last, run.chain, None))
        marks = (mark_in(buffer, f) for f in scan(buffer, 0, seed=seed) if f.type == MARK)
        numbers = [header.first_batch - 1, *(mark.number for mark in marks)]
        self.result.last_batch = max(self.result.last_batch, *numbers)
        index = self._index_of(name, header)
        if index is not None:
            self._add_index(index)
        elif name == max(self.headers):
            self.result.unidentified.append(name.text)
        self._quarantine(name)
        segment = Segment(
            name=name._replace(state=DAMAGED),
            id=header.id,
            state=State.DAMAGED,
            start=0,
            end=len(buffer),
            header_bytes=0,
            records=len(records),
        )
        self.result.segments.append(segment)

    def _index_of(self, name: FileName, header: Header) -> Index | None:
        try:
            trailer = read_trailer(self.disk, name)
            if trailer is not None and trailer.id == header.id:
                return read_index(self.disk, name, trailer)
        except (Damaged, DiskReadFailed):
            pass  # the bases of later segments say the same, and without them it is unidentified
        return None

    def _quarantine(self, name: FileName) -> None:
        if name.state != DAMAGED:
            self._say(
                f"{name.text} is damaged; it is kept as .{DAMAGED}, and what reads of it is used"
            )
            name = set_state(self.disk, name, state=DAMAGED)
        self.result.quarantined.append(name.text)

    def _add_base(self, last: FileName) -> None:
        """The last base names every actor's tip, whether or not the segments before it are here."""
        try:
            header, header_bytes = read_header(self.disk, last)
            base, _ = read_base(self.disk, last, header.id, header_bytes)
        except (Damaged, DiskReadFailed):
            return
        self.result.last_batch = max(self.result.last_batch, header.first_batch - 1)
        for actor, tip in base.tips.items():
            self._raise_tip(actor, tip)

    def _raise_tip(self, actor: bytes, tip: Tip) -> None:
        known = self.result.tips.get(actor)
        if known is None or (tip.seq, tip.head is not None) > (known.seq, known.head is not None):
            self.result.tips[actor] = tip
        if known is not None and known.seq == tip.seq and known.chain != tip.chain:
            self._say(f"{actor.hex()[:8]}:{tip.seq} has two chains in this log")
            self.result.unidentified.append(f"{actor.hex()[:8]}:{tip.seq}")

    def _add_tail(self, name: FileName) -> None:
        found = load_unsealed(self.disk, name)
        if found.base is not None and found.start == len(found.buffer):
            self._resume(found)
            return
        self.result.last_number += 1
        draft = Header(
            magic=LOG_MAGIC,
            number=self.result.last_number,
            id=self.entropy(ID_BYTES),
            cluster=self.cluster,
            shard=self.shard,
            replaces=found.header.id,
            begins=found.header.begins,
            first_batch=found.header.first_batch,
        )
        continuity = Continuity(
            self.result.tips, self.result.coverage, cluster=self.cluster, shard=self.shard
        )
        taken = take_over(self.disk, found, draft, continuity, self.result.problems)
        self.result.tail = taken.tail
        self.result.last_batch = taken.tail.last_batch
        self._say_cut(taken.cut)
        if taken.damaged:
            self.result.unidentified.append(name.text)
            self.result.quarantined.append(name._replace(state=ASIDE).text)
            self._say(
                f"{name.text} is damaged; it is kept as .{ASIDE}, and what reads of it is used"
            )
        self._retire(name, keep=taken.damaged)

    def _resume(self, found: Unsealed) -> None:
        """A tail without a record goes on as it is, once its name is sure to be durable."""
        self.disk.sync_directory()
        segment = Segment(
            name=found.name,
            id=found.header.id,
            state=State.TAIL,
            start=found.start,
            end=found.start,
            header_bytes=found.header_bytes,
            records=0,
        )
        self.result.tail = Tail(self.disk, found.header, segment)
        self.result.last_batch = self.result.tail.last_batch

    def _say_cut(self, cut: Cut | None) -> None:
        self.result.cut = cut
        if cut is not None:
            self._say(f"{cut.name}: {cut.size} bytes from offset {cut.offset} on were torn and cut")

    def _set_unreadable_aside(self, last: FileName | None) -> None:
        """After the last segment nothing says what such a file held; before it, the base does."""
        for name in self.unreadable:
            if last is None or name.number > last.number:
                self.result.unidentified.append(name.text)
            aside = set_state(self.disk, name, state=ASIDE)
            self.result.quarantined.append(aside.text)

    def _say(self, problem: str) -> None:
        self.result.problems.append(problem)
