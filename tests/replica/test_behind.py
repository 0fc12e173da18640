"""What the log holds and the core did not take, where damage made a hole: when it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from comm import Delivery, Range, Records, packed
from crdt import (
    Actor,
    Address,
    BoxMade,
    Create,
    Dot,
    Draft,
    Record,
    RequestId,
    first_head,
    read,
    write,
)
from samebox.behind import Behind
from samebox.events import (
    OWN_LOG,
    AppendFailed,
    Arrived,
    Asked,
    Batch,
    Event,
    LinkUp,
    Notice,
    Synced,
    Tick,
)
from samebox.history import Item
from samebox.limits import Limits
from samebox.store import Store
from sim.machine import Machine
from storage import DiskReadOnly, Log
from tests.replica.test_holes_of_forks import run_of, step, two_histories
from tests.replica.test_starts import (
    CLUSTER,
    ask,
    bring,
    damage,
    in_segments_of_their_own,
    opened,
    records_of,
)

OWN = 40
WRITES = 30


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, int]]:
    """What was read of the log, beside single records that others have to join."""
    found: list[tuple[bytes, int]] = []
    of_log = Log.read

    def counted(log: Log, actor: bytes, first: int, last: int, *, max_bytes: int) -> list[Record]:
        records = of_log(log, actor, first, last, max_bytes=max_bytes)
        if max_bytes:
            found.append((actor, first))
        return records

    monkeypatch.setattr(Log, "read", counted)
    return found


def damaged() -> tuple[Machine, list[Record], bytes]:
    """The log of a: three operations of b of which one was lost, and OWN ones that know of all."""
    records = of_b()
    machine = Machine("a")
    store = opened(machine)
    own = write_behind(store, records, OWN)
    store.close()
    damage(machine, records[1])
    return machine, records, own


def of_b() -> list[Record]:
    store = opened(Machine("b"))
    for name in ("x", "y", "z"):
        ask(store, Create(Address(name)))
    assert store.replica.actor is not None
    return records_of(store, store.replica.actor)


def write_behind(store: Store, records: list[Record], count: int) -> bytes:
    """So many operations behind those of b, and the actor that made them."""
    bring(store, records)
    for number in range(count):
        request = Create(Address("x", f"{number}"))
        with_all(store, Asked(number, request, RequestId(b"a writer", number)))
    assert store.replica.actor is not None
    return store.replica.actor


def with_all(store: Store, *events: Event, behind: Sequence[Event] = ()) -> None:
    """A step, and all that the log brings behind it; together with the first of that, `behind`."""
    work = list(events)
    while work:
        ready, work = store.replica.step(work), []
        if ready.append is not None:
            held = store.append(ready.append)
            store.replica.step([Synced(ready.append.number)])
            work, behind = [*([] if held is None else [held]), *behind], ()


def write_here(store: Store, number: int) -> None:
    request = Create(Address(f"new {number}"))
    with_all(store, Asked(number, request, RequestId(b"a client", 1000 + number)))


def fill(store: Store, records: list[Record]) -> None:
    (message,) = messages(records)
    with_all(store, Arrived(1, message))


def test_a_tick_asks_for_it_where_no_batch_does() -> None:
    machine, records, _ = damaged()
    store = opened(machine)
    missing = [Range(records[0].actor, 2, len(records))]
    assert store.replica.step([Tick()]).unread == missing
    asked = Asked(0, Create(Address("new")), RequestId(b"a client", 0))
    ready = store.replica.step([Tick(), asked])
    assert ready.append is not None
    assert (ready.append.unread, ready.unread) == (missing, []), "once is enough"
    assert store.replica.step([Tick()]).unread == [], "the batch under way may bring it"
    store.append(ready.append)
    store.replica.step([Synced(ready.append.number)])
    assert store.replica.step([Tick()]).unread == missing


def test_writes_read_nothing_of_what_waits_behind_a_hole(reads: list[tuple[bytes, int]]) -> None:
    machine, records, own = damaged()
    store = opened(machine)
    reads.clear()
    for number in range(WRITES):
        write_here(store, number)
        assert store.first_held(store.replica.step([Tick()]).unread) is None, "as at a tick"
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
        write_here(store, number)
    assert reads == [(own, 6)], "four wait, and for the fifth there is no room"
    fill(store, records[1:2])
    assert store.replica.clock[own] == 1 + OWN


def test_what_found_no_room_is_read_again_though_others_wait_where_those_before_it_did() -> None:
    """As many of them as before, and as many bytes."""
    machine, records, own = damaged()
    store = opened(machine, limits=Limits(waiting_max=1))
    history = store.replica.history
    write_here(store, 0)
    before = history.waiting, history.waiting_bytes
    other = opened(Machine("b"))
    theirs = records_of(other, write_behind(other, of_b(), 1))
    (hole,), (others,) = messages(records[1:2]), messages(theirs)
    with_all(store, Arrived(1, hole), behind=[Arrived(1, others)])
    assert (history.waiting, history.waiting_bytes) == before, "of what another one made"
    at_tick = store.first_held(store.replica.step([Tick()]).unread)
    with_all(store, *([] if at_tick is None else [at_tick]))
    assert store.replica.clock[own] == 1 + OWN


def test_what_came_back_in_a_batch_that_failed_is_read_again(
    reads: list[tuple[bytes, int]],
) -> None:
    machine, records, own = damaged()
    store = opened(machine)
    (message,) = messages(records[1:2])
    batch = store.replica.step([Arrived(1, message)]).append
    assert batch is not None
    behind = store.append(batch)
    assert behind is not None
    reads.clear()
    store.replica.step([Synced(batch.number)])
    failed = store.replica.step([behind]).append
    assert failed is not None
    store.replica.step([AppendFailed(failed.number, "no room")])
    write_here(store, 0)
    assert reads == [(records[0].actor, 3)]
    assert store.replica.clock[own] == 1 + OWN


def with_one_of_another_history(store: Store, records: list[Record]) -> Batch:
    """What is made of it, and of what the log holds behind the lost one: that does not join."""
    _, _, head = read(first_head(CLUSTER, "main", records[0].actor), records[0].data)
    _, other, _ = write(head, Draft(BoxMade("of another history", False), 2, {}))
    (false,), (behind,) = messages([other]), messages(records[2:])
    batch = store.replica.step([Arrived(1, false), Arrived(OWN_LOG, behind)]).append
    assert batch is not None and batch.records == [other]
    return batch


def test_what_did_not_join_a_record_of_a_batch_that_failed_is_read_again() -> None:
    machine, records, own = damaged()
    store = opened(machine)
    actor = records[0].actor
    batch = with_one_of_another_history(store, records)
    assert batch.unread == [], "it would not join once more"
    store.replica.step([AppendFailed(batch.number, "no room")])
    fill(store, records[1:2])
    assert store.replica.clock[actor] == len(records)
    assert store.replica.clock[own] == 1 + OWN


def test_what_did_not_join_is_read_again_when_what_waits_of_its_actor_was_dropped() -> None:
    machine, records, _ = damaged()
    store = opened(machine)
    with_one_of_another_history(store, records)
    history, actor = store.replica.history, records[0].actor
    assert history.unread() == []
    history.drop(actor)
    assert history.unread() == [Range(actor, 3, 4)]


def test_what_could_not_be_taken_before_others_were_durable_is_read_again_when_they_are() -> None:
    store, theirs, actor = two_histories(common=2)
    step(store, LinkUp(1, "b", {actor: 4}))
    assert step(store, Arrived(1, run_of(theirs, actor, 2)))[1] == 1
    (alone,), (behind,) = messages(records_of(theirs, actor)[1:2]), messages(held(store, actor))
    batch = store.replica.step([Arrived(1, alone), Arrived(OWN_LOG, behind)]).append
    assert batch is not None and batch.unread == [] and len(batch.records) == 1
    assert store.append(batch) is None
    store.replica.step([Synced(batch.number)])
    write_here(store, 0)
    assert store.replica.clock[actor] == 4


def held(store: Store, actor: bytes) -> list[Record]:
    return store.log.read(actor, 3, 4, max_bytes=1 << 20)


def test_what_was_turned_away_does_not_keep_what_is_behind_it_from_being_read() -> None:
    """Peers may have brought it."""
    behind, room = Behind(), Delivery[Item]({})
    behind.lasts = {b"a": 9}
    behind.found_no_room(Dot(Actor(b"a"), 6), None, room)
    assert behind.unread(lambda actor: 6, {}, room) == []
    assert behind.unread(lambda actor: 8, {}, room) == [Range(Actor(b"a"), 8, 9)]


def test_all_that_found_no_room_have_their_turns_while_the_room_changes_all_the_time() -> None:
    """What is offered first alone is read."""
    behind, offers = Behind(), Counter[bytes]()
    behind.lasts = {b"a": 9, b"b": 9, b"c": 9}
    for ticks in range(30):
        room = FullRoom(ticks)
        first = behind.unread(lambda actor: 1, {}, room)[0]
        offers[first.actor] += 1
        behind.found_no_room(Dot(first.actor, 1), None, room)
    assert offers == {b"a": 10, b"b": 10, b"c": 10}


class FullRoom(NamedTuple):
    """So many operations wait, each of some bytes."""

    waiting: int
    clock: Mapping[Actor, int] = {}

    @property
    def waiting_bytes(self) -> int:
        return 100 * self.waiting


def test_a_segment_that_does_not_read_and_cannot_be_marked_is_tried_once_and_told() -> None:
    machine = Machine("a")
    records = in_segments_of_their_own(machine)
    damage(machine, records[1])
    after = opened(machine)
    damage(machine, records[3])
    tries: list[str] = []

    def refused(old: str, new: str) -> None:
        tries.append(old)
        raise DiskReadOnly(f"{old}: cannot rename to {new}: Permission denied")

    after.disks.log.rename = refused  # type: ignore[method-assign]
    told: list[Notice] = []
    after.surroundings = replace(after.surroundings, tell=told.append)
    fill(after, records[1:2])
    for number in range(WRITES):
        write_here(after, number)
    assert len(tries) == 1
    assert [notice.alarm for notice in told] == [True]
    assert "Permission denied; see to the disk" in told[0].text
    assert after.first_held([Range(records[0].actor, 4, 4)]) is None
    assert (len(tries), len(told)) == (2, 1), "what is to be done is the same"


def messages(records: list[Record]) -> list[Records]:
    return list(packed((record, ()) for record in records))
