"""What two nodes say of themselves when they meet, and what each makes of the other's word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256

from msgspec import Struct

from comm import HISTORIES_MAX, Ahead, Fork, Greeting, MyLaterRecords, compare_histories
from crdt import Actor, Dot, Head
from samebox.events import Doubt, LinkUp
from samebox.replica import Replica

FEATURES = ["unicode-3.2"]


def births_of(replica: Replica) -> dict[Actor, str]:
    """The node that each actor known here was born at."""
    return {actor: born.node for actor, born in replica.history.births.items()}


def greeting_of(replica: Replica, cluster: str, purpose: str, life: bytes) -> Greeting:
    """What a node says of itself in a handshake: of what is synced, nothing else."""
    place = replica.place
    histories = [(head.actor, head.seq, head.chain) for head in _told_heads(replica)]
    missing, more_missing = replica.missing.listed()
    return Greeting(
        cluster,
        place.shard,
        place.node,
        purpose,
        actor=replica.actor,
        incarnation=life,
        features=FEATURES,
        members_hash=sha256("\n".join(sorted(place.members)).encode()).digest(),
        histories=histories if purpose == "operations" else [],
        missing=[(dot.actor, dot.seq) for dot in missing],
        more_missing=more_missing,
    )


def _told_heads(replica: Replica) -> Iterable[Head]:
    """All, or as many as a greeting holds: that of this node's actor, then those with the latest
    operations. Of the others, the first acknowledgement tells the clock."""
    heads = replica.heads.values()
    if len(heads) <= HISTORIES_MAX:
        return heads
    ranked = sorted(heads, key=lambda head: (head.actor != replica.actor, -head.lamport))
    return ranked[:HISTORIES_MAX]


class Met(Struct, frozen=True):
    """`forked` and `doubted` as in LinkUp."""

    forked: tuple[Dot, ...]
    doubted: tuple[Doubt, ...]


def judge_histories(
    mine: Greeting,
    theirs: Greeting,
    chain_at: Callable[[Dot], bytes | None],
    births: Mapping[Actor, str],
) -> Met:
    """Where the peer is ahead with an actor that was born here, nothing tells whether it has what
    this node wrote as that actor, until its records have come."""
    forked: list[Dot] = []
    doubted: list[Doubt] = []
    chains = {actor: chain for actor, _, chain in theirs.histories}
    for finding in compare_histories(mine, theirs, chain_at):
        match finding:
            case Fork(found, seq):
                forked.append(Dot(found, seq))
            case MyLaterRecords(found, seq):
                doubted.append(Doubt(found, seq, chains[found]))
            case Ahead(found, _, seq) if births.get(found) == mine.node:
                doubted.append(Doubt(found, seq, chains[found]))
            case Ahead():
                pass
    return Met(tuple(forked), tuple(doubted))


def is_outdated(greeted: Greeting, now: Greeting, met: Met) -> bool:
    """Whether this node has gone on, since it greeted, with an actor of which the peer has later
    operations. The one with the longer history sees a fork, at a place that it was not told: so the
    two have to meet again. As another actor writes here from now on, once is enough."""
    told = {actor: seq for actor, seq, _ in greeted.histories}
    held = {actor: seq for actor, seq, _ in now.histories}
    return any(held.get(one.actor, 0) > told.get(one.actor, 0) for one in met.doubted)


def link_up(link: int, theirs: Greeting, met: Met, *, same_members: bool) -> LinkUp:
    missing = tuple(Dot(*dot) for dot in theirs.missing)
    return LinkUp(
        link,
        theirs.node,
        theirs.clock,
        missing,
        theirs.more_missing,
        met.forked,
        met.doubted,
        same_members,
    )
