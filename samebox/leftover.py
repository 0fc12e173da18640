"""What of a step is still to be done, where the state is lost or a new actor is to come."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeGuard

from samebox.events import Arrived, Asked, Event, Failure, WorkEvent
from samebox.making import Making

WORK = frozenset((Asked, Arrived))
"""The types of a WorkEvent: to ask `isinstance` of structs in vain takes longer."""

TOO_LATE = Failure("the deadline passed before this node took the request")


class Leftover:
    """`dropped` is the number of a batch of which no end is awaited any more; `is_moved` where a
    snapshot was taken over, and the state lost again before the core knew of it."""

    def __init__(self) -> None:
        self.control: deque[Event] = deque()
        self.work: list[WorkEvent] = []
        self.dropped = 0
        self.is_moved = False

    def take(self, events: Sequence[Event]) -> None:
        self.work = []
        for event in events:
            if is_work(event):
                self.work.append(event)
            else:
                self.control.append(event)

    def drop(self, number: int, making: Making | None) -> None:
        """The requests of the batch that was under way are made again: what the log has of them
        answers them."""
        self.dropped = number
        if making is not None:
            self.work = [*making.asked, *self.work]

    def has_moved(self) -> bool:
        """Once, when the core goes on."""
        is_moved, self.is_moved = self.is_moved, False
        return is_moved


def is_work(event: Event) -> TypeGuard[WorkEvent]:
    return type(event) in WORK


def take_back(work: list[WorkEvent], token: int) -> bool:
    """Take the request of a caller out of `work`; whether it was there."""
    for event in work:
        if isinstance(event, Asked) and event.token == token:
            work.remove(event)
            return True
    return False
