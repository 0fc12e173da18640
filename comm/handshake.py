"""Whether two nodes may talk: a decision over what both said and what the certificate says.

Nothing is decided on trust in a greeting: the node's name has to be in the certificate that the
certificate authority signed, and in this node's own member list; an actor may be claimed only by
the node that its birth names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from comm.messages import Greeting, Refusal
from crdt import Actor

PURPOSES = ("operations", "blobs", "snapshot")
QUIET_S = 7.5
"""A peer that is there has sent a ping by then (comm.io.link): a connection that was silent for so
long makes way for a new one."""

# Codes of refusals, on the wire for ever: others may be added. "protocol" is in comm.header.
CLUSTER: Final = "cluster"
SHARD: Final = "shard"
PURPOSE: Final = "purpose"
CERTIFICATE: Final = "certificate"
MEMBER: Final = "not-a-member"
SELF: Final = "self"
OTHER: Final = "other-node"
ACTOR: Final = "actor"


class Accepted(Struct, frozen=True):
    """The peer is `node`; `features` are those that both name, in this node's order.

    Where `same_members` is false, the two work with different member lists: operations flow, but
    nothing that needs agreement about the members may happen.
    """

    node: str
    features: tuple[str, ...]
    same_members: bool


Verdict: TypeAlias = Accepted | Refusal


def node_uri(cluster: str, node: str) -> str:
    """The name of a node, as its certificate carries it among its alternative names."""
    return f"samebox://{cluster}/{node}"


def judge_certificate(
    cluster: str, names: Collection[str], members: Collection[str], expected: str | None
) -> Refusal | None:
    """Whether a certificate with these URI names is one of a member: of `expected`, if given.

    To be asked as soon as TLS is up: a dialer tells nothing to one who fails it.
    """
    listed = ", ".join(names) or "none"
    if expected is not None:
        uri = node_uri(cluster, expected)
        if uri in names:
            return None
        text = f"expected a certificate of {uri}, found {listed}: wrong address or certificate?"
        return Refusal(CERTIFICATE, text)
    if any(node_uri(cluster, member) in names for member in members):
        return None
    if any(name.startswith(node_uri(cluster, "")) for name in names):
        return Refusal(MEMBER, f"{listed} is no member of this shard; add it to the node list")
    text = f"expected a certificate of cluster {cluster}, found the names {listed}"
    return Refusal(CERTIFICATE, text)


def judge(
    mine: Greeting,
    theirs: Greeting,
    *,
    names: Collection[str],
    members: Collection[str],
    births: Mapping[Actor, str],
    expected: str | None = None,
) -> Verdict:
    """`names` are the URI names in the peer's certificate, `members` the nodes of the shard,
    `births` gives the node that each actor known here was born at, `expected` is the node that
    was dialed.
    """
    refusal = (
        _judge_place(mine, theirs)
        or _judge_node(mine, theirs, names, members, expected)
        or _judge_actor(mine, theirs, births)
    )
    if refusal is not None:
        return refusal
    features = tuple(feature for feature in mine.features if feature in theirs.features)
    list_mine = (mine.members_epoch, mine.members_hash)
    list_theirs = (theirs.members_epoch, theirs.members_hash)
    return Accepted(theirs.node, features, list_mine == list_theirs)


def _judge_place(mine: Greeting, theirs: Greeting) -> Refusal | None:
    if theirs.cluster != mine.cluster:
        return Refusal(CLUSTER, f"expected cluster {mine.cluster}, found {theirs.cluster}")
    if theirs.shard != mine.shard:
        return Refusal(SHARD, f"expected shard {mine.shard}, found {theirs.shard}")
    if theirs.purpose != mine.purpose or theirs.purpose not in PURPOSES:
        return Refusal(PURPOSE, f"expected purpose {mine.purpose}, found {theirs.purpose}")
    return None


def _judge_node(
    mine: Greeting,
    theirs: Greeting,
    names: Collection[str],
    members: Collection[str],
    expected: str | None,
) -> Refusal | None:
    node = theirs.node
    uri = node_uri(theirs.cluster, node)
    if uri not in names:
        listed = ", ".join(names) or "none"
        text = f"{node} says it is {uri}, but its certificate has the names {listed}"
        return Refusal(CERTIFICATE, text)
    if node == mine.node:
        text = f"the peer is {node} as well: this node dialed itself, or two nodes have one name"
        return Refusal(SELF, text)
    if node not in members:
        return Refusal(MEMBER, f"{node} is no member of shard {mine.shard}; see the node list")
    if expected is not None and node != expected:
        return Refusal(OTHER, f"expected node {expected} at this address, found {node}")
    return None


def _judge_actor(mine: Greeting, theirs: Greeting, births: Mapping[Actor, str]) -> Refusal | None:
    if theirs.actor is None:
        return None
    owner = mine.node if theirs.actor == mine.actor else births.get(theirs.actor, theirs.node)
    if owner != theirs.node:
        actor = theirs.actor.hex()[:8]
        text = f"{theirs.node} claims the actor of {owner} ({actor}): a copied data directory?"
        return Refusal(ACTOR, text)
    return None


def keeps(mine: str, theirs: str, dialer: str) -> bool:
    """Whether, of two connections that these two nodes opened at once, that of `dialer` stays:
    both ends keep the one opened by the lesser name."""
    assert dialer in (mine, theirs) and mine != theirs, f"{dialer} of {mine} and {theirs}"
    return dialer == min(mine, theirs)


class Established(Struct, frozen=True):
    """A connection that is up: who opened it, in which life the peer's process was then, and for
    how many seconds nothing has come on it."""

    dialer: str
    life: bytes | None
    quiet_s: float


def replaces(mine: str, theirs: str, *, old: Established, new: Established) -> bool:
    """Whether a new connection with the same peer takes the place of the one that is up.

    It does where the peer has given that one up, or cannot know of it: it opened both, its process
    is another one by now, or nothing has come from it for QUIET_S. Else both were opened at once,
    and `keeps` says which one stays. A peer dials only while it has no connection.
    """
    if new.dialer == old.dialer or old.quiet_s >= QUIET_S:
        return True
    if new.life is not None and old.life is not None and new.life != old.life:
        return True
    return keeps(mine, theirs, new.dialer)
