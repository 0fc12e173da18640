"""What two nodes say of themselves when they meet, and what each makes of the other's word."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct

from comm import Fork, Greeting, MyLaterRecords, compare_histories
from crdt import Actor, Dot
from samebox.events import Doubt, LinkUp, Reborn
from samebox.replica import Replica

FEATURES = ["unicode-3.2"]


def births_of(replica: Replica) -> dict[Actor, str]:
    """The node that each actor known here was born at."""
    return {actor: born.node for actor, born in replica.history.births.items()}


def greeting_of(replica: Replica, cluster: str, purpose: str, life: bytes) -> Greeting:
    """What a node says of itself in a handshake: of what is synced, nothing else."""
    place = replica.place
    histories = [(actor, head.seq, head.chain) for actor, head in replica.heads.items()]
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


class Met(Struct, frozen=True):
    """`forked` and `doubted` as in LinkUp; `reborn` is why this node has to go on as a new actor,
    or None."""

    forked: tuple[Dot, ...]
    doubted: Doubt | None
    reborn: str | None


def judge_histories(
    mine: Greeting, theirs: Greeting, chain_at: Callable[[Dot], bytes | None], actor: Actor | None
) -> Met:
    """`actor` is the one that this node writes as now, which `mine` may not know yet."""
    forked: list[Dot] = []
    doubted = reborn = None
    for finding in compare_histories(mine, theirs, chain_at):
        match finding:
            case Fork(found, seq):
                forked.append(Dot(found, seq))
                if found == actor:
                    reborn = f"{theirs.node} has another history of this actor"
            case MyLaterRecords(found, seq) if found == actor:
                chain = next(chain for a, _, chain in theirs.histories if a == found)
                doubted = Doubt(found, seq, chain)
                reborn = f"{theirs.node} has this actor's records up to {seq}: lost here"
    return Met(tuple(forked), doubted, reborn)


def link_up(
    link: int, theirs: Greeting, met: Met, birth: Reborn | None, *, same_members: bool
) -> LinkUp:
    missing = tuple(Dot(*dot) for dot in theirs.missing)
    return LinkUp(
        link,
        theirs.node,
        theirs.clock,
        missing,
        theirs.more_missing,
        met.forked,
        met.doubted,
        birth,
        same_members,
    )
