"""Words for what a member says that is not true."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from comm import CHAIN_PREFIX_BYTES, Records
from crdt import (
    Actor,
    Address,
    Body,
    Born,
    Create,
    Draft,
    Head,
    Record,
    first_head,
    write,
)
from samebox.events import (
    Arrived,
    Done,
)
from sim import SimCluster, SimNode
from sim.cluster import CLUSTER, SHARD

B, C = 1, 2
"""The links of a with b and with c."""


def actor_named(name: str) -> Actor:
    return sha256(name.encode()).digest()[:16]


def run(actor: Actor, first: int, data: Sequence[bytes], chain: bytes) -> Records:
    return Records(actor, first, chain[:CHAIN_PREFIX_BYTES], [(one, ()) for one in data])


def junk(actor: Actor, first: int) -> Records:
    return run(actor, first, [b"no operation"], b"any eight bytes")


def behind(head: Head, body: Body, lamport: int, others: dict[Actor, int]) -> tuple[Record, Head]:
    _, record, after = write(head, Draft(body, lamport, others))
    return record, after


def born(name: str, node: str = "b", lamport: int = 1) -> tuple[Record, Head]:
    head = first_head(CLUSTER, SHARD, actor_named(name))
    return behind(head, Born(node, b"", None), lamport, {})


def made_of(*records: Record) -> Records:
    last = records[-1]
    return run(last.actor, records[0].seq, [record.data for record in records], last.chain)


def own(node: SimNode) -> Actor:
    assert node.replica.actor is not None
    return node.replica.actor


def told(cluster: SimCluster, node: SimNode, *events: Arrived) -> None:
    for event in events:
        node.bring(event)
    cluster.settle(node.name)


def writes(cluster: SimCluster, node: SimNode, box: str) -> bool:
    token = cluster.ask(node.name, Create(Address(f"mail/{box}")))
    cluster.settle(node.name)
    return isinstance(node.outcomes.get(token), Done)


def next_of_c(cluster: SimCluster, box: str = "of c") -> Records:
    """What c writes next."""
    c = cluster.nodes["c"]
    assert writes(cluster, c, box)
    seq = c.replica.clock[own(c)]
    (record,) = c.log.read(own(c), seq, seq, max_bytes=1 << 20)
    return made_of(record)
