"""The beginning of a log goes when two snapshots stand for it, and no start loses anything."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random

import pytest

from crdt import Address, Create
from samebox.events import LogBegins
from samebox.held import Held as HeldBlobs
from samebox.limits import Limits
from samebox.recovery import outdate
from samebox.snapshotting import is_wanted
from samebox.store import Store
from samebox.truncating import Held, Truncated, Truncating
from sim.disk import PowerCut, lose_all
from storage import LogLimits, TooNew, remove_snapshots
from tests.replica.test_kept_state import Node, ask, fill, seen
from tests.replica.test_snapshotting import take

SHORT = Limits(log=LogLimits(segment_bytes=6000, recent_bytes=0))


@pytest.fixture(autouse=True)
def not_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages stand for those of peers, whose contents need not be here."""
    monkeypatch.setattr(HeldBlobs, "is_here", lambda self, blob: True)


def truncate(store: Store, held: Held | None = None, bytes_max: int = 1 << 40) -> Truncated:
    clock = dict(store.replica.clock)
    work = Truncating(store)
    steps = work.steps(held or Held(clock, clock), bytes_max)
    result: object = None
    try:
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                done: Truncated = end.value
                return done
            result = step.do()
    finally:
        if work.begins is not None:
            store.replica.step([work.begins])


def snapshot(node: Node, store: Store, number: int) -> Store:
    """All that is committed is in it, as in a node that goes on for long."""
    store.close()
    store = node.start()
    take(store, number)
    return store


def twice_taken() -> tuple[Node, Store]:
    """Snapshots at 40 messages and at 70, then 10 more."""
    node = Node(limits=SHORT)
    store = node.start()
    fill(store, 40)
    store = snapshot(node, store, 1)
    fill(store, 30)
    store = snapshot(node, store, 2)
    fill(store, 10)
    return node, store


def begun() -> tuple[Node, Store]:
    """The same, cut."""
    node, store = twice_taken()
    assert truncate(store).segments > 0
    return node, store


def own_last(store: Store) -> int:
    assert store.replica.actor is not None
    return store.replica.clock[store.replica.actor]


def test_what_two_snapshots_stand_for_goes_and_the_start_after_it_is_as_any() -> None:
    node, store = twice_taken()
    before, size = seen(store), store.log.size().bytes
    done = truncate(store)
    assert done.segments > 0 and store.log.size().bytes == size - done.bytes
    base = store.log.base()
    assert base and all(seq <= 42 for seq in base.values()), "the older snapshot has them all"
    assert (store.replica.peers.base, seen(store)) == (base, before)
    fill(store, 5)
    before = seen(store)
    store.close()
    again = node.start()
    assert (seen(again), again.birth, node.told) == (before, None, [])
    assert again.replica.peers.base == base
    assert [notice.text for notice in again.notices] == []


def test_without_a_second_snapshot_nothing_goes() -> None:
    node = Node(limits=SHORT)
    store = node.start()
    fill(store, 40)
    store = snapshot(node, store, 1)
    assert truncate(store) == Truncated()


def test_what_a_member_lacks_stays_unless_the_log_is_too_long_and_a_quorum_has_it() -> None:
    _, store = twice_taken()
    clock = dict(store.replica.clock)
    lacking = dict.fromkeys(clock, 3)
    assert truncate(store, Held(lacking, clock)).segments == 0
    assert truncate(store, Held(lacking, lacking), 0).segments == 0
    assert truncate(store, Held({}, {}), 0).segments == 0
    assert truncate(store, Held(lacking, clock), 0).segments > 0


def test_a_damaged_snapshot_is_set_aside_and_nothing_goes() -> None:
    for number in (1, 2):
        node, store = twice_taken()
        name = f"log/snapshot-000000000{number}.snapshot"
        node.machine.disk.flip(name, node.machine.disk.size(name) - 80, 1)
        done = truncate(store)
        assert done.segments == 0 and len(done.damaged) == 1
        assert name not in node.machine.disk.names()
        assert truncate(store) == Truncated()


@pytest.mark.parametrize("wanted", ["_count", "another", "_truncate"])
def test_where_a_snapshot_goes_between_two_steps_nothing_more_goes_of_the_log(wanted: str) -> None:
    """As it does when one of a peer is taken over; a check of it may take minutes."""
    _, store = twice_taken()
    clock, before, result = dict(store.replica.clock), len(store.log.parts()), None
    steps = Truncating(store).steps(Held(clock, clock), 1 << 40)
    is_gone = False
    with pytest.raises(StopIteration) as end:
        while True:
            do = steps.send(result).do
            if not is_gone and wanted in (do.__name__, *do.__code__.co_names):
                remove_snapshots(store.disks.log)
                is_gone = True
            result = do()
    assert is_gone
    assert (end.value.value, len(store.log.parts())) == (Truncated(), before)


def test_a_cut_log_with_one_snapshot_left_wants_another_at_once() -> None:
    node, store = begun()
    assert not is_wanted(store.log, store.disks.log)
    node.machine.disk.forget("log/snapshot-0000000001.snapshot")
    assert is_wanted(store.log, store.disks.log)


def damages(size: int) -> Iterator[int]:
    yield from (0, 30, size - 1, size - 60)
    random = Random(7)
    yield from (random.randrange(size) for _ in range(4))


@pytest.mark.parametrize("spoilt", [(), (1,), (2,)])
def test_a_lost_state_is_made_from_either_snapshot_and_what_is_left(
    spoilt: tuple[int, ...],
) -> None:
    node, store = begun()
    before = seen(store)
    store.close()
    for at in damages(1000):
        harmed = deepcopy(node)
        harmed.images.is_lost = True
        for number in spoilt:
            name = f"log/snapshot-000000000{number}.snapshot"
            harmed.machine.disk.flip(name, harmed.machine.disk.size(name) - 1 - at, 1)
        again = harmed.start()
        assert seen(again) == before and again.birth is None, at
        fill(again, 3)
        after = seen(again)
        again.close()
        assert seen(harmed.start()) == after


def test_without_state_and_snapshots_the_loss_is_told_and_nothing_is_taken_away() -> None:
    node, store = begun()
    before, last = seen(store), own_last(store)
    store.close()
    disk = node.machine.disk
    whole = deepcopy(node)
    for number in (1, 2):
        name = f"log/snapshot-000000000{number}.snapshot"
        disk.flip(name, disk.size(name) - 60, 1)
    node.images.is_lost = True
    segments = [name for name in disk.names() if name.endswith(".segment")]
    again = node.start()
    alarms = " ".join(notice.text for notice in again.notices if notice.alarm)
    assert "the log begins behind what no snapshot and no state tells" in alarms
    assert "put a snapshot" in alarms and "are missing" in alarms
    assert (
        again.birth is not None and f"own records 1 to {own_last_of(alarms)}" in again.birth.reason
    )
    assert set(segments) <= set(disk.names())
    assert again.log.tips()[store.replica.actor or b""].seq == last
    again.close()
    for number in (1, 2):  # an operator puts them back
        name = f"log/snapshot-000000000{number}.snapshot"
        disk.create(name)
        disk.write(name, 0, whole.machine.disk.content(name, 0, whole.machine.disk.size(name)))
        disk.sync(name)
    mended = node.start()
    assert mended.replica.state.digest() == before[1]
    assert mended.replica.clock.items() >= before[0].items()


def own_last_of(alarms: str) -> str:
    return alarms.split(":1-")[1].split(" ")[0]


def test_a_state_that_forgot_too_much_is_made_from_the_oldest_snapshot() -> None:
    node, store = begun()
    before = seen(store)
    outdate(store.replica.state.rows, "something is needed that it forgot")
    store.close()
    again = node.start()
    assert any("snapshot-0000000001.snapshot has" in line for line in node.told), node.told
    assert seen(again) == before
    assert "log/snapshot-0000000002.snapshot" not in node.machine.disk.names()


def test_a_snapshot_of_other_rows_ends_the_start_where_the_log_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, store = begun()
    store.close()
    node.images.is_lost = True
    with monkeypatch.context() as patch, pytest.raises(TooNew, match="start the version"):
        patch.setattr("samebox.starting.ROWS_VERSION", 99)
        node.start()
    assert node.start().birth is None


def test_what_every_snapshot_has_folded_is_forgotten_for_good() -> None:
    _, store = begun()
    assert store.replica.actor is not None
    assert store.replica.forgetting.for_good == {}
    store.replica.begins(LogBegins({store.replica.actor: 7}, {store.replica.actor: 5}))
    assert store.replica.forgetting.for_good == {store.replica.actor: 5}


@pytest.mark.parametrize("is_lost", [False, True])
def test_power_cut_at_every_operation_of_a_truncation_loses_nothing(is_lost: bool) -> None:
    node, store = twice_taken()
    before = seen(store)
    store.close()
    operation = 0
    while True:
        operation += 1
        crashing = deepcopy(node)
        store = crashing.start()
        disk = crashing.machine.disk
        disk.crash_at = disk.operations + operation
        try:
            truncate(store)
        except PowerCut:
            disk.lose_power(lose_all if operation % 2 else Random(operation).randrange)
            crashing.images.is_lost = is_lost
            again = crashing.start()
            assert seen(again) == before and again.birth is None, operation
            truncate(again)
            ask(again, Create(Address("more")))
            again.close()
            assert crashing.start().replica.state.find(Address("more")) is not None
        else:
            assert operation > 4
            return


def test_a_long_life_keeps_its_log_bounded() -> None:
    node = Node(limits=SHORT)
    store = node.start()
    sizes: list[int] = []
    for number in range(1, 9):
        fill(store, 30)
        store = snapshot(node, store, number)
        truncate(store)
        sizes.append(store.log.size().bytes)
    assert max(sizes[3:]) <= 1.2 * sizes[2]
    digest = store.replica.state.digest()
    store.close()
    node.images.is_lost = True
    assert node.start().replica.state.digest() == digest
