"""What waits for the next step of a shard's core.

Requests are bounded by count and bytes, received runs by link: at its bound, who brings work
waits, so a full node slows its callers and its peers instead of growing, and a peer that floods
its link finds the others' runs between its own. Control events answer work that was bounded
already, or come from a link one at a time.
"""

from __future__ import annotations

from collections import Counter, deque

from samebox.events import Arrived, Asked, Event, WorkEvent

REQUESTS_MAX = 2048
"""Requests waiting: a few batches' worth."""
REQUESTS_BYTES_MAX = 32 << 20
"""Of contents that ride with waiting requests."""
RUNS_PER_LINK = 2
"""Received runs of one link, each up to a frame: one in the step, one ready when it ends."""
TAKE_MAX = 512
"""Requests behind which a step takes no more work: bounds how long it keeps the loop, some 40 ms,
and the size of a batch."""
TAKE_RECORDS_MAX = 2 * TAKE_MAX
"""The same of received records, of which each costs about half of a request."""
TAKE_RUNS_MAX = 8
TAKE_BYTES_MAX = 8 << 20
"""Contents in one batch: what one sync of the packs has to write."""


class Incoming:
    def __init__(self) -> None:
        self._work: deque[WorkEvent] = deque()
        self._control: deque[Event] = deque()
        self._bytes = 0
        self._runs: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._work) + len(self._control)

    @property
    def has_work(self) -> bool:
        return bool(self._work)

    @property
    def has_told(self) -> bool:
        return bool(self._control)

    def is_full_for(self, event: WorkEvent) -> bool:
        if isinstance(event, Arrived):
            return self._runs[event.link] >= RUNS_PER_LINK
        return len(self._work) >= REQUESTS_MAX or self._bytes >= REQUESTS_BYTES_MAX

    def put(self, event: WorkEvent) -> bool:
        """Whether there was room for `event`; if not, whoever brings it waits first."""
        if self.is_full_for(event):
            return False
        self._work.append(event)
        if isinstance(event, Arrived) or event.carried:
            self._count(event, 1)
        return True

    def bring(self, event: WorkEvent) -> None:
        """For whoever knows that there is room."""
        is_in = self.put(event)
        assert is_in, "work was brought without room for it"

    def tell(self, event: Event) -> None:
        self._control.append(event)

    def withdraw(self, token: int) -> bool:
        """Take a request back that no step has taken yet; whether it was still here."""
        for event in self._work:
            if isinstance(event, Asked) and event.token == token:
                self._work.remove(event)
                self._count(event, -1)
                return True
        return False

    def withdraw_all(self) -> list[int]:
        """The same with all requests; their tokens."""
        requests = [event for event in self._work if isinstance(event, Asked)]
        for event in requests:
            self._count(event, -1)
        self._work = deque(event for event in self._work if isinstance(event, Arrived))
        return [event.token for event in requests]

    def take(self, *, busy: bool) -> list[Event]:
        """All control events, and unless `busy` a batch's worth of work."""
        events: list[Event] = list(self._control)
        self._control.clear()
        if not busy:
            events += self._take_work()
        return events

    def _take_work(self) -> list[WorkEvent]:
        taken: list[WorkEvent] = []
        cost = runs = size = 0
        while self._work and cost < TAKE_RECORDS_MAX and runs < TAKE_RUNS_MAX:
            event = self._work.popleft()
            taken.append(event)
            if isinstance(event, Arrived):
                runs += 1
                cost += len(event.records.items)
                self._count(event, -1)
                continue
            cost += TAKE_RECORDS_MAX // TAKE_MAX
            if event.carried:
                size += self._count(event, -1)
                if size >= TAKE_BYTES_MAX:
                    break
        return taken

    def _count(self, event: WorkEvent, step: int) -> int:
        """Returns the bytes of contents that ride with a request."""
        if isinstance(event, Arrived):
            self._runs[event.link] += step
            if not self._runs[event.link]:
                del self._runs[event.link]
            return 0
        length = sum([len(blob.data) for blob in event.carried])
        self._bytes += step * length
        return length
