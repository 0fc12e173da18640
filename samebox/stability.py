"""Which operations are stable: in the context of everything that is still to arrive here.

The simple rule: stable is what every member of the node list holds durably, this node among them,
once all that these members hold has arrived here too. For let a member have said that it holds a
clock D, and let S be inside D. What it has made since, it made on top of D. What it had made before
is in D itself, so it has arrived here; and so has, for the same reason, whatever of others it
passes on. So nothing is to come that has not seen all of S.

While members write, there is always something on its way. So a *cut*, what every member holds at
one time, is kept until this node holds all that it names.

Of a member that was never heard of since this node started, nothing is known: it holds everything
back, and so does one that works with another member list, or has another history of some actor.
A silent member holds back what it has not said it holds. No timer changes any of this. A member
may *go back*, restored from a backup: then what it said before holds no longer. A cut that names
more than it holds now is dropped; what was forgotten already is dealt with where an operation
arrives that lacks it (samebox.forgetting).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from comm import ACTORS_MAX
from crdt import Actor, Clock, includes, merge
from samebox.holding import Holding

UNHEARD = "not heard of since this node started"
OTHER_LIST = "works with another member list"
OTHER_HISTORY = "has another history of an actor"
TOO_MANY_ACTORS = "holds operations of too many actors"


class HeldBack(Struct, frozen=True):
    """A member that does not hold `operations` of what is durable here. `reason` says why nothing
    it holds counts; empty where it does."""

    node: str
    operations: int
    reason: str


class _Cut(Struct, frozen=True):
    """`stable` is what all hold, `named` what any of them does."""

    stable: Mapping[Actor, int]
    named: Mapping[Actor, int]


class Stability:
    def __init__(self) -> None:
        self.clock: Mapping[Actor, int] = {}
        self._cut: _Cut | None = None

    def look(self, durable: Clock, others: Sequence[Holding], strangers: Collection[str]) -> None:
        """`durable` is what is synced here, `others` what the other members hold, `strangers` are
        those of them that work with another member list. To be called from time to time."""
        if any(reason_of(member, strangers) for member in others):
            self._cut = None
            return
        if all(member.clock == durable for member in others):  # mostly, while nobody writes
            self._cut = None
            if self.clock != durable:
                self.clock = dict(durable)
            return
        if self._cut is not None and not _still_holds(self._cut, others):
            self._cut = None
        cut = _cut(durable, others)
        if includes(durable, cut.named):
            self.clock, self._cut = cut.stable, None
        elif self._cut is None:
            self._cut = cut
        elif includes(durable, self._cut.named):
            self.clock, self._cut = self._cut.stable, cut


def reason_of(member: Holding, strangers: Collection[str]) -> str:
    """Why nothing that a member holds counts."""
    if member.node in strangers:
        return OTHER_LIST
    if member.forked or member.doubted:
        return OTHER_HISTORY
    if len(member.clock) >= ACTORS_MAX:
        return TOO_MANY_ACTORS
    return "" if member.clock else UNHEARD


def held_back(
    durable: Clock, others: Sequence[Holding], strangers: Collection[str]
) -> tuple[HeldBack, ...]:
    """Who holds something back, and how much."""
    every = (
        HeldBack(member.node, lacking(member.clock, durable), reason_of(member, strangers))
        for member in others
    )
    return tuple(one for one in every if one.operations or one.reason)


def lacking(held: Clock, clock: Clock) -> int:
    """How many operations of `clock` are not in `held`."""
    return sum(max(0, seq - held.get(actor, 0)) for actor, seq in clock.items())


def _still_holds(cut: _Cut, others: Sequence[Holding]) -> bool:
    return all(includes(member.clock, cut.stable) for member in others)


def _cut(durable: Clock, others: Sequence[Holding]) -> _Cut:
    named: Mapping[Actor, int] = {}
    stable = dict(durable)
    for member in others:
        named = merge(named, member.clock)
        stable = {actor: min(seq, member.clock.get(actor, 0)) for actor, seq in stable.items()}
    return _Cut({actor: seq for actor, seq in stable.items() if seq}, named)
