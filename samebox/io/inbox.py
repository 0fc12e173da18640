"""What waits for the next step of a shard's core: events, and questions to its state.

Work (what may make operations) is bounded by count: at the bound, who brings it waits, so a full
node slows its callers and its peers instead of growing. Control events are answers to work that
was bounded already; links bring theirs through the same bound.
"""

from __future__ import annotations

from collections import deque

import trio

from samebox.events import Asked, Event, WorkEvent

WORK_MAX = 2048
"""Requests and received runs waiting: a few batches' worth."""
TAKE_MAX = 512
"""Work that one step takes: bounds how long a step keeps the loop, and the size of a batch."""
RUNS_MAX = 8
"""Received runs that one step takes: each is up to a frame of records."""


class Inbox:
    def __init__(self) -> None:
        self._work: deque[WorkEvent] = deque()
        self._control: deque[Event] = deque()
        self._news = trio.Event()
        self._room = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._work) + len(self._control)

    async def bring(self, event: WorkEvent) -> None:
        """Hand in work; waits while the inbox is full."""
        while len(self._work) >= WORK_MAX:
            await self._room.park()
        self._work.append(event)
        self._news.set()

    def withdraw(self, token: int) -> bool:
        """Take a request back that no step has taken yet; whether it was still here."""
        for event in self._work:
            if isinstance(event, Asked) and event.token == token:
                self._work.remove(event)
                return True
        return False

    def tell(self, event: Event) -> None:
        self._control.append(event)
        self._news.set()

    def stir(self) -> None:
        """Let the loop look again, without an event."""
        self._news.set()

    async def news(self) -> None:
        """Until something was brought, told or stirred since the last `take`."""
        await self._news.wait()

    def take(self, *, busy: bool) -> list[Event]:
        """All control events, and unless `busy` a batch's worth of work."""
        self._news = trio.Event()
        events: list[Event] = list(self._control)
        self._control.clear()
        if busy:
            return events
        runs = 0
        while self._work and len(events) < TAKE_MAX and runs < RUNS_MAX:
            event = self._work.popleft()
            runs += not isinstance(event, Asked)
            events.append(event)
        self._room.unpark(count=len(events))
        if self._work:
            self._news.set()
        return events
