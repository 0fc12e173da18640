"""What folding asks of what was removed, and how much it may do at a time."""

from __future__ import annotations

from crdt.ids import Clock
from crdt.keys import id_in, within
from crdt.rows import Rows
from crdt.tables import ISSUED, ISSUES


class Budget:
    """How many things a call may look at: an entry, a node, a request, a few rows each."""

    def __init__(self, things: int) -> None:
        self._things = things
        self.spent = 0

    @property
    def is_spent(self) -> bool:
        return self.spent >= self._things

    def spend(self) -> None:
        self.spent += 1

    def share_of(self, things: list[bytes]) -> list[bytes]:
        """The first of these, as many as may still be looked at: they are."""
        share = things[: max(0, self._things - self.spent)]
        self.spent += len(share)
        return share


def is_settled(rows: Rows, stable: Clock, issue: bytes) -> bool:
    """Whether every operation of an issue is stable: then it never gets another meaning (R10)."""
    return unsettled(rows, stable, issue) is None


def unsettled(rows: Rows, stable: Clock, issue: bytes) -> bytes | None:
    """An operation of the issue that is not stable."""
    value = rows.get(ISSUES, issue)
    if value is None:
        return None
    ids = (id_in(one.stamp) for one in ISSUED.decode(value))
    return next((id for id in ids if not within(stable, id)), None)
