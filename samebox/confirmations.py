"""Who waits for which operations to be held by how many members.

A caller that waits for its own operations waits for one seq of one actor: those waits form a
queue for each number of copies, and an acknowledgement releases from its front. A wait for an
arbitrary clock is looked at whenever something was acknowledged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from msgspec import Struct

from comm import ACTORS_MAX
from crdt import Actor, Dot, covers, includes
from samebox.events import Doubt, Receipt

QUEUE_SLACK = 1024
"""Abandoned waits that a queue may hold before it is swept."""


class Holding(Struct):
    """What one other member is known to hold durably: the operations in `clock`, and the blobs
    of all of them but those in `missing`. With `more`, the list was cut: nothing is counted.
    Of the actor that is `doubted` it may have another history: it counts as holding none of it."""

    node: str
    clock: dict[Actor, int]
    missing: tuple[Dot, ...] = ()
    more: bool = False
    forked: list[Actor] = []
    doubted: Doubt | None = None

    def learn(self, entries: Iterable[tuple[Actor, int]]) -> None:
        """What the member says it holds. Of an actor of which it has another history, it holds
        nothing that this node means."""
        for actor, seq in entries:
            known = self.clock.get(actor)
            if known is None and (actor in self.forked or len(self.clock) >= ACTORS_MAX):
                continue
            self.clock[actor] = max(seq, known or 0)

    def fork(self, actor: Actor) -> None:
        if actor not in self.forked:
            self.forked.append(actor)
            self.clock.pop(actor, None)

    def holds(self, receipt: Receipt, dots: tuple[Dot, ...]) -> bool:
        """Whether it holds all that `receipt` names, and the blobs of `dots` (of all, if none)."""
        if self.more or not includes(self.clock, receipt.clock):
            return False
        if self.doubted is not None and self.doubted.actor in receipt.clock:
            return False
        if not self.missing:
            return True
        if dots:
            return not any(dot in self.missing for dot in dots)
        return not any(covers(receipt.clock, dot) for dot in self.missing)


class Waiting(Struct, frozen=True, gc=False):
    token: int
    receipt: Receipt
    dots: tuple[Dot, ...]
    copies: int

    def nodes(self, members: list[Holding]) -> list[str]:
        return [member.node for member in members if member.holds(self.receipt, self.dots)]


class Confirmations:
    def __init__(self) -> None:
        self._queues: dict[int, deque[tuple[int, int]]] = {}
        self._waits: dict[int, Waiting] = {}
        self._general: dict[int, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def add(self, waiting: Waiting, own: int | None) -> None:
        """`own` is the seq of the own actor to wait for, or None where the clock says it all."""
        self._waits[waiting.token] = waiting
        queue = self._queues.setdefault(waiting.copies, deque())
        if own is None or (queue and own < queue[-1][0]):  # a repeated request's are earlier ones
            self._general[waiting.token] = waiting
        else:
            queue.append((own, waiting.token))

    def abandon(self, token: int) -> Waiting | None:
        self._general.pop(token, None)
        waiting = self._waits.pop(token, None)
        if waiting is not None:
            self._sweep(waiting.copies)
        return waiting

    def _sweep(self, copies: int) -> None:
        """Abandoned callers leave the queue once they are most of it, so it cannot grow."""
        queue = self._queues.get(copies)
        if queue is not None and len(queue) > 2 * len(self._waits) + QUEUE_SLACK:
            self._queues[copies] = deque(item for item in queue if item[1] in self._waits)

    def generalise(self) -> None:
        """The own actor changed: the queues' seqs were another actor's."""
        self._queues.clear()
        self._general = dict(self._waits)

    def released(
        self, actor: Actor, clock: Mapping[Actor, int], members: list[Holding]
    ) -> list[tuple[Waiting, list[str]]]:
        """Those that need wait no more, given the own durable `clock` and the other members':
        each with the names of the others that hold it."""
        done: list[tuple[Waiting, list[str]]] = []
        for waiting in [*self._general.values(), *self._reached(actor, clock, members)]:
            nodes = waiting.nodes(members)
            if len(nodes) + 1 >= waiting.copies and includes(clock, waiting.receipt.clock):
                self._general.pop(waiting.token, None)
                del self._waits[waiting.token]
                done.append((waiting, nodes))
            else:
                self._general[waiting.token] = waiting
        return done

    def _reached(
        self, actor: Actor, clock: Mapping[Actor, int], members: list[Holding]
    ) -> list[Waiting]:
        """What enough members have delivered, from each queue's front."""
        reached: list[Waiting] = []
        durable = clock.get(actor, 0)
        acknowledged = sorted((member.clock.get(actor, 0) for member in members), reverse=True)
        for copies, queue in self._queues.items():
            last = durable if copies <= 1 else min(durable, acknowledged[copies - 2])
            while queue and queue[0][0] <= last:
                waiting = self._waits.get(queue.popleft()[1])
                if waiting is not None:
                    reached.append(waiting)
        return reached
