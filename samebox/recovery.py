"""A shard's history and state as its log tells them: what a restart begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from crdt import Operation, Record, State
from samebox.history import History

COMMIT_EVERY = 2000
"""Operations per transaction of the state while it is rebuilt."""


def rebuild(
    history: History, state: State, replay: Callable[[], Iterable[Record]]
) -> Iterator[Operation]:
    """Deliver the records of a log to an empty history and state; yields what it delivers.

    `replay` gives all records in the order of the log. A hole that was filled later has its
    records behind those that follow it, so what came too early is read once more, as long as that
    gets on. Records behind a hole stay out: they are asked for again like any that is missing.
    """
    state.rows.begin()
    count = 0
    is_early = is_getting_on = True
    while is_early and is_getting_on:
        is_early = is_getting_on = False
        for record in replay():
            is_early = is_early or record.seq > history.expected(record.actor)
            for item in history.replay(record):
                state.apply(item.operation)
                yield item.operation
                is_getting_on = True
                count += 1
            if count >= COMMIT_EVERY:
                state.rows.commit()
                state.rows.begin()
                count = 0
    state.rows.commit()
