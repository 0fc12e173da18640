"""A box of a chosen size, and what one request or reading in it costs.

A request goes the whole way, as at its origin and at a reader: plan, operations, records,
operations out of these, effects on the rows. Then all of it is taken back, so that the next trial
finds the same box. Neither the commit counts, which a node shares among many, nor the taking back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from statistics import median
from time import thread_time_ns
from typing import TypeAlias

from msgspec import Struct

from benchmarks.load import SEED
from crdt import (
    Body,
    Born,
    Dot,
    Draft,
    Head,
    Request,
    Rows,
    State,
    first_head,
    plan,
    read,
    write,
)

TRIALS_MAX = 200
TRIALS_MIN = 3
STEPS_PER_TRANSACTION = 2_000
NS_PER_US = 1_000

Reading: TypeAlias = Callable[[State], object]
"""Reads all that it asks for; what it returns is of no interest."""


class Cost(Struct, frozen=True):
    """Of one request or reading. `rows`: rows read, changed, and given by scans; `record_bytes`:
    of all its records together (0: a reading)."""

    cpu_us: float
    rows: int
    record_bytes: int = 0


class CountedRows:
    """Rows that count: reads, changes, and the rows that scans give."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.count = 0
        self.begin = rows.begin
        self.fetch = rows.fetch
        self.commit = rows.commit
        self.rollback = rows.rollback

    def get(self, table: str, key: bytes) -> bytes | None:
        self.count += 1
        return self._rows.get(table, key)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self.count += 1
        self._rows.put(table, key, value)

    def remove(self, table: str, key: bytes) -> None:
        self.count += 1
        self._rows.remove(table, key)

    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self.count += 1
        for row in self._rows.scan(table, start, stop, reverse=reverse):
            self.count += 1
            yield row


class GrownBox:
    """One actor fills it with `do`, up to `done`; then it is measured."""

    def __init__(self, rows: Rows) -> None:
        self._rows = CountedRows(rows)
        self._state = State(self._rows)
        self._head = first_head("cluster", "shard", f"{SEED:016}".encode())
        self._rows.begin()
        self.do(Born("node", b"", None))

    def do(self, body: Body) -> Dot:
        operation, _, self._head = write(self._head, _draft(body, self._head))
        self._state.apply(operation)
        if operation.dot.seq % STEPS_PER_TRANSACTION == 0:
            self._rows.commit()
            self._rows.begin()
        return operation.dot

    def done(self) -> None:
        self._rows.commit()

    # Measuring

    def cost(self, asked: Request | Reading, *, warm: bool, trials_ns: int) -> Cost:
        """`warm`: something was asked of the same place since the tree of names changed.

        It is tried again until so much processor time is spent, or TRIALS_MAX times.
        """
        trials: list[Cost] = []
        spent_us = 0.0
        while len(trials) < TRIALS_MIN or (
            len(trials) < TRIALS_MAX and spent_us * NS_PER_US < trials_ns
        ):
            trials.append(self._trial(asked, warm=warm))
            spent_us += trials[-1].cpu_us
        one = trials[-1]
        return Cost(median(trial.cpu_us for trial in trials), one.rows, one.record_bytes)

    def _trial(self, asked: Request | Reading, *, warm: bool) -> Cost:
        """Rows that were rolled back have forgotten what was read of the tree."""
        self._state.rows.begin()
        if warm:
            self._plan(asked)
        self._rows.count = 0
        start = thread_time_ns()
        record_bytes = sum(map(len, self._done_and_read(self._plan(asked))))
        spent = thread_time_ns() - start
        rows = self._rows.count
        self._state.rows.rollback()
        return Cost(spent / NS_PER_US, rows, record_bytes)

    def _plan(self, asked: Request | Reading) -> tuple[Body, ...]:
        if callable(asked):
            asked(self._state)
            return ()
        return plan(self._state, asked, self._next_dot).bodies

    def _next_dot(self, place: int) -> Dot:
        return Dot(self._head.actor, self._head.seq + 1 + place)

    def _done_and_read(self, bodies: Iterable[Body]) -> Iterator[bytes]:
        """The records of operations that were written, read and applied."""
        writer = reader = self._head
        for body in bodies:
            _, record, writer = write(writer, _draft(body, writer))
            operation, _, reader = read(reader, record.data)
            self._state.apply(operation)
            yield record.data


def _draft(body: Body, head: Head) -> Draft:
    return Draft(body, head.lamport + 1, head.others)
