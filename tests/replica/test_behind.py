"""What the log holds and the core did not take, where damage made a hole: when it is read."""

from __future__ import annotations

import pytest

from comm import packed
from crdt import Address, Create, Record, RequestId
from samebox.events import AppendFailed, Arrived, Asked, Event, Synced
from samebox.limits import Limits
from samebox.store import Store
from sim.machine import Machine
from storage import Log
from tests.replica.test_starts import ask, bring, damage, opened, records_of

OWN = 40
WRITES = 30


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, int]]:
    """What was read of the log, beside single records that others have to join."""
    found: list[tuple[bytes, int]] = []
    read = Log.read

    def counted(log: Log, actor: bytes, first: int, last: int, *, max_bytes: int) -> list[Record]:
        records = read(log, actor, first, last, max_bytes=max_bytes)
        if max_bytes:
            found.append((actor, first))
        return records

    monkeypatch.setattr(Log, "read", counted)
    return found


def damaged() -> tuple[Machine, list[Record], bytes]:
    """The log of a: three operations of b of which one was lost, and OWN ones that know of all."""
    theirs = opened(Machine("b"))
    for name in ("x", "y", "z"):
        ask(theirs, Create(Address(name)))
    assert theirs.replica.actor is not None
    records = records_of(theirs, theirs.replica.actor)
    machine = Machine("a")
    store = opened(machine)
    bring(store, records)
    for number in range(OWN):
        ask(store, Create(Address("x", f"{number}")))
    own = store.replica.actor
    assert own is not None
    store.close()
    damage(machine, records[1])
    return machine, records, own


def with_all(store: Store, *events: Event) -> None:
    """A step, and all that the log brings behind it."""
    work = list(events)
    while work:
        ready, work = store.replica.step(work), []
        if ready.append is not None:
            behind = store.append(ready.append)
            store.replica.step([Synced(ready.append.number)])
            work = [] if behind is None else [behind]


def write(store: Store, number: int) -> None:
    request = Create(Address(f"new {number}"))
    with_all(store, Asked(number, request, RequestId(b"a client", 1000 + number)))


def fill(store: Store, records: list[Record]) -> None:
    (message,) = packed((record, ()) for record in records)
    with_all(store, Arrived(1, message))


def test_writes_read_nothing_of_what_waits_behind_a_hole(reads: list[tuple[bytes, int]]) -> None:
    machine, records, own = damaged()
    store = opened(machine)
    reads.clear()
    for number in range(WRITES):
        write(store, number)
        assert store.first_held(store.replica.history.unread()) is None, "as at a tick"
    assert reads == [], "it is known to be missing, and what waits for it is in memory"
    fill(store, records[1:2])
    assert store.replica.clock[own] == 1 + OWN
    assert store.replica.clock[records[0].actor] == len(records)
    assert reads == [(records[0].actor, 3)]


def test_what_found_no_room_is_read_again_when_there_is_other_room(
    reads: list[tuple[bytes, int]],
) -> None:
    machine, records, own = damaged()
    store = opened(machine, limits=Limits(waiting_max=4))
    reads.clear()
    for number in range(WRITES):
        write(store, number)
    assert reads == [(own, 6)], "four wait, and for the fifth there is no room"
    fill(store, records[1:2])
    assert store.replica.clock[own] == 1 + OWN


def test_what_came_back_in_a_batch_that_failed_is_read_again(
    reads: list[tuple[bytes, int]],
) -> None:
    machine, records, own = damaged()
    store = opened(machine)
    (message,) = packed([(records[1], ())])
    batch = store.replica.step([Arrived(1, message)]).append
    assert batch is not None
    behind = store.append(batch)
    assert behind is not None
    reads.clear()
    store.replica.step([Synced(batch.number)])
    failed = store.replica.step([behind]).append
    assert failed is not None
    store.replica.step([AppendFailed(failed.number, "no room")])
    write(store, 0)
    assert reads == [(records[0].actor, 3)]
    assert store.replica.clock[own] == 1 + OWN
