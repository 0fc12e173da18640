"""A node that lacks what no peer can send any more goes on from a peer's snapshot, and keeps all
that it alone has."""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest

from comm import NoSnapshot, PeerBroke, SnapshotPiece, WantSnapshot, packed
from crdt import Address, Create, Delete, Record
from samebox import adopting
from samebox.adopting import Fetching, NotAdopted, answer
from samebox.events import Arrived, Tick
from samebox.held import Held as HeldBlobs
from samebox.store import Store, log_begins
from sim.disk import PowerCut, lose_all
from storage import DiskFull
from tests.replica.test_kept_state import Node, ask, fill, seen, step
from tests.replica.test_truncating import SHORT, snapshot, truncate

PIECE = 700


@pytest.fixture(autouse=True)
def small_pieces_and_no_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages stand for those of peers, whose contents need not be here."""
    monkeypatch.setattr(HeldBlobs, "is_here", lambda self, blob: True)
    monkeypatch.setattr(adopting, "PIECE_BYTES", PIECE)


def records_of(store: Store, after: dict[bytes, int]) -> list[Record]:
    """Of all that a log holds behind a clock, in its order."""
    return [r for r in store.log.replay() if r.seq > after.get(r.actor, 0)]


def bring(source: Store, target: Store) -> None:
    """What a link would bring, as far as the log of the source reaches."""
    for record in records_of(source, dict(target.replica.clock)):
        for message in packed([(record, ())]):
            step(target, Arrived(0, message))


def fetch(source: Store, fetching: Fetching) -> None:
    while not fetching.is_whole:
        fetching.take(answer(source, fetching.question()))
    while fetching.check_more():
        pass


def adopt(source: Store, target: Store) -> Fetching:
    """All that a shell does."""
    fetching = Fetching(target)
    try:
        fetch(source, fetching)
        made = fetching.adopt(dict(target.replica.clock))
    finally:
        fetching.abandon()
    target.replica.begins(log_begins(target.log, [], made.state.folded))
    ready = target.replica.restored(made)
    assert ready.append is None
    if ready.mint is not None:
        step(target, target.mint(ready.mint))
    return fetching


def old_node() -> tuple[Node, Store]:
    """A node whose log is cut: two snapshots, and some messages behind."""
    node = Node("b", SHORT)
    store = cut(node, node.start())
    fill(store, 10)
    return node, store


def cut(node: Node, store: Store) -> Store:
    """With two snapshots, the beginning of its log is gone."""
    for number in (1, 2):
        fill(store, 40)
        store = snapshot(node, store, number)
    assert truncate(store).segments > 0
    return store


def copied(node: Node, store: Store) -> tuple[Node, Store]:
    """A backup of a node, and how it goes on."""
    store.close()
    return deepcopy(node), node.start()


def check_same(one: Store, other: Store) -> None:
    assert one.replica.clock == other.replica.clock
    assert one.replica.state.digest() == other.replica.state.digest()


def check_again(node: Node, store: Store) -> Store:
    """The next starts show the same, with and without the rows."""
    before, actor = seen(store), store.replica.actor
    store.close()
    for is_lost in (False, True):
        other = deepcopy(node)
        other.images.is_lost = is_lost
        again = other.start()
        assert (seen(again), again.birth, again.replica.actor) == (before, None, actor)
        assert [notice.text for notice in again.notices if notice.alarm] == []
    return node.start()


def test_a_new_node_goes_on_from_a_snapshot_and_the_log_behind_it() -> None:
    _, old = old_node()
    node = Node(limits=SHORT)
    new = node.start()
    bring(old, new)
    assert len(new.replica.clock) == 1, "it cannot take what it was sent"
    adopt(old, new)
    bring(old, new)
    bring(new, old)
    check_same(new, old)
    assert new.replica.peers.base == new.log.base() != {}
    new = check_again(node, new)
    fill(new, 5)
    bring(new, old)
    check_same(new, old)


def test_what_a_node_alone_has_stays_and_goes_on_top() -> None:
    node, store = Node(limits=SHORT), Node("b", SHORT)
    new, old = node.start(), store.start()
    fill(old, 5)
    bring(old, new)
    for number in range(40):
        ask(new, Create(Address("files", f"{number}")) if number else Create(Address("files")))
    alone = seen(new)[0][new.replica.actor or b""]
    old = cut(store, old)
    adopt(old, new)
    assert new.replica.clock[new.replica.actor or b""] == alone
    assert new.replica.state.find(Address("files", "39")) is not None
    again = check_again(node, new)
    bring(old, again)
    bring(again, old)
    check_same(again, old)
    assert len(records_of(again, {})) < 60, "what the snapshot stands for is not in the log"
    ask(again, Delete(Address("files", "7")))
    bring(again, old)
    check_same(again, old)


def test_a_node_put_back_to_an_earlier_state_catches_up_and_its_old_log_is_set_aside() -> None:
    node, store = Node(limits=SHORT), Node("b", SHORT)
    new, old = node.start(), store.start()
    fill(new, 5)
    backup, new = copied(node, new)
    fill(new, 30)
    bring(new, old)
    old = cut(store, old)
    backup.machine.inode += 1
    back = backup.start()
    assert back.birth is not None
    former = next(a for a, born in back.replica.history.births.items() if born.node == "a")
    fetching = adopt(old, back)
    assert fetching.set_back == [former]
    assert any(name.endswith(".aside") for name in backup.machine.disk.names())
    assert back.replica.actor != former
    bring(old, back)
    bring(back, old)
    check_same(back, old)
    fill(back, 3)
    bring(back, old)
    check_same(back, old)


def test_a_node_whose_actor_went_on_elsewhere_begins_another_one() -> None:
    node, store = Node(limits=SHORT), Node("b", SHORT)
    new, old = node.start(), store.start()
    fill(new, 5)
    backup, new = copied(node, new)
    fill(new, 30)
    bring(new, old)
    old = cut(store, old)
    back = backup.start()
    before = back.replica.actor
    assert back.birth is None
    adopt(old, back)
    assert back.replica.actor != before
    fill(back, 2)
    bring(back, old)
    bring(old, back)
    check_same(back, old)


def forgotten_for_good(store: Node, old: Store) -> Store:
    """All that is there now is stable, says the node, and forgets for it; then its log is cut."""
    rows = old.replica.state.rows
    rows.begin()
    rows.advance_folded(dict(old.replica.clock))
    rows.commit()
    old = cut(store, old)
    return old


def test_what_was_written_without_what_the_others_forgot_something_for_is_told() -> None:
    node, store = Node(limits=SHORT), Node("b", SHORT)
    new, old = node.start(), store.start()
    fill(old, 5)
    bring(old, new)
    fill(old, 40)
    old = forgotten_for_good(store, old)
    nothing_written, new = copied(node, new)
    ask(new, Create(Address("files")))
    before, names = seen(new), node.machine.disk.names()
    with pytest.raises(NotAdopted, match="was written here without what the others hold for good"):
        adopt(old, new)
    assert seen(new) == before
    assert node.machine.disk.names() == names
    other = nothing_written.start()
    adopt(old, other)
    bring(old, other)
    bring(other, old)
    check_same(other, old)


def test_what_a_node_wrote_that_had_seen_nothing_is_taken() -> None:
    node, store = Node(limits=SHORT), Node("b", SHORT)
    new, old = node.start(), store.start()
    fill(old, 40)
    old = forgotten_for_good(store, old)
    ask(new, Create(Address("files")))
    ask(new, Create(Address("files", "one")))
    adopt(old, new)
    bring(old, new)
    bring(new, old)
    check_same(new, old)
    assert old.replica.state.find(Address("files", "one")) is not None
    check_again(node, new)


def test_a_snapshot_of_another_history_is_not_taken() -> None:
    node, store = Node(limits=SHORT), Node("b", SHORT)
    new, old = node.start(), store.start()
    fill(old, 5)
    bring(old, new)
    twin, old = copied(store, old)
    other = twin.start()
    fill(old, 200)
    bring(old, new)
    for number in (1, 2):
        fill(other, 40)
        other = snapshot(twin, other, number)
    assert truncate(other).segments > 0
    step(other, Tick())
    with pytest.raises(NotAdopted, match="it has another history of actor"):
        ask(other, Create(Address("more")))
        other = snapshot(twin, other, 3)
        other.replica.step([])
        third = Node("c", SHORT).start()
        ask(third, Create(Address("third")))
        bring(third, other)
        other = snapshot(twin, other, 4)
        adopt(other, new)


def test_a_snapshot_that_cannot_be_read_at_the_peer_is_told_and_ends_nothing() -> None:
    store, old = old_node()
    want = Fetching(Node(limits=SHORT).start()).question()
    name = "log/snapshot-0000000002.snapshot"
    store.machine.disk.unreadable.add((name, store.machine.disk.size(name) - 100))
    found = answer(old, want)
    while isinstance(found, SnapshotPiece) and found.at + PIECE < found.size:
        found = answer(old, WantSnapshot([], found.id, found.at + PIECE))
    assert isinstance(found, NoSnapshot) and "cannot be read here" in found.reason


def test_what_is_here_by_now_is_not_taken_over() -> None:
    _, old = old_node()
    node = Node(limits=SHORT)
    new = node.start()
    adopt(old, new)
    with pytest.raises(NotAdopted, match="all of it is here by now"):
        adopt(old, new)
    assert not any(name.endswith("new") for name in node.machine.disk.names())


@pytest.mark.parametrize(
    "harm",
    [
        lambda p: SnapshotPiece(p.id, p.at + 1, p.size, p.data),
        lambda p: SnapshotPiece(bytes(16), p.at, p.size, p.data),
        lambda p: SnapshotPiece(p.id, p.at, p.size + 1, p.data),
        lambda p: SnapshotPiece(p.id, p.at, p.size, p.data + bytes(p.size)),
        lambda p: SnapshotPiece(p.id, p.at, p.size, p.data[:-1]),
        lambda p: SnapshotPiece(p.id, p.at, p.size, b""),
        lambda p: WantSnapshot([]),
    ],
)
def test_pieces_that_do_not_fit_break_the_protocol(harm: object) -> None:
    _, old = old_node()
    fetching = Fetching(Node(limits=SHORT).start())
    fetching.take(answer(old, fetching.question()))
    piece = answer(old, fetching.question())
    with pytest.raises(PeerBroke):
        fetching.take(harm(piece))  # type: ignore[operator]


def test_a_snapshot_with_any_byte_wrong_is_none() -> None:
    _, old = old_node()
    node = Node(limits=SHORT)
    new = node.start()
    before, random = seen(new), Random(5)
    for _ in range(12):
        fetching, at = Fetching(new), random.randrange(8000)
        while not fetching.is_whole:
            piece = answer(old, fetching.question())
            assert isinstance(piece, SnapshotPiece)
            if piece.at <= at < piece.at + len(piece.data):
                data = bytearray(piece.data)
                data[at - piece.at] ^= 1 << random.randrange(8)
                piece = SnapshotPiece(piece.id, piece.at, piece.size, bytes(data))
            fetching.take(piece)
        with pytest.raises(NotAdopted, match="the snapshot that came is none"):
            while fetching.check_more():
                pass
            raise NotAdopted("the snapshot that came is none: beyond its end")
        fetching.abandon()
    assert seen(new) == before
    assert not any("snapshot" in name for name in node.machine.disk.names())


def test_power_cut_at_every_operation_of_an_adoption_loses_nothing() -> None:
    _, old = old_node()
    first = Node(limits=SHORT)
    store = first.start()
    for number in range(30):
        ask(store, Create(Address("files", f"{number}")) if number else Create(Address("files")))
    clock = dict(store.replica.clock)
    store.close()
    operation, adopted = 0, 0
    while True:
        operation += 1
        node = deepcopy(first)
        new = node.start()
        fetching = Fetching(new)
        fetch(old, fetching)
        disk = node.machine.disk
        disk.crash_at = disk.operations + operation
        try:
            fetching.adopt(dict(new.replica.clock))
        except PowerCut:
            disk.lose_power(lose_all if operation % 2 else Random(operation).randrange)
            node.images.is_lost = operation % 3 == 0
            again = node.start()
            assert again.replica.clock.items() >= clock.items(), operation
            assert again.replica.state.find(Address("files", "29")) is not None
            is_adopted = len(again.replica.clock) > len(clock) + (again.birth is not None)
            adopted += is_adopted
            if not is_adopted:
                adopt(old, again)
            bring(old, again)
            bring(again, old)
            assert again.replica.state.find(Address("alice")) is not None
        else:
            assert operation > 10 and adopted > 3
            return


def test_without_space_nothing_changes() -> None:
    _, old = old_node()
    node = Node(limits=SHORT)
    new = node.start()
    before, disk = seen(new), node.machine.disk
    names = [n for n in disk.names() if n.startswith("log/")]
    for space in range(0, 90_000, 3000):
        disk.capacity = disk.used() + space
        try:
            adopt(old, new)
        except DiskFull:
            assert seen(new) == before
            assert [n for n in disk.names() if n.startswith("log/")] == names, space
        else:
            assert space > 6000
            return
    raise AssertionError("never enough")
