"""What a node makes of what a peer says it holds of the node's own operations."""

from __future__ import annotations

from copy import deepcopy

from comm import Greeting, Range
from crdt import Address, Create
from samebox.events import Arrived, Done, WaitAsked
from samebox.meeting import births_of, greeting_of, judge_histories, link_up
from sim import SimCluster, SimNode
from sim.cluster import CLUSTER


def greeting(node: SimNode) -> Greeting:
    return greeting_of(node.replica, CLUSTER, "operations", b"")


def written(cluster: SimCluster, name: str, boxes: list[str], copies: int = 1) -> list[int]:
    tokens = [cluster.ask(name, Create(Address(f"mail/{box}")), copies=copies) for box in boxes]
    cluster.settle(name)
    return tokens


def meets(mine: SimNode, theirs: SimNode, link: int = 7) -> None:
    """What the shell of `mine` does with the greeting of `theirs`, without the chains of its log.
    A new actor, if one is asked for, comes at once."""
    met = judge_histories(
        greeting(mine), greeting(theirs), lambda dot: None, births_of(mine.replica)
    )
    mine.tell(link_up(link, greeting(theirs), met, same_members=True))


def doubts(node: SimNode) -> list[int]:
    return [doubt.seq for held in node.replica.peers.holdings for doubt in held.doubted.values()]


def set_back() -> tuple[SimCluster, SimNode, SimNode]:
    """Node a wrote five boxes, which b holds; a lost the last three."""
    cluster = SimCluster(["a", "b"])
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    cluster.settle("a")
    cluster.settle("b")
    written(cluster, "a", ["1", "2"])
    earlier = deepcopy(a.disk)
    written(cluster, "a", ["3", "4", "5"])
    cluster.heal()
    cluster.cut("a", "b")
    a.disk = earlier
    a.start()
    return cluster, a, b


def test_what_a_node_wrote_after_it_was_set_back_is_not_held_by_who_has_what_it_lost() -> None:
    cluster, a, b = set_back()
    (token,) = written(cluster, "a", ["other 3"], copies=2)
    meets(a, b)
    cluster.settle("a")
    assert not isinstance(a.outcomes.get(token), Done)


def test_once_the_lost_operations_are_back_the_peer_counts_again() -> None:
    cluster, a, b = set_back()
    lost = a.replica.actor
    assert lost is not None
    meets(a, b)
    cluster.settle("a")
    assert doubts(a) == [6]
    for message in b.read(Range(lost, 4, 6)):
        a.bring(Arrived(7, message))
    cluster.settle("a")
    assert doubts(a) == []
    a.tell(WaitAsked(99, {lost: 6}, copies=2))
    assert isinstance(a.outcomes[99], Done)
