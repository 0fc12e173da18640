"""What comes twice, late or with a hole, because connections come and go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from msgspec.structs import replace

from comm import Accepted, Ack, Want
from comm.io import Connection, Contexts
from crdt import Address, Create
from samebox.events import Acknowledged, Arrived, LinkDown, LinkUp, Tick
from samebox.io.links import Links
from samebox.io.node import open_node
from samebox.testing import local_node_list
from sim import SimCluster, SimNode
from tests.replica.lies import C, made_of, next_of_c, own, told


def test_what_comes_again_on_the_next_connection_is_written_once(
    cluster: SimCluster, a: SimNode
) -> None:
    true = next_of_c(cluster)
    told(cluster, a, Arrived(C, true))
    a.tell(LinkDown(C), LinkUp(3, "c", dict(a.replica.clock)))
    delivered = len(a.delivered)
    a.bring(Arrived(3, true))
    assert a.batch is None
    assert len(a.delivered) == delivered


def test_an_old_connection_that_delivers_behind_the_new_one_does_no_harm(
    cluster: SimCluster, a: SimNode
) -> None:
    first, second = next_of_c(cluster, "one"), next_of_c(cluster, "two")
    a.tell(LinkUp(3, "c", dict(a.replica.clock)), LinkDown(C))
    told(cluster, a, Arrived(3, second), Arrived(C, first), Arrived(3, second))
    assert a.replica.clock[first.actor] == second.last


def test_behind_a_hole_nothing_is_taken_and_the_hole_is_asked_for(
    cluster: SimCluster, a: SimNode
) -> None:
    c, first, second = cluster.nodes["c"], next_of_c(cluster, "one"), next_of_c(cluster, "two")
    a.tell(Acknowledged(C, Ack([(own(c), second.last)])))
    told(cluster, a, Arrived(C, second))
    assert a.replica.clock[own(c)] == first.first - 1
    a.outbox.clear()
    a.tell(Tick())
    assert (C, Want(own(c), first.first, second.last)) in a.outbox
    both = c.log.read(own(c), first.first, second.last, max_bytes=1 << 20)
    told(cluster, a, Arrived(C, made_of(*both)))
    assert a.replica.clock[own(c)] == second.last


async def test_what_was_written_since_the_greeting_is_no_lost_memory(tmp_path: Path) -> None:
    """It may have reached the peer by another way before the peer greeted."""

    def no_contexts() -> Contexts:
        raise AssertionError("nobody is dialed")

    async with open_node(local_node_list(tmp_path, ["a", "b"]), "a") as node:
        links = Links(await node.shard_of("mail"), {}, no_contexts)
        early = links.local("operations").greeting
        await node.ask(Create(Address("mail")))
        theirs = replace(links.local("operations").greeting, node="b")
        found = SimpleNamespace(mine=early, theirs=theirs, accepted=Accepted("b", (), True))
        event, is_outdated = await links._link_up(1, cast(Connection, found))
        assert event.doubted == () and event.forked == () and not is_outdated
