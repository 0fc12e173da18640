"""What peers send and claim, judged before it becomes part of a batch."""

from __future__ import annotations

from collections.abc import Iterator

from crdt import Actor
from samebox.events import OWN_LOG, Arrived, LinkUp, Notice
from samebox.history import History
from samebox.making import Making
from samebox.peers import Peers

NAMES_MAX = 8
"""Of actors in one line of the log."""


def receive(making: Making, history: History, peers: Peers, run: Arrived) -> Iterator[Notice]:
    """Take a run into the batch; says what of it is not taken."""
    link, records = run.link, run.records
    actor, holding = records.actor, peers.holding(link)
    expected = history.expected(actor)
    from_origin = holding is not None and history.was_born_at(holding.node, actor)
    for item in history.receive(records, link, from_origin=from_origin):
        making.receive(item)
    if link == OWN_LOG:
        history.behind.was_read(records, history.expected(actor))
    if history.expected(actor) > expected:
        peers.joined(link, actor)
    for unfit in history.unfit():
        if unfit.is_fork and holding is not None:
            holding.fork(unfit.dot.actor)
        if peers.unfit(link, unfit.dot.actor, f"{unfit.dot}: {unfit.reason}"):
            text = f"operation {unfit.dot} is not taken: {unfit.reason}"
            yield Notice(text, alarm=True)


def judge_greeting(event: LinkUp, history: History, own: Actor | None) -> Iterator[Notice]:
    """The node that an actor was born at is believed about it; what another one has is not taken
    from there, and that is all."""
    history.end_forks(event.peer, [dot.actor for dot in event.forked])
    for actor, seq in event.forked:
        is_known = actor in history.stopped or actor == own
        if not is_known and history.was_born_at(event.peer, actor):
            history.fork(actor, event.peer, f"{event.peer} has another history of it, at {seq}")
    if event.forked:
        names = ", ".join(map(str, event.forked[:NAMES_MAX]))
        text = f"{event.peer} has other histories than this node of {len(event.forked)} actors"
        yield Notice(f"{text}: {names}", alarm=True)
    if not event.same_members:
        text = f"{event.peer} works with another member list: compare the node lists"
        yield Notice(text, alarm=True)
