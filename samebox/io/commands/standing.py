"""How a node stands: status, and wait."""

from __future__ import annotations

import click

from crdt import Actor
from samebox import spelling
from samebox.control import Answered, Copies, ShardShown, Status, Wait
from samebox.events import Receipt
from samebox.io.ages import age_words
from samebox.io.commands.confirming import level
from samebox.io.commands.options import (
    RECEIPT,
    DeadlinePassed,
    Site,
    as_json,
    at_node,
    connected,
    with_copies,
)
from samebox.io.commands.showing import say, say_json, size_words, table
from samebox.spelling import plural
from samebox.status import LimboStatus, PeerStatus, ShardStatus


@click.command(short_help="How a node stands, and its peers.")
@click.option(
    "--digest", is_flag=True, help="The digest of all that is shown: equal on nodes that agree."
)
@as_json
@at_node
def status(*, digest: bool, json: bool, site: Site) -> None:
    """How a node stands: its clock, its disk, and the lag and link of every peer.

    \b
    samebox status
    samebox status --digest --json
    """
    with connected(site) as node:
        cluster = node.greeting.cluster
        for body in node.call(Status(digest=digest)):
            assert isinstance(body, ShardShown), f"a status is answered by {body}"
            if json:
                say_json(**shape(body, cluster))
            else:
                show(body, cluster)


def shape(shown: ShardShown, cluster: str) -> dict[str, object]:
    found = shown.status
    return {
        "cluster": cluster,
        "shard": found.shard,
        "node": found.node,
        "actor": None if found.actor is None else found.actor.hex(),
        "clock": spelling.shown_shard_clock(found.shard, found.clock),
        "digest": shown.digest.hex() or None,
        "log": {"bytes": found.log_bytes, "segments": found.log_segments},
        "packs": {"bytes": found.pack_bytes, "blobs": found.blobs},
        "waiting": found.waiting,
        "missing_blobs": found.missing,
        "stopped": {actor.hex(): reason for actor, reason in found.stopped.items()},
        "trouble": found.trouble or None,
        "limbo": limbo_shape(found.shard, found.limbo),
        "peers": [peer_shape(found.shard, peer) for peer in found.peers],
    }


def limbo_shape(shard: str, limbo: LimboStatus) -> dict[str, object]:
    return {
        "stable": spelling.shown_shard_clock(shard, limbo.stable),
        "operations": limbo.operations,
        "bytes": limbo.bytes,
        "seconds": round(limbo.seconds, 3),
        "removals": limbo.removals,
        "held_back_by": [
            {"node": one.node, "operations": one.operations, "reason": one.reason or None}
            for one in limbo.members
        ],
        "blocked": limbo.blocked or None,
        "alarms": list(limbo.alarms),
    }


def peer_shape(shard: str, peer: PeerStatus) -> dict[str, object]:
    return {
        "node": peer.name,
        "connected": peer.connected,
        "reason_down": peer.reason_down or None,
        "since_s": round(peer.since_s, 3),
        "lag_operations": peer.lag_operations,
        "lag_bytes": peer.lag_bytes,
        "lag_seconds": round(peer.lag_seconds, 3),
        "clock": spelling.shown_shard_clock(shard, peer.clock),
    }


def show(shown: ShardShown, cluster: str) -> None:
    found = shown.status
    say(f"shard {found.shard} at node {found.node} of {cluster}")
    actor = "none yet" if found.actor is None else found.actor.hex()[:8]
    say(f"  actor {actor}; clock {clock_words(found)}")
    say(
        f"  log {size_words(found.log_bytes)} in {plural(found.log_segments, 'segment')}; "
        f"packs {size_words(found.pack_bytes)} with {plural(found.blobs, 'blob')}"
    )
    if shown.digest:
        say(f"  digest {shown.digest.hex()}")
    if found.waiting:
        waiting = plural(found.waiting, "operation waits", "operations wait")
        say(f"  {waiting} for others that come first")
    if found.missing:
        say(f"  {plural(found.missing, 'blob')} still to come from peers")
    if found.trouble:
        say(f"  ALARM: {found.trouble}")
    show_limbo(found.limbo)
    for actor_bytes, reason in found.stopped.items():
        say(f"  STOPPED: actor {actor_bytes.hex()[:8]}: {reason}")
    if found.peers:
        table([PEER_COLUMNS, *map(peer_row, found.peers)])


def show_limbo(limbo: LimboStatus) -> None:
    """What is kept because some member does not hold it yet, and because of whom."""
    if limbo.operations:
        say(
            f"  {plural(limbo.operations, 'operation')} not held by all members yet, about "
            f"{size_words(limbo.bytes)}; for {age_words(limbo.seconds)}"
        )
    for one in limbo.members:
        why = f": {one.reason}" if one.reason else ""
        say(f"    {one.node} lacks {plural(one.operations, 'operation')}{why}")
    if limbo.blocked:
        say(f"  nothing is forgotten: {limbo.blocked}")
    for alarm in limbo.alarms:
        say(f"  ALARM: {alarm}; bring back the members named, or take them off the node list")


PEER_COLUMNS = ("  peer", "link", "lag", "bytes", "oldest", "")


def peer_row(peer: PeerStatus) -> tuple[str, ...]:
    age = age_words(peer.since_s)
    return (
        f"  {peer.name}",
        f"up {age}" if peer.connected else f"down {age}",
        plural(peer.lag_operations, "operation"),
        size_words(peer.lag_bytes),
        age_words(peer.lag_seconds) if peer.lag_operations else "-",
        "" if peer.connected else peer.reason_down,
    )


def clock_words(found: ShardStatus) -> str:
    return ", ".join(f"{actor.hex()[:8]}:{found.clock[actor]}" for actor in sorted(found.clock))


@click.command(short_help="Wait until a node holds what a receipt names.")
@click.option(
    "--receipt",
    type=RECEIPT,
    required=True,
    help="From --json of a write, or the cursor of a change.",
)
@with_copies
@as_json
@at_node
def wait(
    *,
    receipt: tuple[str, dict[Actor, int]],
    copies: Copies,
    timeout_s: float | None,
    json: bool,
    site: Site,
) -> None:
    """Wait until a node, and with --copies others, hold what a receipt names.

    Ask another node for the receipt of a write, and you read there what you wrote here. Copy it
    as that write printed it (--json: "receipt"): the 32 digits of an actor are cut short below.

    \b
    samebox wait --receipt main@0f…=17 --config nodes.yaml --node b
    samebox wait --receipt main@0f…=17 --copies all --timeout 10
    """
    named = Receipt(*receipt)
    with connected(site) as node:
        (answered,) = node.call(Wait(named, copies, timeout_s))
    assert isinstance(answered, Answered), f"a wait is answered by {answered}"
    if json:
        say_json(
            confirmed=not answered.late,
            copies=len(answered.nodes),
            nodes=list(answered.nodes),
            receipt=str(answered.receipt),
        )
    elif not answered.late:
        say(level(answered))
    if answered.late:
        held = ", ".join(answered.nodes) or "no node that this one knows of"
        raise DeadlinePassed(f"the deadline passed; held by {held} so far")
