"""What the own log holds and the core has not received: behind a hole, or for want of room.

It is read when it may be taken, and at no other time: the log may have to read a whole segment for
it. What is received already waits in causal delivery and comes from there. What was read and was
not taken is read again when what turned it away has changed: more of its actor was received, there
is other room than then, or what it would have waited for is here. Of a hole nothing is read: what
is held is known from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import NamedTuple, Protocol

from comm import Range, Records
from crdt import Actor, Dot


class Room(Protocol):
    """Of causal delivery."""

    @property
    def clock(self) -> Mapping[Actor, int]: ...

    @property
    def waiting(self) -> int: ...

    @property
    def waiting_bytes(self) -> int: ...


class Away(NamedTuple):
    """Record `seq` was not taken: for want of room where `taken` is set, the items and bytes that
    waited then. Behind the one that it `lacks` it may need none, though as much waits as then."""

    seq: int
    lacks: Dot | None = None
    taken: tuple[int, int] | None = None


class Behind:
    """`lasts` is per actor the last record that the log held at its opening, where that was not
    delivered, in the order of their turns; `away` what was turned away, of each actor the first."""

    def __init__(self) -> None:
        self.lasts: dict[Actor, int] = {}
        self.away: dict[Actor, Away] = {}

    def committed(self, clock: Mapping[Actor, int]) -> None:
        for actor in [one for one, last in self.lasts.items() if clock.get(one, 0) >= last]:
            del self.lasts[actor]
            self.away.pop(actor, None)

    def found_no_room(self, dot: Dot, lacks: Dot | None, room: Room) -> None:
        """It is the turn of all others before its actor is read again."""
        if dot.actor in self.lasts:
            self.lasts[dot.actor] = self.lasts.pop(dot.actor)
            self.away[dot.actor] = Away(dot.seq, lacks, (room.waiting, room.waiting_bytes))

    def was_read(self, records: Records, expected: int) -> None:
        """`records` came from the log; `expected` is what can be received next of their actor."""
        if records.first <= expected <= records.last and self._seq_away(records.actor) != expected:
            self.away[records.actor] = Away(expected)

    def unread(
        self, expected: Callable[[Actor], int], stopped: Container[Actor], room: Room
    ) -> list[Range]:
        """What may be taken by now, if the log holds the first of it."""
        found: list[Range] = []
        for actor, last in self.lasts.items():
            first = expected(actor)
            if first <= last and actor not in stopped and not self._is_away(actor, first, room):
                found.append(Range(actor, first, last))
        return found

    def _seq_away(self, actor: Actor) -> int | None:
        away = self.away.get(actor)
        return None if away is None else away.seq

    def _is_away(self, actor: Actor, first: int, room: Room) -> bool:
        away = self.away.get(actor)
        if away is None or away.seq != first:
            return False
        if away.taken is None:
            return True
        is_here = away.lacks is not None and room.clock.get(away.lacks.actor, 0) >= away.lacks.seq
        return away.taken == (room.waiting, room.waiting_bytes) and not is_here
