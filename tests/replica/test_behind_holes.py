"""What a log holds behind a hole that was filled shows, whoever had the turn of the last batch."""

from __future__ import annotations

from comm import packed
from crdt import Actor, Address, Create, Record
from samebox.events import Arrived, Synced, Tick
from samebox.limits import Limits
from samebox.store import Store
from sim.machine import Machine
from tests.replica.test_starts import CLUSTER, ask, bring, damage, opened, records_of


def lost_in_between(
    machine: Machine, *, cluster: str = CLUSTER, waiting: int = 1
) -> tuple[Actor, list[Record]]:
    """Node a has held four operations of an actor, and so many others that were each made by
    another one on top of them. Its log has lost the third one; of what is behind it, nobody else
    has anything. That actor, and what there was of it."""
    first, store = opened(Machine("b"), cluster=cluster), opened(machine, cluster=cluster)
    for name in ("x", "y", "z"):
        ask(first, Create(Address(name)))
    records = records_of(first, actor_of(first))
    bring(store, records)
    for number in range(waiting):
        other = opened(Machine("b"), cluster=cluster)
        bring(other, records)
        ask(other, Create(Address("z", f"{number}")))
        bring(store, records_of(other, actor_of(other)))
    store.close()
    damage(machine, records[2])
    return actor_of(first), records


def actor_of(store: Store) -> Actor:
    assert store.replica.actor is not None
    return store.replica.actor


def take(store: Store, event: Arrived | None) -> None:
    """It, and all that a batch gives back."""
    while event is not None:
        batch = store.replica.step([event]).append
        event = None
        if batch is not None:
            event = store.append(batch)
            store.replica.step([Synced(batch.number)])


def test_what_waits_for_what_the_log_holds_does_not_keep_that_from_its_turn() -> None:
    """There is one actor for each batch. What finds no room brings none about."""
    machine = Machine("a")
    actor, records = lost_in_between(machine)
    store = opened(machine, limits=Limits(waiting_max=0))
    behind = store.replica.history.behind
    (waiting,) = [other for other in behind.lasts if other != actor]
    assert (store.replica.clock[actor], store.replica.clock[waiting]) == (2, 1)
    behind.lasts = {waiting: behind.lasts[waiting], actor: behind.lasts[actor]}
    (message,) = packed((record, ()) for record in records[2:3])
    take(store, Arrived(1, message))
    assert store.replica.clock[actor] == 3, "it was the turn of what waits for the fourth"
    take(store, store.first_held(store.replica.step([Tick()]).unread))
    assert (store.replica.clock[actor], store.replica.clock[waiting]) == (4, 2)
    assert store.replica.state.find(Address("z", "0")) is not None
    assert behind.lasts == {}
