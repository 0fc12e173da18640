"""A shard's history and state as its log tells them: what a restart begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crdt import Operation, Record, State
from samebox.history import History

COMMIT_EVERY = 2000
"""Operations per transaction of the state while it is rebuilt."""


def rebuild(history: History, state: State, records: Iterable[Record]) -> Iterator[Operation]:
    """Deliver `records` to an empty history and state, as it is iterated; yields what it delivers.

    Records behind a hole stay out: they are asked for again like any that is missing.
    """
    state.rows.begin()
    count = 0
    for record in records:
        for item in history.replay(record):
            state.apply(item.operation)
            yield item.operation
            count += 1
        if count >= COMMIT_EVERY:
            state.rows.commit()
            state.rows.begin()
            count = 0
    state.rows.commit()
