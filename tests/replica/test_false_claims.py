"""What a peer may say of operations that this node has written, or should have.

Node a is the one that is told so, by b.
"""

from __future__ import annotations

from msgspec.structs import replace

from comm import Ack, Range, Records
from crdt import (
    Actor,
    Address,
    BoxMade,
    Create,
    Dot,
    RequestId,
    next_chain,
)
from samebox.events import (
    Acknowledged,
    Arrived,
    Asked,
    Doubt,
    LinkDown,
    LinkUp,
    Reborn,
    Tick,
)
from samebox.meeting import births_of, greeting_of, judge_histories
from samebox.succession import CLAIMS_MAX
from sim import SimCluster, SimNode
from sim.cluster import CLUSTER
from tests.replica.lies import (
    B,
    C,
    actor_named,
    behind,
    made_of,
    own,
    told,
    writes,
)


def forged_next(a: SimNode, others: dict[Actor, int]) -> Records:
    head = a.replica.heads[own(a)]
    record, _ = behind(head, BoxMade("forged", False), head.lamport + 1, {**head.others, **others})
    return made_of(record)


def test_an_operation_forged_under_the_own_name_stops_no_write(
    cluster: SimCluster, a: SimNode
) -> None:
    """Neither where it waits for what never comes, nor where it could be taken."""
    old = own(a)
    for others in ({actor_named("nobody"): 1}, {}):
        told(cluster, a, Arrived(B, forged_next(a, others)))
        assert writes(cluster, a, f"after {len(others)}")
    assert own(a) != old


def test_a_link_that_has_gone_cannot_speak_under_the_own_name(
    cluster: SimCluster, a: SimNode
) -> None:
    lie, old = forged_next(a, {}), own(a)
    seq = a.replica.clock[old]
    a.tell(LinkDown(B))
    told(cluster, a, Arrived(B, lie))
    assert (own(a), a.replica.clock[old]) == (old, seq)


def claims(a: SimNode, seq: int, number: int) -> LinkUp:
    return LinkUp(B, "b", {own(a): seq}, doubted=(Doubt(own(a), seq, b"%d" % number),))


def test_who_claims_and_claims_to_know_later_operations_is_not_believed_for_ever(
    cluster: SimCluster, a: SimNode
) -> None:
    actors = [own(a)]
    for number in range(3 * CLAIMS_MAX):
        a.tell(claims(a, 99, number))
        cluster.settle("a")
        assert writes(cluster, a, f"box {number}")
        a.tell(LinkUp(B, "b", {}, forked=(Dot(own(a), 1),)))
        cluster.settle("a")
        a.tell(Acknowledged(B, Ack([(own(a), 1 << 40)])))
        cluster.settle("a")
        if own(a) != actors[-1]:
            actors.append(own(a))
    assert len(a.replica.clock) <= 3 + CLAIMS_MAX
    assert any("not believed" in notice.text for notice in a.notices[-3:])
    a.tell(LinkUp(C, "c", {own(a): 99}, doubted=(Doubt(own(a), 99, b"chain"),)))
    cluster.settle("a")
    assert own(a) != actors[-1], "who has not lied is believed"


def test_whoever_shows_what_it_spoke_of_is_believed_again(cluster: SimCluster, a: SimNode) -> None:
    for number in range(2 * CLAIMS_MAX):
        old, head = own(a), a.replica.heads[own(a)]
        lost, _ = behind(head, BoxMade(f"lost {number}", False), head.lamport + 1, head.others)
        a.tell(LinkUp(B, "b", {old: lost.seq}, doubted=(Doubt(old, lost.seq, lost.chain),)))
        cluster.settle("a")
        assert own(a) != old
        told(cluster, a, Arrived(B, made_of(lost)))
        assert a.replica.clock[old] == lost.seq


def test_what_was_written_is_forgotten_on_no_word(cluster: SimCluster, a: SimNode) -> None:
    """b says that it holds all and more; c is sent everything all the same."""
    assert writes(cluster, a, "mine")
    old, seq = own(a), a.replica.clock[own(a)]
    a.tell(claims(a, seq + 50, 0))
    cluster.settle("a")
    a.outbox.clear()
    a.tell(LinkUp(3, "c", {}))
    sent = {(span.actor, span.last) for _, span in a.outbox if isinstance(span, Range)}
    assert (old, seq) in sent
    a.start()
    assert a.replica.clock[old] == seq


def test_no_request_is_made_between_the_claim_and_the_new_actor(
    cluster: SimCluster, a: SimNode
) -> None:
    """What it would write might be there already, under the same dot."""
    old, seq = own(a), a.replica.clock[own(a)]
    request = Asked(99, Create(Address("mail/x")), RequestId(b"12345678", 1))
    ready = a.replica.step([claims(a, 9, 0), request])
    assert ready.mint is not None and ready.append is None
    assert not a.replica.takes_work
    assert a.replica.step([Tick()]).mint == ready.mint
    ready = a.replica.step([Reborn(actor_named("new"), b"", 0, "told")])
    assert ready.append is not None
    assert [(record.actor, record.seq) for record in ready.append.records] == [
        (actor_named("new"), 1),
        (actor_named("new"), 2),
    ]
    assert a.replica.clock[old] == seq


def test_a_peer_that_was_ahead_of_a_former_actor_is_no_copy_of_it_after_a_reconnection(
    cluster: SimCluster, a: SimNode
) -> None:
    assert writes(cluster, a, "mine")
    old, seq = own(a), a.replica.clock[own(a)]
    a.tell(claims(a, seq + 1, 0))
    cluster.settle("a")
    ahead = next_chain(a.replica.heads[old].chain, b"another")
    theirs = replace(greeting_of(a.replica, CLUSTER, "operations", b"life"), node="b")
    theirs = replace(theirs, histories=[(old, seq + 1, ahead)])
    mine = greeting_of(a.replica, CLUSTER, "operations", b"life")
    met = judge_histories(mine, theirs, lambda dot: None, births_of(a.replica))
    assert met.doubted == (Doubt(old, seq + 1, ahead),)
