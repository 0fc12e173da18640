"""What a node says about itself: one value for each shard, one for each peer."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crdt import Actor
from samebox.stability import HeldBack


class PeerStatus(Struct, frozen=True):
    """How the link to one peer stands, seen from this node.

    `lag_operations` and `lag_bytes` are what this node holds and the peer has not acknowledged;
    `lag_seconds` is how long the oldest of them has waited. `since_s` is the age of the present
    connection, or of its absence; `reason_down` says in words why there is none.
    """

    name: str
    connected: bool
    reason_down: str
    since_s: float
    lag_operations: int
    lag_bytes: int
    lag_seconds: float
    clock: Mapping[Actor, int]


class LimboStatus(Struct, frozen=True):
    """What is kept because it is not stable yet (samebox.stability).

    `operations` of those held here are not in `stable`, with about so many `bytes`; the oldest of
    them has waited at least `seconds`. `removals` are rows of notes about what can be forgotten
    once it is stable. `members` says who does not hold how much; `blocked` why nothing is
    forgotten though all of them hold it; `alarms` which bound is passed.
    """

    stable: Mapping[Actor, int] = {}
    operations: int = 0
    bytes: int = 0
    seconds: float = 0.0
    removals: int = 0
    members: tuple[HeldBack, ...] = ()
    blocked: str = ""
    alarms: tuple[str, ...] = ()


class ShardStatus(Struct, frozen=True):
    """`waiting` operations have arrived before what they depend on; `missing` blobs are named by
    operations held here, and their bytes are still to come; `stopped` gives for every actor whose
    operations are no longer taken the reason; `trouble` says that the disk refuses, or did when it
    was tried last, why, and what to do."""

    shard: str
    node: str
    actor: Actor | None
    clock: Mapping[Actor, int]
    log_bytes: int
    log_segments: int
    pack_bytes: int
    blobs: int
    waiting: int
    missing: int
    stopped: Mapping[Actor, str]
    peers: tuple[PeerStatus, ...]
    limbo: LimboStatus = LimboStatus()
    trouble: str = ""
