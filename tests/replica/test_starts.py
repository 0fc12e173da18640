"""Starts of a shard on logs that were damaged, and mended again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import count

import pytest

from comm import packed
from crdt import (
    Address,
    Born,
    BoxMade,
    Create,
    Draft,
    MemoryRows,
    Operation,
    Record,
    Request,
    RequestId,
    State,
    first_head,
    write,
)
from samebox.events import Arrived, Asked, Event, Ready, Synced
from samebox.history import History
from samebox.keeping import Unkept
from samebox.limits import Limits
from samebox.making import Place
from samebox.store import Store, Surroundings, open_store
from sim.machine import Machine
from storage import DiskReadOnly

CLUSTER = "example.org"
_numbers = count(1)


def entropy(length: int) -> bytes:
    return sha256(b"%d" % next(_numbers)).digest()[:length]


def opened(
    machine: Machine,
    *,
    cluster: str = CLUSTER,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    members: tuple[str, ...] = ("a", "b"),
) -> Store:
    around = Surroundings(entropy, lambda: 0, Unkept(MemoryRows), limits)
    place = Place("main", machine.name, members)
    store = open_store(machine.disks(), around, cluster=cluster, place=place, key=b"")
    if store.birth is not None:
        step(store, store.birth)
    return store


def step(store: Store, *events: Event) -> Ready:
    """A step, and all that its disk has to do after it."""
    ready = store.replica.step(events)
    while ready.append is not None:
        store.append(ready.append)
        ready = store.replica.step([Synced(ready.append.number)])
    return ready


def ask(store: Store, request: Request) -> None:
    number = next(_numbers)
    step(store, Asked(number, request, RequestId(b"a client", number)))


def records_of(store: Store, actor: bytes) -> list[Record]:
    return store.log.read(actor, 1, 1 << 30, max_bytes=1 << 20)


def bring(store: Store, records: list[Record]) -> None:
    for message in packed((record, ()) for record in records):
        step(store, Arrived(1, message))


def damage(machine: Machine, record: Record) -> None:
    disk = machine.disk
    for name in disk.names():
        at = disk.content(name, 0, disk.size(name)).find(record.data)
        if name.startswith("log/") and at >= 0:
            disk.flip(name, at)
            return
    raise AssertionError("the record is in no file")


def two_nodes() -> tuple[Machine, Store, list[Record]]:
    """Node a holds three operations of b, and then two of its own that know of all three."""
    other = opened(Machine("b"))
    for name in ("x", "y", "z"):
        ask(other, Create(Address(name)))
    assert other.replica.actor is not None
    theirs = records_of(other, other.replica.actor)
    machine = Machine("a")
    store = opened(machine)
    bring(store, theirs)
    ask(store, Create(Address("x", "Work")))
    ask(store, Create(Address("y", "Work")))
    store.close()
    return machine, store, theirs


def test_a_hole_that_was_filled_is_delivered_at_the_next_start_with_all_behind_it() -> None:
    machine, store, theirs = two_nodes()
    before, digest = dict(store.replica.clock), store.replica.state.digest()
    damage(machine, theirs[1])
    mended = opened(machine)
    assert mended.replica.clock[theirs[0].actor] == 1, "the records behind the hole stay out"
    bring(mended, theirs)
    own = mended.replica.actor
    assert own is not None
    mended.close()
    again = opened(machine).replica
    assert again.clock == {**before, own: 1}
    assert again.state.digest() == digest


def test_own_records_that_wait_for_a_lost_one_of_another_actor_are_never_named_again() -> None:
    machine, store, theirs = two_nodes()
    old = store.replica.actor
    damage(machine, theirs[1])
    after = opened(machine)
    assert old is not None and after.replica.clock[old] == 1, "own records 2 and 3 wait"
    assert after.replica.actor not in (None, old)
    ask(after, Create(Address("p")))
    bring(after, theirs)
    assert after.replica.clock[old] == 3
    assert after.replica.state.find(Address("y", "Work")) is not None


def test_own_records_behind_one_that_came_again_are_taken_from_the_log_that_holds_them() -> None:
    """Nobody else holds them: they were confirmed here alone."""
    machine = Machine("a")
    store = opened(machine)
    for name in ("x", "y", "z"):
        ask(store, Create(Address(name)))
    actor = store.replica.actor
    assert actor is not None
    records = records_of(store, actor)
    damage(machine, records[1])
    after = opened(machine)
    assert after.replica.clock[actor] == 1, "3 and 4 wait for 2"
    ask(after, Create(Address("p")))
    (message,) = packed((record, ()) for record in records[1:2])
    event: Arrived | None = Arrived(1, message)
    while event is not None:
        batch = after.replica.step([event]).append
        assert batch is not None
        event = after.append(batch)
        after.replica.step([Synced(batch.number)])
    assert after.replica.clock[actor] == 4
    assert all(after.replica.state.find(Address(name)) for name in ("x", "y", "z", "p"))
    assert after.replica.history.behind.lasts == {}


def in_segments_of_their_own(machine: Machine) -> list[Record]:
    """The birth of an actor and three operations, each written in another life of the node."""
    for name in ("x", "y", "z"):
        store = opened(machine)
        ask(store, Create(Address(name)))
        store.close()
    store = opened(machine)
    assert store.replica.actor is not None
    return records_of(store, store.replica.actor)


def test_a_batch_that_is_durable_is_not_refused_for_what_the_log_holds_behind_it() -> None:
    """A refused batch has used no dot, and this one is in the log: its dots would come twice."""
    machine = Machine("a")
    records = in_segments_of_their_own(machine)
    damage(machine, records[1])
    after = opened(machine)
    ask(after, Create(Address("p")))
    damage(machine, records[3])  # met when what follows the lost one is read, and not to be marked
    after.disks.log.rename = refused  # type: ignore[method-assign]
    (message,) = packed((record, ()) for record in records[1:2])
    batch = after.replica.step([Arrived(1, message)]).append
    assert batch is not None
    assert after.append(batch) is None
    assert after.log.read(records[0].actor, 1, 2, max_bytes=1 << 20) == records[:2]


def refused(old: str, new: str) -> None:
    raise DiskReadOnly(f"{old}: cannot rename to {new}: Permission denied")


def test_who_brings_a_lost_record_may_bring_more_than_the_log_had_behind_it() -> None:
    machine, other = Machine("a"), Machine("b")
    theirs, store = opened(other), opened(machine)
    for name in ("x", "y", "z", "p"):
        ask(theirs, Create(Address(name)))
    actor = theirs.replica.actor
    assert actor is not None
    records = records_of(theirs, actor)
    for record in records[:3]:
        take(store, [record])
    damage(machine, records[1])
    after = opened(machine)
    assert after.replica.clock[actor] == 1, "3 waits for 2"
    take(after, records[1:])
    assert after.replica.clock[actor] == len(records)
    assert after.replica.history.behind.lasts == {}


def take(store: Store, records: Sequence[Record]) -> None:
    """As from a peer."""
    (message,) = packed((record, ()) for record in records)
    batch = store.replica.step([Arrived(1, message)]).append
    assert batch is not None
    assert store.append(batch) is None
    store.replica.step([Synced(batch.number)])


def test_a_birth_says_that_own_records_wait() -> None:
    machine, _, theirs = two_nodes()
    damage(machine, theirs[1])
    reason = "own records 2 to 3 wait for others that are missing"
    birth = opened(machine).birth
    assert birth is not None and birth.reason == reason


def test_one_start_finds_the_damage_of_all_segments_and_says_so() -> None:
    machine = Machine("a")
    for number in range(3):
        store = opened(machine)
        ask(store, Create(Address(f"box {number}")))
        store.close()
    sound = opened(machine)
    actor = sound.replica.actor
    assert actor is not None
    for record in records_of(sound, actor)[1:]:
        damage(machine, record)
    again = opened(machine)
    said = [notice.text for notice in again.notices if notice.alarm]
    damaged = [name for name in machine.disk.names() if name.endswith(".damaged")]
    assert len(damaged) == 3, damaged
    assert [text.partition(":")[0] for text in said[:3]] == [
        name.removeprefix("log/") for name in damaged
    ]
    assert said[3:] == [f"records {actor.hex()[:8]}:2-4 are missing"]
    assert again.replica.actor != actor


def test_want_of_memory_in_an_effect_ends_the_step_and_is_the_fault_of_no_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, _, theirs = two_nodes()
    other, asked = opened(Machine("c")), opened(Machine("d"))

    def exhausted(state: State, operation: Operation) -> None:
        raise MemoryError("no memory for a row")

    monkeypatch.setattr(State, "apply", exhausted)
    with pytest.raises(MemoryError):
        bring(other, theirs)
    assert other.replica.stopped() == {}
    with pytest.raises(MemoryError):
        ask(asked, Create(Address("z")))


def test_a_log_whose_files_were_removed_is_not_gone_on_with() -> None:
    """Its first dot was given to an operation that others may hold."""
    machine = Machine("a")
    store = opened(machine)
    before = store.replica.actor
    for name in machine.disk.names():
        if name.startswith("log/"):
            machine.remove(name)
    assert opened(machine).replica.actor != before


def test_what_comes_before_a_record_that_cannot_be_read_is_delivered() -> None:
    """Neighbours are read together; one of them takes none of the others with it."""
    head = first_head(CLUSTER, "main", b"a" * 16)
    records: list[Record] = []
    for number in range(6):
        body = BoxMade(f"{number}", False) if number else Born("a", b"", None)
        _, record, head = write(head, Draft(body, number + 1, {}))
        records.append(record)
    records[4] = records[4]._replace(data=b"\xc1 is no MessagePack")
    rows = MemoryRows()
    history = History(CLUSTER, "main", rows)
    rows.begin()
    delivered = [item.dot.seq for item in history.replay(records)]
    assert delivered == [1, 2, 3, 4]
    assert [item.dot.seq for item in history.replay(records[2:])] == []
