"""Causal delivery: every operation once, and after all operations in its context.

The simple rule: deliver an item when the clock covers its dependencies and it is the next of its
actor. The optimised form: items of one actor wait in the order of their seqs; the first of them
waits for exactly one missing operation and is looked at again when that one is delivered. Nothing
is scanned.

What cannot be kept (a hole before it, or no room) is dropped, but remembered by number: `wanted`
says what to ask for. What can be delivered at once is never dropped for lack of room, and what a
dropped item lacks is remembered too; so whatever is asked for ends with something deliverable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import islice
from typing import Final, Generic, NamedTuple, NewType, Protocol, TypeVar

from comm.messages import Want
from crdt import Actor, Dot

WAITING_MAX = 65_536
"""Items that wait: the windows of four peers that all send in the worst order."""
WAITING_BYTES_MAX = 64 << 20
HEARD_MAX = 10_000
"""Actors remembered for what is missing of them, beside those of which something was delivered.
What is not remembered is heard of again."""


class Deliverable(Protocol):
    @property
    def dot(self) -> Dot: ...

    @property
    def dependencies(self) -> Sequence[tuple[Actor, int]]:
        """The context's entries of other actors; those that did not change since the previous
        operation of the same actor may be left out."""
        ...


T = TypeVar("T", bound=Deliverable)


class Offered(Enum):
    DELIVER = auto()
    """Deliver it now, and then whatever `ready` yields."""
    WAITING = auto()
    """Kept until its context is here."""
    DUPLICATE = auto()
    """Delivered or kept before."""
    GAP = auto()
    """Dropped: operations of the same actor before it have not come."""
    FULL = auto()
    """Dropped: it would have to wait, and there is no room."""
    FROZEN = auto()
    """Dropped: nothing of this actor is taken any more."""


DELIVER: Final = Offered.DELIVER
"""By itself: a member looked up in its enumeration takes 0.1 us and more."""

Snapshot = NewType("Snapshot", int)


class _Kept(NamedTuple, Generic[T]):
    item: T
    size: int


class _Step(NamedTuple, Generic[T]):
    """What happened since the snapshot: `kept` joined the queue of `actor`, or was delivered
    from it."""

    actor: Actor
    kept: _Kept[T]
    delivered: bool


class Delivery(Generic[T]):
    """`clock` is what was delivered before. Sizes are in bytes, by the caller's count."""

    def __init__(
        self,
        clock: Mapping[Actor, int],
        *,
        waiting_max: int = WAITING_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._clock = dict(clock)
        self._waiting_max = waiting_max
        self._waiting_bytes_max = waiting_bytes_max
        self._waiting = 0
        self._waiting_bytes = 0
        self._queues: dict[Actor, deque[_Kept[T]]] = {}
        self._blocked: dict[Actor, Dot] = {}
        self._waiters: dict[Dot, list[Actor]] = {}
        self._awake: deque[Actor] = deque()
        self._heard: dict[Actor, int] = {}
        self._frozen: dict[Actor, None] = {}
        self._dropped: dict[Actor, None] = {}
        self._steps: list[_Step[T]] = []
        self._marked: dict[Actor, int] | None = None
        self._snapshot = Snapshot(0)

    @property
    def clock(self) -> Mapping[Actor, int]:
        """Of what was delivered. A live view."""
        return self._clock

    @property
    def waiting(self) -> int:
        return self._waiting

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    @property
    def blocked(self) -> Mapping[Actor, Dot]:
        """For every actor with waiting items, the operation that its first one waits for."""
        return self._blocked

    @property
    def frozen(self) -> tuple[Actor, ...]:
        return tuple(self._frozen)

    def is_frozen(self, actor: Actor) -> bool:
        return actor in self._frozen

    def received(self, actor: Actor) -> int:
        """The last seq of `actor` that was delivered or is kept."""
        return self._clock.get(actor, 0) + len(self._queues.get(actor, ()))

    def offer(self, item: T, size: int) -> Offered:
        actor, seq = item.dot
        if actor in self._frozen:
            return Offered.FROZEN
        expected = self.received(actor) + 1
        if seq < expected:
            return Offered.DUPLICATE
        if seq > expected:
            self.heard_of(actor, seq)
            return Offered.GAP
        if actor in self._queues:
            return self._keep(item, size)
        missing = self._missing(item)
        if missing is not None:
            return self._keep(item, size, missing)
        self._advance(actor)
        return DELIVER

    def lacks(self, item: T) -> Dot | None:
        """What `item`, the next of its actor, waits for: the one before it, where that waits."""
        actor, seq = item.dot
        return Dot(actor, seq - 1) if actor in self._queues else self._missing(item)

    def made(self, dot: Dot) -> None:
        """An operation that was made here is delivered: its context is what was delivered."""
        actor, seq = dot
        assert actor not in self._queues, f"{dot} was received, and waits"
        assert seq == self._clock.get(actor, 0) + 1, f"{dot} is not the next of its actor"
        assert actor not in self._frozen, f"nothing of the actor of {dot} is taken any more"
        self._clock[actor] = seq
        if self._waiters:
            self._wake(dot)

    def ready(self) -> Iterator[T]:
        """What became deliverable, in causal order. Each is delivered as it is yielded; what an
        abandoned iteration left over, the next one yields."""
        while self._awake:
            actor = self._awake[0]
            kept = self._next(actor)
            if kept is None:
                self._awake.popleft()
            else:
                yield kept.item

    def heard_of(self, actor: Actor, seq: int) -> None:
        """Operation `seq` of `actor` exists: it is asked for until it has been received."""
        if seq > self.received(actor):
            known = self._heard.get(actor)
            if known is not None or actor in self._clock or len(self._heard) < HEARD_MAX:
                self._heard[actor] = max(seq, known or 0)

    def wanted(self, most: int | None = None) -> list[Want]:
        """What was heard of and never kept, as one range per actor; of up to `most` actors, if
        given: then others have their turn at the next call.

        Without room, only what might be delivered at once: what follows waiting items cannot.
        """
        is_full = (
            self._waiting >= self._waiting_max or self._waiting_bytes >= self._waiting_bytes_max
        )
        wants: list[Want] = []
        for actor in list(islice(self._heard, most)):
            first, last = self.received(actor) + 1, self._heard.pop(actor)
            if first > last:
                continue
            self._heard[actor] = last
            if actor not in self._frozen and not (is_full and actor in self._queues):
                wants.append(Want(actor, first, last))
        return wants

    def refuse(self, dot: Dot) -> None:
        """What was delivered last of its actor is not taken after all, nor what waits behind it:
        all that is asked for again."""
        actor, seq = dot
        assert self._clock.get(actor) == seq, f"{dot} was not delivered last of its actor"
        received = self.received(actor)
        if seq > 1:
            self._clock[actor] = seq - 1
        else:
            del self._clock[actor]
        self._forget(actor, received)

    def drop(self, actor: Actor) -> None:
        """What waits of `actor` is not kept, and asked for again."""
        self._forget(actor, self.received(actor))

    def freeze(self, actor: Actor) -> None:
        """Take nothing more of `actor` and drop what waits of it, also across `restore`."""
        self._frozen[actor] = None
        self._drop(actor)

    def thaw(self, actor: Actor) -> None:
        """Take operations of `actor` again, from the first that was not delivered."""
        del self._frozen[actor]
        if self._marked is not None:
            self._dropped[actor] = None

    def snapshot(self) -> Snapshot:
        """Mark the present value, to return to. Only the latest snapshot can be restored; what
        happens after it is remembered until the next one."""
        self._steps.clear()
        self._dropped.clear()
        self._marked = dict(self._clock)
        self._snapshot = Snapshot(self._snapshot + 1)
        return self._snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Return to the value at `snapshot`; what was received since is wanted again."""
        assert snapshot == self._snapshot, "only the latest snapshot can be restored"
        assert self._marked is not None, "there is no snapshot yet"
        received = {step.actor: self.received(step.actor) for step in self._steps}
        for actor, seq in self._clock.items():
            if seq != self._marked.get(actor, 0):
                received[actor] = self.received(actor)
        self._clock.clear()
        self._clock.update(self._marked)
        while self._steps:
            self._undo(self._steps.pop())
        for actor in self._dropped:
            self._queues.pop(actor, None)
        self._index()
        for actor, seq in received.items():
            self.heard_of(actor, seq)

    # --- One actor's queue -----------------------------------------------------------------

    def _keep(self, item: T, size: int, missing: Dot | None = None) -> Offered:
        """`missing` is given for the first of a queue."""
        actor = item.dot.actor
        bytes_after = self._waiting_bytes + size
        if self._waiting >= self._waiting_max or bytes_after > self._waiting_bytes_max:
            self.heard_of(*item.dot)
            if missing is not None:
                self.heard_of(*missing)
            return Offered.FULL
        kept = _Kept(item, size)
        self._note(_Step(actor, kept, delivered=False))
        self._queues.setdefault(actor, deque()).append(kept)
        self._waiting += 1
        self._waiting_bytes = bytes_after
        if missing is not None:
            self._block(actor, missing)
        for other, seq in item.dependencies:
            self.heard_of(other, seq)
        return Offered.WAITING

    def _next(self, actor: Actor) -> _Kept[T] | None:
        """Deliver the first of the queue, or let it wait for what it lacks."""
        queue = self._queues.get(actor)
        if queue is None:
            return None
        kept = queue[0]
        missing = self._missing(kept.item)
        if missing is not None:
            self._block(actor, missing)
            return None
        queue.popleft()
        if not queue:
            del self._queues[actor]
        self._waiting -= 1
        self._waiting_bytes -= kept.size
        self._note(_Step(actor, kept, delivered=True))
        self._advance(actor)
        return kept

    def _missing(self, item: T) -> Dot | None:
        clock = self._clock
        for actor, seq in item.dependencies:
            if clock.get(actor, 0) < seq:
                return Dot(actor, seq)
        return None

    def _block(self, actor: Actor, missing: Dot) -> None:
        self._blocked[actor] = missing
        self._waiters.setdefault(missing, []).append(actor)

    def _advance(self, actor: Actor) -> None:
        seq = self._clock.get(actor, 0) + 1
        self._clock[actor] = seq
        if self._waiters:
            self._wake(Dot(actor, seq))

    def _wake(self, dot: Dot) -> None:
        for waiter in self._waiters.pop(dot, ()):
            del self._blocked[waiter]
            self._awake.append(waiter)

    def _forget(self, actor: Actor, received: int) -> None:
        """Across `restore`, too."""
        if self._marked is not None:
            self._dropped[actor] = None
        self._drop(actor)
        self.heard_of(actor, received)

    def _drop(self, actor: Actor) -> None:
        for kept in self._queues.pop(actor, ()):
            self._waiting -= 1
            self._waiting_bytes -= kept.size
        missing = self._blocked.pop(actor, None)
        if missing is not None:
            waiters = self._waiters[missing]
            waiters.remove(actor)
            if not waiters:
                del self._waiters[missing]

    # --- Return to the snapshot --------------------------------------------------------------

    def _note(self, step: _Step[T]) -> None:
        if self._marked is not None:
            self._steps.append(step)

    def _undo(self, step: _Step[T]) -> None:
        actor, kept, delivered = step
        if actor in self._frozen or actor in self._dropped:
            return
        if delivered:
            self._queues.setdefault(actor, deque()).appendleft(kept)
            return
        self._queues[actor].pop()
        if not self._queues[actor]:
            del self._queues[actor]

    def _index(self) -> None:
        """Count what waits, and let the first of every queue wait for what it lacks."""
        every = [kept for queue in self._queues.values() for kept in queue]
        self._waiting = len(every)
        self._waiting_bytes = sum(kept.size for kept in every)
        self._blocked.clear()
        self._waiters.clear()
        self._awake.clear()
        for actor, queue in self._queues.items():
            missing = self._missing(queue[0].item)
            if missing is None:
                self._awake.append(actor)
            else:
                self._block(actor, missing)
