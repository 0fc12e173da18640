"""A shard's history and state after a start: what was kept of them, and what the log tells beyond.

The kept rows are the state at some commit. They are gone on from where the log proves that they
are a part of it: they are of this store, every operation in them is in the log without a hole
before it, and the last of every actor has the same chain there. Otherwise they are made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from crdt import Actor, Operation, Record, Rows, State, StateLost
from samebox.events import Notice
from samebox.history import History
from samebox.history_rows import kept_heads
from storage import Log, Told

COMMIT_EVERY = 2000
"""Operations per transaction of the state while it is made."""
RUN_MAX = 100
"""Records of one actor that are taken together."""
TELL_EVERY = 100_000
"""Operations between two lines about how far it is: some seconds."""
ROWS_VERSION = 4
"""Of what the tables mean. Rows of another version are made again from the log."""

ORIGIN = "origin"
"""Version and store of the rows."""
ORIGIN_KEY = b""
OUTDATED_KEY = b"outdated"
"""Beside it: why they have to be made again."""
UNSURE_KEY = b"unsure"
"""Beside it, while operations are in the rows whose blobs were not asked for yet."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, bytes]).decode


def rebuild(
    history: History,
    state: State,
    replay: Callable[[], Iterable[Record]],
    *,
    committed: Callable[[], None] = lambda: None,
) -> Iterator[Operation]:
    """Deliver the records of a log to a history and state that lag behind; yields what it delivers.

    `replay` gives all records in the order of the log, from some place on that the history covers.
    A hole that was filled later has its records behind those that follow it, so what came too early
    is read once more, as long as that gets on. Records behind a hole stay out: they are asked for
    again like any that is missing. `committed` is called between two transactions. Raises StateLost
    where the rows are those of an earlier commit, before they had to be made again.
    """
    state.rows.begin()
    count = 0
    is_early = is_getting_on = True
    while is_early and is_getting_on:
        is_early = is_getting_on = False
        for run in runs(replay()):
            for item in history.replay(run):
                if state.lacks(item.operation):
                    raise StateLost(f"it has forgotten what {item.operation.dot} may need")
                state.apply(item.operation)
                yield item.operation
                is_getting_on = True
                count += 1
            is_early = is_early or history.expected(run[-1].actor) <= run[-1].seq
            if count >= COMMIT_EVERY:
                history.commit()
                committed()
                state.rows.begin()
                count = 0
    history.commit()


def runs(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Neighbours that follow each other, which are taken together at less cost."""
    run: list[Record] = []
    for record in records:
        follows = run and (record.actor, record.seq) == (run[-1].actor, run[-1].seq + 1)
        if run and (not follows or len(run) == RUN_MAX):
            yield run
            run = []
        run.append(record)
    if run:
        yield run


def begin_rows(rows: Rows, store: bytes) -> None:
    """Say in empty rows whose they are."""
    rows.begin()
    rows.put(ORIGIN, ORIGIN_KEY, _encode((ROWS_VERSION, store)))
    rows.commit()


def is_begun(origin: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether these are the rows of a state, and not the first of a snapshot that is being loaded,
    nor marked as outdated."""
    keys = [key for key, _ in origin]
    return ORIGIN_KEY in keys and OUTDATED_KEY not in keys


def outdate(rows: Rows, why: str) -> None:
    """These rows are not to be gone on from."""
    rows.begin()
    rows.put(ORIGIN, OUTDATED_KEY, why.encode())
    rows.commit()


def is_outdated(rows: Rows) -> bool:
    """Whether they were marked so: then whatever was made of them is of no use either."""
    return rows.get(ORIGIN, OUTDATED_KEY) is not None


def kept_clock(rows: Rows, store: bytes) -> dict[Actor, int]:
    """What rows of this store have applied, though they may be of no use any more: a log that has
    less was put back."""
    found = rows.get(ORIGIN, ORIGIN_KEY)
    if found is None or _decode(found) != (ROWS_VERSION, store):
        return {}
    return {head.actor: head.seq for head in kept_heads(rows)}


def foreign(rows: Rows, store: bytes) -> str | None:
    """Why these rows say nothing about this store; None where they do."""
    found = rows.get(ORIGIN, ORIGIN_KEY)
    if found is None:
        return "no state was kept yet"
    version, of = _decode(found)
    if version != ROWS_VERSION:
        return f"it was made by another version (rows {version}, here {ROWS_VERSION})"
    if of != store:
        return "it is of another data directory"
    outdated = rows.get(ORIGIN, OUTDATED_KEY)
    return None if outdated is None else outdated.decode()


def apart(told: Told, log: Log) -> str | None:
    """Why what is told by kept rows or a snapshot is no part of what the log holds; None where it
    is one. Then the log goes on from there.

    Of a log that is cut, damage below it is none: peers may have cut theirs as well. Raises
    LogDamaged.
    """
    if log.is_cut:
        return log.unproven(told)
    held = log.clock()
    for actor, (seq, chain) in told.items():
        name = f"{actor.hex()[:8]}:{seq}"
        if seq > held.get(actor, 0):
            return f"it goes up to {name}, the log without a hole up to {held.get(actor, 0)}"
        if log.chain_at(actor, seq) != chain:
            return f"it holds another history up to {name} than the log"
    return None


class Progress:
    """Lines about a replay: how far it is, and how long it takes still."""

    def __init__(self, total: int, tell: Callable[[Notice], None]) -> None:
        self._total = total
        self._tell = tell
        self._done = 0

    def operation(self) -> None:
        self._done += 1
        if self._done % TELL_EVERY == 0:
            self._tell(Notice(f"{self._done:,} of {self._total:,} operations read"))
