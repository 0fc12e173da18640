"""An operation as the bytes that its origin wrote, and the hash chain over an actor's operations.

chain(0) = SHA-256 over cluster, shard and actor; chain(n) = SHA-256(chain(n−1) ‖ record n).
(seq, chain) names a history; seq alone does not. Storage and transport carry records opaquely.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from crdt.ids import Actor

CHAIN_BYTES = 32
RECORD_BYTES_MAX = 1 << 20
"""No operation is longer; larger requests become several operations."""


class Record(NamedTuple):
    """`data` is what the origin hashed: stored and forwarded as it is, never encoded again."""

    actor: Actor
    seq: int
    chain: bytes
    data: bytes


def first_chain(cluster: str, shard: str, actor: Actor) -> bytes:
    parts = (cluster.encode(), shard.encode(), actor)
    return sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def next_chain(chain: bytes, data: bytes) -> bytes:
    return sha256(chain + data).digest()
