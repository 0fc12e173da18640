"""The state against the log: a second state is made of the log, and the two are compared.

The second one begins with nothing, or where the log is cut with the oldest snapshot that the log
bears out: a later one may have been made of the rows that are judged. It gets the operations that
the kept rows say they hold, and then has to show what they show, with the same heads, births and
clock. Both are compared by what they show and not row by row, for one may have forgotten more of
what no longer shows than the other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeAlias, TypeVar

from msgspec import MsgspecError, Struct

from crdt import Clock, Record, Rows, State, StateLost, includes
from samebox.comparison import differences
from samebox.forgetting import ForgotTooMuch
from samebox.history import History
from samebox.image import Frozen, FrozenImage
from samebox.recovery import COMMIT_EVERY, begin_rows, runs
from samebox.snapshotting import (
    PAGE_ROWS,
    beginning_of,
    is_kept,
    load_steps,
    sound,
    tables_of,
)
from samebox.store import Store
from samebox.unwritten import Page, unsealed_page
from samebox.write_back import Bounds, WriteBackRows
from storage import (
    Damage,
    Damaged,
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    FileMissing,
    Portion,
    blocks_of,
)

STATE = "state"
"""In place of a file, where the rows of the state show something else than the log says."""
RECORDS_PER_STEP = 50
"""Read and applied at a time: at 84 us each, some milliseconds."""
DIFFERENCES_MAX = 100
"""Told: one would be enough to have the state made again, and these may say how it came."""
DIFFERENCE_CHARS_MAX = 2000
"""Of each: so many of them fit into one answer, whatever names and flags they show."""
TRIES_MAX = 3
"""Where a log is cut, or a state is made again, while it is read for this."""
READ_BOUNDS = Bounds(clean_rows=5000, clean_bytes=2 << 20)
"""Of the rows that are judged: they are read in order, and little of them twice."""

FIRST, LAST = b"\0", b"\xff"
"""Around every row of an image: the numbers of its tables."""

NOTHING = Portion()
"""Nothing can be done yet: rows have to be written first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart(Portion):
    """The next portion uses nothing that belongs to the thread of the store: any may do it."""


class Compared(Struct, frozen=True):
    """At so many operations the state was compared with the log; or `why_not`."""

    operations: int = 0
    why_not: str = ""


class Untrue(ForgotTooMuch):
    """The rows of the state show something else than the log says; so may snapshots of them."""


class _NotCompared(Exception):
    """Nothing is known to be wrong."""


class _Wrong(Exception):
    """The rows cannot be those of a state, or not of this log: no second one is needed."""


class _Moved(Exception):
    """What is compared went away meanwhile."""


T = TypeVar("T")
Steps: TypeAlias = Generator[Portion, None, Compared]


def check_state(store: Store) -> Steps:
    """To be driven by the thread that drives the store, but for what comes behind `Apart`. One at a
    time: who comes second waits for the first to end."""
    yield NOTHING
    while store.is_compared:
        yield NOTHING
    store.is_compared = True
    try:
        return (yield from _checked(store))
    finally:
        store.is_compared = False


def _checked(store: Store) -> Steps:
    for _ in range(TRIES_MAX):
        try:
            return (yield from _Check(store).steps())
        except (_Moved, FileMissing):
            continue
        except _Wrong as error:
            yield Portion(damages=(Damage(file=STATE, what=str(error)),))
            return Compared()
        except (_NotCompared, StateLost, Damaged, DiskReadFailed, DiskFull, DiskReadOnly) as error:
            return Compared(why_not=str(error))
        finally:
            store.surroundings.scratch.drop()
    return Compared(why_not="each time the log was cut meanwhile: verify again, or faster")


class _Check:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = store.log
        self._base = dict(store.log.base())
        self._scratch = store.surroundings.scratch

    def steps(self) -> Steps:
        rows = self._scratch.renew()
        yield from self._begun(rows)
        begin_rows(rows, b"")
        state, place = State(rows), self._store.place
        history = History(
            self._store.cluster,
            place.shard,
            state.rows,
            waiting_max=self._store.surroundings.limits.waiting_max,
        )
        yield from self._replayed(history, state, (yield from self._clock()))
        frozen = self._frozen()
        try:
            clock = _judged(frozen, _clock_of)
            if not includes(clock, history.clock):
                raise _Moved
            yield from self._replayed(history, state, clock)
            yield Apart()
            yield from _sums(frozen)
            yield from _compared(state, frozen)
        finally:
            frozen.close()
        return Compared(sum(clock.values()))

    def _begun(self, rows: Rows) -> Iterator[Portion]:
        """What is not in the log any more."""
        if not self._log.is_cut:
            return
        snapshots = sound(self._log, self._store.disks.log)
        if not snapshots:
            raise _NotCompared("no snapshot stands for the beginning of the log, which is cut")
        for length in load_steps(rows, blocks_of(self._log.disk, snapshots[-1])):
            yield Portion(bytes=length)
            yield from self._room()

    def _clock(self) -> Generator[Portion, None, Clock]:
        """Of the rows that are kept by now, once there are some."""
        while True:
            frozen = self._frozen()
            try:
                if _judged(frozen, lambda one: is_kept(one, tables_of(one))):
                    return _judged(frozen, _clock_of)
            finally:
                frozen.close()
            if self._store.keeper.trouble:
                raise _NotCompared(self._store.keeper.trouble)
            yield NOTHING

    def _frozen(self) -> Frozen:
        frozen = self._store.keeper.frozen()
        if frozen is None:
            raise _NotCompared("no rows of the state are kept")
        return frozen

    def _replayed(self, history: History, state: State, clock: Clock) -> Iterator[Portion]:
        """Up to `clock`. A hole that was filled later has its records behind those that follow it:
        as long as that gets on, the log is read once more."""
        before = None
        while not includes(history.clock, clock):
            if before == history.clock:
                if self._log.base() != self._base:  # it was cut, or begun anew
                    raise _Moved
                raise _Wrong("it holds operations to which the log does not lead")
            before = dict(history.clock)
            state.rows.begin()
            count = 0
            records = self._log.replay(before)
            while some := list(islice(records, RECORDS_PER_STEP)):
                _deliver(
                    history, state, (one for one in some if one.seq <= clock.get(one.actor, 0))
                )
                yield Portion(bytes=sum(len(record.data) for record in some))
                count += len(some)
                if count >= COMMIT_EVERY:
                    history.commit()
                    yield from self._room()
                    state.rows.begin()
                    count = 0
            history.commit()

    def _room(self) -> Iterator[Portion]:
        """Until more can be put into the second state."""
        while self._scratch.is_full:
            if self._scratch.trouble:
                raise _NotCompared(self._scratch.trouble)
            yield NOTHING


def _clock_of(frozen: Frozen) -> dict[bytes, int]:
    tips = beginning_of(frozen, tables_of(frozen)).tips
    return {actor: tip.seq for actor, tip in tips.items()}


def _judged(frozen: Frozen, read: Callable[[Frozen], T]) -> T:
    try:
        return read(frozen)
    except StateLost as error:
        raise _Wrong(str(error)) from error
    except (MsgspecError, ValueError) as error:
        raise _Wrong(f"its rows say what cannot be: {error}") from error


def _sums(frozen: Frozen) -> Iterator[Portion]:
    """Of every row that is kept, also of those that show nowhere."""
    after: bytes | None = FIRST
    while after is not None:
        after, length = _judged(frozen, partial(_next_page, after=after))
        yield Apart(bytes=length)


def _next_page(frozen: Frozen, after: bytes) -> tuple[bytes | None, int]:
    page = frozen.page(after, LAST, PAGE_ROWS)
    unsealed_page(page)
    return page[-1][0] + b"\0" if len(page) == PAGE_ROWS else None, _length(page)


def _length(page: Page) -> int:
    return sum([len(key) + len(value) for key, value in page])


def _deliver(history: History, state: State, records: Iterable[Record]) -> None:
    for run in runs(records):
        for item in history.replay(run):
            if state.lacks(item.operation):
                raise _NotCompared(
                    f"the oldest snapshot has forgotten what {item.operation.dot} may need"
                )
            state.apply(item.operation)


class _Counted(FrozenImage):
    """With what was read of it."""

    def __init__(self, frozen: Frozen) -> None:
        super().__init__(frozen)
        self.read = 0
        page, find = frozen.page, frozen.find
        self.page = lambda *given, **named: self._counting(page(*given, **named))
        self.find = lambda keys: self._counting(find(keys))

    def _counting(self, page: Page) -> Page:
        self.read += _length(page)
        return page


def _compared(told: State, frozen: Frozen) -> Iterator[Portion]:
    image = _Counted(frozen)
    kept = _judged(frozen, lambda _: State(WriteBackRows(image, READ_BOUNDS)))
    count = before = 0
    for difference in differences(told, kept):
        if difference is None:
            yield Apart(bytes=image.read - before)
            before = image.read
            continue
        count += 1
        yield Apart(damages=(Damage(file=STATE, what=difference[:DIFFERENCE_CHARS_MAX]),))
        if count == DIFFERENCES_MAX:
            return
