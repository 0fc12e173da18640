"""The view, slowly and plainly: docs/semantics.md written down a second time.

`view` is a pure function of the *set* of operations. It shares nothing with the incremental state
but the values it reads and returns; where the two differ, docs/semantics.md says who is wrong.
Read in this order: history (what ids mean, R10), remembered (R4–R7), visible (R1–R3), names (R8).
R9 has no part in the view; R11 and R12 are marked where they fall.
"""

from __future__ import annotations

from collections.abc import Iterable

from crdt import Operation, View
from tests.oracle.history import History
from tests.oracle.names import boxes
from tests.oracle.remembered import remember
from tests.oracle.visible import look


def view(operations: Iterable[Operation]) -> View:
    """What a user sees once `operations`, in whatever order, have been delivered."""
    return View(boxes(look(remember(History.of(operations)))))
