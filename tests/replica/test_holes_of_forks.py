"""A log lost a record of an actor, and a peer has another history of it behind that one."""

from __future__ import annotations

from copy import deepcopy

from comm import Records, Want, packed
from crdt import Actor, Address, Create, Record
from samebox.events import AppendFailed, Arrived, Event, LinkUp, Synced, Tick
from samebox.store import Store
from sim.machine import Machine
from storage import ChainBroken
from tests.replica.test_starts import ask, bring, damage, opened, records_of

LINK = 1
TRUE_LINK = 2
MEMBERS = ("a", "b", "c")


def two_histories(
    *, common: int, length: int = 4, lost: tuple[int, ...] = (2,), closed: bool = False
) -> tuple[Store, Store, Actor]:
    """Of an actor, a and b hold `length` operations; some of the first are the same. The log of a
    has lost some; where it was closed before, it knows what there was."""
    a, b, twin = Machine("a"), Machine("b"), Machine("a")
    store = opened(a)
    actor = store.replica.actor
    assert actor is not None
    for number in range(1, common):
        ask(store, Create(Address(f"{number} of both")))
    store.close()
    twin.disk = deepcopy(a.disk)
    store, other, theirs = opened(a), opened(twin), opened(b)
    for number in range(common, length):
        ask(store, Create(Address(f"{number} of a")))
        ask(other, Create(Address(f"{number} of its twin")))
    bring(theirs, records_of(other, actor))
    records = records_of(store, actor)
    if closed:
        store.close()
    for seq in lost:
        damage(a, records[seq - 1])
    return opened(a, members=MEMBERS), theirs, actor


def run_of(store: Store, actor: Actor, first: int) -> Records:
    (run,) = packed((record, ()) for record in records_of(store, actor)[first - 1 :])
    return run


def step(store: Store, *events: Event) -> tuple[list[Want], int]:
    """With all that the disk does; what a peer is asked for, and how many batches were refused."""
    ready = store.replica.step(events)
    wants: list[Want] = []
    refused = 0
    while True:
        wants += [message for _, message in ready.send if isinstance(message, Want)]
        if ready.append is None:
            return wants, refused
        number = ready.append.number
        try:
            behind = store.append(ready.append)
        except ChainBroken as error:
            refused += 1
            ended: Event = AppendFailed(number, str(error), error.refused, error.sound)
        else:
            ended = Synced(number)
            if behind is not None:
                store.replica.step([ended])
                ended = behind
        ready = store.replica.step([ended])


def test_what_fills_the_hole_is_taken_though_it_comes_in_one_run_with_what_is_another_one() -> None:
    store, theirs, actor = two_histories(common=2)
    assert store.replica.clock[actor] == 1
    run = run_of(theirs, actor, 2)
    assert (run.first, run.last) == (2, 4)
    step(store, LinkUp(LINK, "b", {actor: 4}))
    assert step(store, Arrived(LINK, run)) == ([], 1)
    assert step(store, Tick()) == ([Want(actor, 2, 4)], 0), "it is asked once more"
    assert step(store, Arrived(LINK, run)) == ([], 0)
    assert store.replica.clock[actor] == 4
    assert store.replica.state.find(Address("3 of a")) is not None
    assert store.replica.state.find(Address("2 of its twin")) is None


def test_what_is_behind_the_hole_may_come_in_the_same_step_as_what_fills_it() -> None:
    store, theirs, actor = two_histories(common=2)
    (alone,) = packed([(records_of(theirs, actor)[1], ())])
    step(store, LinkUp(LINK, "b", {actor: 4}), Arrived(LINK, run_of(theirs, actor, 2)))
    assert step(store, Arrived(LINK, alone), Arrived(LINK, run_of(theirs, actor, 3)))[1] == 0
    assert store.replica.clock[actor] == 4


def test_a_hole_behind_what_is_held_is_filled_though_what_follows_it_is_another_one() -> None:
    store, theirs, actor = two_histories(common=4, length=5, lost=(2, 4))
    (alone,) = packed([(records_of(theirs, actor)[1], ())])
    step(store, LinkUp(LINK, "b", {actor: 5}))
    batch = store.replica.step([Arrived(LINK, alone)]).append
    assert batch is not None and store.append(batch) is not None
    store.replica.step([Synced(batch.number)])  # of what is held, nothing is taken before b sends
    run = run_of(theirs, actor, 3)
    assert step(store, Arrived(LINK, run)) == ([], 1)
    assert step(store, Tick()) == ([Want(actor, 3, 5)], 0)
    assert step(store, Arrived(LINK, run)) == ([], 0)
    assert store.replica.clock[actor] == 5
    assert store.replica.state.find(Address("4 of a")) is not None


def test_who_has_another_history_in_the_hole_too_is_not_asked_again() -> None:
    store, theirs, actor = two_histories(common=1)
    run = run_of(theirs, actor, 2)
    step(store, LinkUp(LINK, "b", {actor: 4}))
    assert step(store, Arrived(LINK, run)) == ([], 1), "as it holds another third one"
    assert step(store, Arrived(LINK, run)) == ([], 1), "nor does the second join that"
    assert actor in store.replica.stopped()
    assert step(store, Arrived(LINK, run)) == ([], 0)
    assert step(store, Tick()) == ([], 0)
    assert store.replica.clock[actor] == 1
    assert [one.text for one in store.log.missing()] == [f"{actor.hex()[:8]}:2-2"]


def test_the_last_one_of_an_actor_is_not_filled_in_with_another_one_though_it_is_lost() -> None:
    """The log knows its chain. What followed the other one would not join that."""
    store, theirs, actor = two_histories(common=2, length=4, lost=(3, 4), closed=True)
    assert [one.text for one in store.log.missing()] == [f"{actor.hex()[:8]}:3-4"]
    step(store, LinkUp(LINK, "b", {actor: 4}))
    assert step(store, Arrived(LINK, run_of(theirs, actor, 3))) == ([], 1)
    assert (store.replica.clock[actor], list(store.replica.stopped())) == (2, [actor])


def test_what_comes_alone_in_front_of_a_last_one_that_is_lost_is_taken_and_that_one_never_is() -> (
    None
):
    store, theirs, actor = two_histories(common=2, length=4, lost=(3, 4), closed=True)
    third, fourth = records_of(theirs, actor)[2:]
    step(store, LinkUp(LINK, "b", {actor: 4}))
    assert step(store, Arrived(LINK, one_run([third])))[1] == 0
    assert step(store, Arrived(LINK, one_run([fourth])))[1] == 1
    assert store.replica.clock[actor] == 3
    assert store.replica.stopped()[actor].startswith("b: ")
    assert [one.text for one in store.log.missing()] == [f"{actor.hex()[:8]}:4-4"]
    assert store.log.chain_at(actor, 3) == third.chain, "a greeting compares this, and it is one"


def lost_with_two_peers() -> tuple[Store, list[Record], list[Record], list[Record]]:
    """What a holds of an actor: the first of four, and the last. The operations of it; those of
    another history, all but the first of which were made on top of what another actor did; and what
    that one did. Peer b has the other history, and c this one."""
    a, twin = Machine("a"), Machine("a")
    store, foreign = opened(a), opened(Machine("b"))
    actor = store.replica.actor
    assert actor is not None and foreign.replica.actor is not None
    births = records_of(foreign, foreign.replica.actor)
    store.close()
    twin.disk = deepcopy(a.disk)
    store, other = opened(a), opened(twin)
    bring(other, births)
    for number in (2, 3):
        ask(store, Create(Address(f"{number} of a")))
        ask(other, Create(Address(f"{number} of the twin")))
    ask(store, Create(Address("4 of a")))
    records, others = records_of(store, actor), records_of(other, actor)
    for record in records[1:3]:
        damage(a, record)
    store = opened(a, members=MEMBERS)
    step(store, LinkUp(LINK, "b", {actor: 4}), LinkUp(TRUE_LINK, "c", {actor: 4}))
    return store, records, others, births


def one_run(records: list[Record]) -> Records:
    (run,) = packed((record, ()) for record in records)
    return run


def test_not_who_brought_the_true_one_is_shunned_for_what_waited_since_another_had_sent_it() -> (
    None
):
    store, records, others, births = lost_with_two_peers()
    actor = records[0].actor
    step(store, Arrived(LINK, one_run(others[1:])))
    assert store.replica.history.waiting == 2, "for the birth of another actor"
    true = Arrived(TRUE_LINK, one_run(records[1:3]))
    assert step(store, Arrived(TRUE_LINK, one_run(births)), true)[1] == 1
    assert store.replica.stopped()[actor].startswith("b: ")
    assert step(store, true)[1] == 0
    assert store.replica.clock[actor] == 4
    assert store.replica.state.find(Address("4 of a")) is not None


def test_who_brought_the_one_before_is_not_shunned_for_what_another_one_sent_behind_it() -> None:
    store, theirs, actor = two_histories(common=2, lost=(2, 3), length=5)
    second, third = records_of(theirs, actor)[1:3]
    step(store, LinkUp(LINK, "b", {actor: 5}), LinkUp(TRUE_LINK, "c", {actor: 5}))
    both = Arrived(TRUE_LINK, one_run([second])), Arrived(LINK, one_run([third]))
    assert step(store, *both)[1] == 1
    assert store.replica.stopped()[actor].startswith("b: ")
    step(store, *both)
    assert (store.replica.clock[actor], step(store, Tick())[1]) == (2, 0)
