"""What a member may say of others that is not true, and what it costs them: nothing but bytes.

Node a is the one that is told lies, by b; c is honest.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm import HISTORIES_MAX, Ack, Records, Want
from crdt import (
    BoxMade,
    Dot,
)
from samebox.events import (
    Acknowledged,
    Arrived,
    LinkDown,
    LinkUp,
    Tick,
)
from samebox.history import History, Mark
from samebox.meeting import greeting_of
from samebox.peers import UNFIT_MAX
from sim import SimCluster, SimNode
from sim.cluster import CLUSTER
from tests.replica.lies import (
    B,
    C,
    actor_named,
    behind,
    born,
    junk,
    made_of,
    next_of_c,
    own,
    run,
    told,
    writes,
)

# --- Another's actor -------------------------------------------------------------------------


def test_what_one_member_spoils_another_one_brings(cluster: SimCluster, a: SimNode) -> None:
    true, actor = next_of_c(cluster), own(cluster.nodes["c"])
    spoilt = Records(true.actor, true.first, b"8 others", true.items)
    for lie in (junk(actor, true.first), spoilt):
        told(cluster, a, Arrived(B, lie))
        assert actor in a.replica.stopped()
    a.tell(LinkUp(C, "c", {**a.replica.clock, actor: true.last}))
    a.outbox.clear()
    a.tell(Tick(), Tick())
    assert (C, Want(actor, true.first, true.last)) in a.outbox
    told(cluster, a, Arrived(C, true))
    assert a.replica.clock[actor] == true.last


def test_what_was_spoilt_on_the_way_is_asked_for_again_of_whoever_sent_it(
    cluster: SimCluster, a: SimNode
) -> None:
    true = next_of_c(cluster)
    a.tell(Acknowledged(C, Ack([(true.actor, true.last)])))
    told(cluster, a, Arrived(C, Records(true.actor, true.first, b"8 others", true.items)))
    a.outbox.clear()
    a.tell(Tick())
    assert (C, Want(true.actor, true.first, true.last)) in a.outbox
    told(cluster, a, Arrived(C, true))
    assert a.replica.stopped() == {}
    (c,) = [held for held in a.replica.peers.holdings if held.node == "c"]
    assert c.clock[true.actor] == true.last


def test_it_is_said_once_and_the_status_says_it_until_it_has_come(
    cluster: SimCluster, a: SimNode
) -> None:
    true = next_of_c(cluster)
    before = len(a.notices)
    for _ in range(20):
        told(cluster, a, Arrived(B, junk(true.actor, true.first)))
    assert [notice.alarm for notice in a.notices[before:]] == [True]
    told(cluster, a, Arrived(B, true))
    assert a.replica.stopped() == {}


def test_of_a_run_with_one_record_that_cannot_be_read_those_before_it_are_taken(
    cluster: SimCluster, a: SimNode
) -> None:
    """The actor stops there, not before."""
    birth, head = born("x")
    good, head = behind(head, BoxMade("mail/x", False), 2, {})
    bad = b"\x91\xc1"
    actor = birth.actor
    told(cluster, a, Arrived(B, run(actor, 1, [birth.data, good.data, bad], b"12345678")))
    assert actor not in a.replica.clock
    a.tell(Acknowledged(B, Ack([(actor, 3)])))
    a.outbox.clear()
    a.tell(Tick())
    assert (B, Want(actor, 1, 2)) in a.outbox
    told(cluster, a, Arrived(B, made_of(birth, good)))
    assert a.replica.clock[actor] == 2
    a.outbox.clear()
    a.tell(Tick())
    assert (B, Want(actor, 3, 3)) in a.outbox


def test_a_claim_to_another_history_of_c_is_believed_of_c_alone(
    cluster: SimCluster, a: SimNode
) -> None:
    true = next_of_c(cluster)
    a.tell(LinkUp(B, "b", {}, forked=(Dot(true.actor, 1),)))
    told(cluster, a, Arrived(C, true))
    assert a.replica.clock[true.actor] == true.last
    assert true.actor in a.replica.stopped()
    a.tell(LinkUp(B, "b", {}))
    assert a.replica.stopped() == {}
    a.tell(LinkUp(C, "c", {}, forked=(Dot(true.actor, 1),)))
    assert true.actor in a.replica.history.stopped


def test_many_other_histories_are_one_line_in_the_log(a: SimNode) -> None:
    before = len(a.notices)
    forked = tuple(Dot(actor_named(str(n)), 1) for n in range(1000))
    a.tell(LinkUp(B, "b", {}, forked=forked))
    assert len(a.notices) == before + 1


def test_what_was_forged_and_waits_gives_way_to_what_the_origin_sends(
    cluster: SimCluster, a: SimNode
) -> None:
    c, true = cluster.nodes["c"], next_of_c(cluster)
    head = a.replica.heads[true.actor]
    forged, _ = behind(head, BoxMade("forged", False), 9, {**head.others, actor_named("nobody"): 1})
    told(cluster, a, Arrived(B, made_of(forged)))
    assert a.replica.history.waiting == 1
    later = next_of_c(cluster, "later")
    told(cluster, a, Arrived(C, later))
    assert a.replica.history.waiting == 0
    both = c.log.read(true.actor, true.first, later.last, max_bytes=1 << 20)
    told(cluster, a, Arrived(C, made_of(*both)))
    assert a.replica.clock[true.actor] == later.last


# --- Actors that are nobody ------------------------------------------------------------------


def test_junk_of_a_thousand_actors_leaves_nothing_behind(cluster: SimCluster, a: SimNode) -> None:
    def size() -> int:
        history = a.replica.history
        return len(history.stopped) + len(history._received) + len(history._delivery.frozen)

    before = size()
    for n in range(1000):
        told(cluster, a, Arrived(B, junk(actor_named(str(n)), 1)))
        birth, _ = born(f"late {n}", lamport=7)
        told(cluster, a, Arrived(B, made_of(birth)))
    assert size() == before
    assert len(a.replica.stopped()) == UNFIT_MAX
    assert writes(cluster, a, "x")


def poison_behind(cause: Dot, names: range) -> Iterator[Records]:
    """Births that are fit, each with an operation behind `cause` that lies about the time."""
    for n in names:
        birth, head = born(f"poison {n}")
        late, _ = behind(head, BoxMade("x", False), 1 << 40, {cause.actor: cause.seq})
        yield made_of(birth, late)


def test_a_thousand_lies_about_the_time_cost_one_batch(
    cluster: SimCluster, a: SimNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for one honest operation and become deliverable with it."""
    true = next_of_c(cluster)
    lies = poison_behind(Dot(true.actor, true.last), range(1000))
    told(cluster, a, *(Arrived(B, lie) for lie in lies))
    assert a.replica.history.waiting == 1000
    marks: list[Mark] = []
    mark = History.mark

    def counted(history: History) -> Mark:
        marks.append(mark(history))
        return marks[-1]

    monkeypatch.setattr(History, "mark", counted)
    told(cluster, a, Arrived(C, true))
    assert a.replica.clock[true.actor] == true.last
    assert len(marks) == 1
    assert a.replica.history.waiting == 0
    assert writes(cluster, a, "x")
    a.start()
    assert a.replica.clock[true.actor] == true.last, "and no start fails for them"


@pytest.mark.parametrize("lamport", [1, 3, 1 << 61])
def test_a_forged_time_is_not_taken_and_the_honest_one_behind_it_is(
    cluster: SimCluster, a: SimNode, lamport: int
) -> None:
    birth, head = born("x")
    forged, _ = behind(head, BoxMade("forged", False), 1 + lamport, {})
    true, _ = behind(head, BoxMade("true", False), 2, {})
    if lamport > 1:
        told(cluster, a, Arrived(B, made_of(birth, forged)))
        assert a.replica.clock[birth.actor] == 1
    told(cluster, a, Arrived(B, made_of(birth, true)))
    assert a.replica.clock[birth.actor] == 2


def test_more_actors_than_a_greeting_holds_still_meet(cluster: SimCluster, a: SimNode) -> None:
    """Those with the latest operations are greeted with; the clock of all is acknowledged."""
    for first in range(0, HISTORIES_MAX + 10, 500):
        names = range(first, min(first + 500, HISTORIES_MAX + 10))
        for n in names:
            a.work.append(Arrived(B, made_of(born(f"life {n}")[0])))
        a.go_on()
        cluster.settle("a")
    assert writes(cluster, a, "x")
    greeting = greeting_of(a.replica, CLUSTER, "operations", b"life")
    assert len(greeting.histories) == HISTORIES_MAX
    assert greeting.clock[own(a)] == a.replica.clock[own(a)]
    a.tell(LinkDown(C))
    a.outbox.clear()
    a.tell(LinkUp(3, "c", {}))
    (ack,) = [message for link, message in a.outbox if link == 3 and isinstance(message, Ack)]
    assert dict(ack.clock) == dict(a.replica.clock)
