"""Ids inside a record: an actor is a position in a table, a dot is [position, seq].

Position 0 is the record's own actor; the others follow in the order in which that actor's contexts
first named them. A list of ids is a flat list of runs [position, first seq, count, …].

Every id has to lie in the operation's context; what does not is ill-formed. So whether a target
is known never depends on the order of delivery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from crdt.ids import ROOT, Actor, Dot

IDS_MAX = 100_000
"""Ids in one operation: a few bytes may name a long run, so the run is bounded, not the bytes."""

_new = tuple.__new__  # see crdt.keys

ShortDot: TypeAlias = tuple[int, int]


class Malformed(Exception):
    """A record that no honest node writes. Its actor stops here; nothing else does."""


class Table(Struct, gc=False):
    """The actors that a record may name by position, with the context that ids must lie in:
    `own` up to `seq`, and `others`. What is looked up is made when another actor is first named.
    """

    own: Actor
    seq: int
    others: Mapping[Actor, int]
    actors: tuple[Actor, ...] | None = None
    positions: dict[Actor, int] | None = None

    def short(self, dot: Dot) -> ShortDot:
        actor, seq = dot
        if actor == self.own:
            return (0, seq)
        if dot == ROOT:
            return (0, 0)
        if self.positions is None:
            self.positions = {other: place for place, other in enumerate(self.others, start=1)}
        return (self.positions[actor], seq)

    def dot(self, short: ShortDot) -> Dot:
        position, seq = short
        if position == 0:
            if seq == 0:
                return ROOT
            actor, last = self.own, self.seq
        else:
            actor = self._actor(position)
            last = self.others[actor]
        if seq == 0 or abs(seq) > last:
            raise Malformed(f"id {actor.hex()[:8]}:{seq} is outside the operation's context")
        return _new(Dot, (actor, seq))

    def _actor(self, position: int) -> Actor:
        if self.actors is None:
            self.actors = tuple(self.others)
        if not 1 <= position <= len(self.actors):
            size = len(self.actors) + 1
            raise Malformed(f"actor {position} named, but the table has {size}")
        return self.actors[position - 1]

    def runs(self, dots: Sequence[Dot]) -> list[int]:
        """Ids grouped by actor, as runs of consecutive seqs; the order of ids has no meaning."""
        if len(dots) == 1:
            return [*self.short(dots[0]), 1]
        flat: list[int] = []
        for position, seq in sorted(map(self.short, dots)):
            if flat and flat[-3] == position and seq == flat[-2] + flat[-1]:
                flat[-1] += 1
            else:
                flat += (position, seq, 1)
        return flat

    def dots(self, flat: Sequence[int]) -> tuple[Dot, ...]:
        if not flat:
            return ()
        if len(flat) == 3 and flat[2] == 1:
            return (self.dot((flat[0], flat[1])),)
        counts = flat[2::3]
        if len(flat) % 3 or min(counts, default=0) < 1:
            raise Malformed("a list of ids is not made of runs [actor, first, count]")
        if sum(counts) > IDS_MAX:
            raise Malformed(f"{sum(counts)} ids in one operation; at most {IDS_MAX}")
        return tuple(
            self.dot((flat[i], flat[i + 1] + n))
            for i in range(0, len(flat), 3)
            for n in range(flat[i + 2])
        )
