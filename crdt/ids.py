"""Names of things: actors, dots, clocks, and the timestamps that decide where one must win.

A dot (actor, seq) names one operation for ever. What an operation creates (a box, a folder, a
file, an entry) bears the dot of that operation as its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from typing_extensions import override

ACTOR_BYTES = 16

Actor = bytes
"""16 random bytes, minted once per shard and incarnation of a data directory."""

Clock = Mapping[Actor, int]
"""Version vector: actor -> last contiguous seq. An absent actor stands at 0."""


class Dot(NamedTuple):
    """Operation `seq` (1, 2, 3, … without holes) of `actor`."""

    actor: Actor
    seq: int

    @override
    def __str__(self) -> str:
        return f"{self.actor.hex()[:8]}:{self.seq}"


class Stamp(NamedTuple):
    """Position in the one total order (Lamport, actor, seq) that every node agrees on."""

    lamport: int
    actor: Actor
    seq: int

    @property
    def dot(self) -> Dot:
        return Dot(self.actor, self.seq)


ROOT = Dot(bytes(ACTOR_BYTES), 0)
"""Parent of all boxes of a shard. No operation makes it and none can change it."""


def inbox_of(box: Dot) -> Dot:
    """Id of the INBOX of the box made by `box`: the one id that is no dot of an operation."""
    return Dot(box.actor, -box.seq)


def is_inbox(node: Dot) -> bool:
    return node.seq < 0


def covers(clock: Clock, dot: Dot) -> bool:
    return clock.get(dot.actor, 0) >= dot.seq


def merge(left: Clock, right: Clock) -> dict[Actor, int]:
    """Least upper bound of two clocks."""
    merged = dict(left)
    for actor, seq in right.items():
        if seq > merged.get(actor, 0):
            merged[actor] = seq
    return merged


def includes(greater: Clock, lesser: Clock) -> bool:
    """Whether every dot of `lesser` is in `greater`."""
    for actor, seq in lesser.items():  # noqa: SIM110 - asked for every write: twice as fast
        if greater.get(actor, 0) < seq:
            return False
    return True
