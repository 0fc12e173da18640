"""Two histories of one actor: what the nodes make of it, and how an operator ends it.

Node a is set back and writes alone as the actor that it was; b holds what a has lost.
"""

from __future__ import annotations

from copy import deepcopy
from hashlib import sha256

import pytest

from comm import Greeting, chains_needed
from crdt import Actor, Address, Blob, Create, Delete, MemoryRows, Request, State
from samebox.config import Limbo
from samebox.events import Done, LinkDown
from samebox.forgetting import ForgotTooMuch
from samebox.history import History
from samebox.limbo import FORKED, limbo_status
from samebox.meeting import births_of, greeting_of, judge_histories, link_up
from samebox.recovery import rebuild
from samebox.starting import Restored
from sim import SimCluster, SimNode
from sim.cluster import CLUSTER, SHARD
from storage import MemoryDisk
from tests.replica.lies import own, writes

LINK = 7
WORK, PLAN = Address("mail/ann", "Work"), Address("mail/ann", "Work/plan.txt")
HELLO = Blob(sha256(b"hello").digest(), 5)


def greeting(node: SimNode) -> Greeting:
    return greeting_of(node.replica, CLUSTER, "operations", b"life")


def meet(cluster: SimCluster, one: str, other: str) -> None:
    """Both greet, and judge what the other one said."""
    said = {name: greeting(cluster.nodes[name]) for name in (one, other)}
    for mine, theirs in ((one, other), (other, one)):
        node = cluster.nodes[mine]
        needed = chains_needed(said[mine], said[theirs])
        chains = {dot: node.log.chain_at(*dot) for dot in needed}
        births = births_of(node.replica)
        met = judge_histories(said[mine], said[theirs], chains.get, births)
        node.tell(link_up(LINK, said[theirs], met, same_members=True))
    for name in (one, other):
        cluster.settle(name)


def part(cluster: SimCluster, *names: str) -> None:
    for name in names:
        cluster.nodes[name].tell(LinkDown(LINK))
        cluster.nodes[name].outbox.clear()


def done(cluster: SimCluster, name: str, request: Request) -> None:
    token = cluster.ask(name, request)
    cluster.settle(name)
    assert isinstance(cluster.nodes[name].outcomes[token], Done)


def boxes(node: SimNode, *names: str) -> list[bool]:
    return [node.replica.state.find(Address(f"mail/{name}")) is not None for name in names]


def forked() -> tuple[SimCluster, Actor]:
    """The actor has 2 operations that both know, and a third and fourth of each kind."""
    cluster = SimCluster(["a", "b"])
    a = cluster.nodes["a"]
    cluster.settle("a")
    cluster.settle("b")
    assert writes(cluster, a, "both")
    earlier, actor = deepcopy(a.disk), own(a)
    assert writes(cluster, a, "of b 1")
    assert writes(cluster, a, "of b 2")
    cluster.heal()
    cluster.cut("a", "b")
    a.disk = earlier
    a.start()
    assert writes(cluster, a, "of a 1")
    assert writes(cluster, a, "of a 2")
    return cluster, actor


def test_both_see_the_fork_and_say_so_and_a_writes_as_another() -> None:
    cluster, actor = forked()
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    meet(cluster, "a", "b")
    assert own(a) != actor
    for node in (a, b):
        assert "another history" in node.replica.stopped()[actor]
        assert any(notice.alarm and "histories" in notice.text for notice in node.notices)
    for node in (a, b):
        assert writes(cluster, node, f"still at {node.name}")


def test_where_no_peer_has_what_a_node_lost_when_it_was_set_back_nothing_forks() -> None:
    """It uses the numbers again, and nobody holds anything else under them."""
    cluster = SimCluster(["a", "b"])
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    cluster.settle("a")
    cluster.settle("b")
    assert writes(cluster, a, "both")
    earlier, actor = deepcopy(a.disk), own(a)
    cluster.heal()
    cluster.cut("a", "b")
    assert writes(cluster, a, "lost")
    a.disk = earlier
    a.start()
    assert writes(cluster, a, "instead")
    meet(cluster, "a", "b")
    part(cluster, "a", "b")
    cluster.heal()
    assert own(a) == actor
    assert a.replica.stopped() == b.replica.stopped() == {}
    assert boxes(b, "lost", "instead") == boxes(a, "lost", "instead") == [False, True]


def test_the_bytes_of_both_histories_are_kept() -> None:
    cluster, actor = forked()
    meet(cluster, "a", "b")
    for name in ("a", "b"):
        node = cluster.nodes[name]
        assert boxes(node, "both", f"of {name} 1", f"of {name} 2") == [True] * 3
        node.start()
        assert boxes(node, "both", f"of {name} 1", f"of {name} 2") == [True] * 3
        assert node.replica.clock[actor] == 4


def test_no_copy_of_one_history_counts_for_the_other() -> None:
    cluster, _ = forked()
    a = cluster.nodes["a"]
    token = cluster.ask("a", Create(Address("mail/of a 3")), copies=2)
    cluster.settle("a")
    meet(cluster, "a", "b")
    part(cluster, "a", "b")
    meet(cluster, "a", "b")
    assert not isinstance(a.outcomes.get(token), Done)


def make_state_again(node: SimNode) -> None:
    """As after it was lost."""
    state = State(MemoryRows())
    history = History(CLUSTER, SHARD, state.rows)
    list(rebuild(history, state, node.log.replay))
    node.replica.restored(Restored(history, state, [], []))


def test_a_fork_ends_also_where_the_state_was_made_again_meanwhile() -> None:
    cluster, actor = forked()
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    meet(cluster, "a", "b")
    assert list(b.replica.stopped()) == [actor]
    make_state_again(b)
    assert list(b.replica.stopped()) == [actor]
    part(cluster, "a", "b")
    a.disk = MemoryDisk()
    a.start()
    cluster.settle("a")
    meet(cluster, "a", "b")
    assert b.replica.stopped() == {}


def test_it_is_over_once_the_forked_node_has_begun_anew() -> None:
    """Its data directory is taken away; all that the others hold comes back."""
    cluster, actor = forked()
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    meet(cluster, "a", "b")
    assert writes(cluster, b, "later")
    part(cluster, "a", "b")
    a.disk = MemoryDisk()
    a.start()
    cluster.settle("a")
    meet(cluster, "a", "b")
    assert b.replica.stopped() == {} == a.replica.stopped()
    part(cluster, "a", "b")
    cluster.heal()
    cluster.check_agreement()
    assert boxes(a, "both", "of b 1", "of b 2", "of a 1", "later") == [
        True,
        True,
        True,
        False,
        True,
    ]
    assert writes(cluster, a, "of a 1")
    cluster.heal()
    cluster.check_agreement()
    assert a.replica.clock == b.replica.clock
    assert a.replica.clock[actor] == 4


def folder_of_two_histories() -> tuple[SimCluster, Actor]:
    """Node a deletes a folder, and a copy of it writes something else under the same number. That
    went to b, which knew nothing else when it greeted a: a takes it that b knows of the delete."""
    cluster = SimCluster(["a", "b"])
    a = cluster.nodes["a"]
    for name in ("a", "b"):
        cluster.settle(name)
    done(cluster, "a", Create(WORK, parents=True))
    cluster.heal()
    cluster.cut("a", "b")
    before, actor = deepcopy(a.disk), own(a)
    done(cluster, "a", Delete(WORK))
    with_delete, a.disk = a.disk, before
    a.start()
    assert writes(cluster, a, "of the copy")
    cluster.heal()
    cluster.cut("a", "b")
    a.disk = with_delete
    a.start()
    cluster.heal()
    return cluster, actor


def b_begins_anew(cluster: SimCluster) -> None:
    """It has the history that goes."""
    b = cluster.nodes["b"]
    part(cluster, "a", "b")
    b.disk = MemoryDisk()
    b.start()
    cluster.settle("b")
    meet(cluster, "a", "b")
    part(cluster, "a", "b")
    cluster.heal()


def test_what_was_forgotten_for_one_of_two_histories_is_there_again() -> None:
    """Nodes would show different things for ever, though they hold the same operations."""
    cluster, actor = folder_of_two_histories()
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    assert a.replica.state.folded.get(actor, 0) == a.replica.clock[actor]
    done(cluster, "b", Create(PLAN, content=HELLO))
    cluster.heal()
    assert a.replica.clock == b.replica.clock
    assert a.replica.state.find(PLAN) is None, "what it is in was forgotten here"
    cluster.cut("a", "b")
    meet(cluster, "a", "b")
    with pytest.raises(ForgotTooMuch, match="two histories"):
        cluster.tick("a")
    make_state_again(a)
    assert a.replica.state.find(PLAN) is not None
    b_begins_anew(cluster)
    assert a.replica.clock == b.replica.clock
    cluster.check_agreement()


def test_who_was_told_of_a_fork_forgets_nothing_until_its_next_start_and_says_so() -> None:
    cluster, _ = folder_of_two_histories()
    a = cluster.nodes["a"]
    cluster.cut("a", "b")
    meet(cluster, "a", "b")
    with pytest.raises(ForgotTooMuch):
        cluster.tick("a")
    make_state_again(a)
    b_begins_anew(cluster)
    assert a.replica.state.folded == {}
    assert limbo_status(a.replica, 0.0, 1, Limbo()).blocked == FORKED
    cluster.kill("a")
    cluster.heal()
    assert a.replica.state.folded == a.replica.clock
    assert limbo_status(a.replica, 0.0, 1, Limbo()).blocked == ""
