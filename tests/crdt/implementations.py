"""The ways to compute a view: the oracle, and the state over each kind of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest

from crdt import Operation, Rows, State, View
from tests import oracle
from tests.rows_kept import KINDS

ROWS: dict[str, Callable[[], Rows]] = KINDS
QUICK_ROWS = [
    pytest.param(name, marks=pytest.mark.slow) if name == "sqlite" else name for name in ROWS
]
"""SQLite alone is the dearest, and is what the kind that writes back lies on."""


def state_of(operations: Iterable[Operation], rows: Rows) -> State:
    """A state that was given `operations` in the order given, one transaction each."""
    state = State(rows)
    for operation in operations:
        state.rows.begin()
        state.apply(operation)
        state.rows.commit()
    return state


Viewer = Callable[[Sequence[Operation]], View]
"""View after operations that are delivered in the order given."""


def _viewer(make: Callable[[], Rows]) -> Viewer:
    return lambda operations: state_of(operations, make()).view()


VIEWERS: dict[str, Viewer] = {
    "oracle": oracle.view,
    **{name: _viewer(make) for name, make in ROWS.items()},
}
