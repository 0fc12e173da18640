"""Starts with the rows that the last life kept: they are gone on from where the log proves them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256
from itertools import count
from typing import NoReturn

import pytest

from crdt import (
    Address,
    Append,
    Blob,
    Create,
    Expunge,
    Request,
    RequestId,
    State,
    StateLost,
)
from crdt.tables import ENTRIES, NODES
from samebox.events import Asked, BlobStored, Event, Notice, Ready, Synced
from samebox.held import Held
from samebox.image import Image
from samebox.keeping import Kept
from samebox.limits import Limits
from samebox.making import Place
from samebox.recovery import ORIGIN, UNSURE_KEY, outdate
from samebox.store import Store, Surroundings, open_store
from samebox.write_back import Bounds
from sim.machine import Machine
from tests.rows_kept import SlowImage

CLUSTER = "example.org"
INBOX = Address("alice", "INBOX")
WRITE_ROWS = 40
_numbers = count(1)


def entropy(length: int) -> bytes:
    return sha256(b"%d" % next(_numbers)).digest()[:length]


class OneImage:
    """The place of an image, which outlives those who open it."""

    def __init__(self) -> None:
        self.image = SlowImage()
        self.is_lost = False

    def open(self, ended: Callable[[], None]) -> Image:
        if self.is_lost:
            raise StateLost("the image cannot be read")
        return self.image

    def clear(self) -> None:
        self.image = SlowImage()
        self.is_lost = False


@pytest.fixture(autouse=True)
def not_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages stand for those of peers, whose contents need not be here."""
    monkeypatch.setattr(Held, "is_here", lambda self, blob: True)


class Node:
    """A machine, and the place of an image; `told` are the lines of the last start."""

    def __init__(self, name: str = "a", limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self.limits = limits
        self.machine = Machine(name)
        self.images = OneImage()
        self.told: list[str] = []

    def start(self) -> Store:
        self.told.clear()
        self.images.image.forget()
        around = Surroundings(
            entropy,
            lambda: 0,
            Kept(self.images, Bounds(write_rows=WRITE_ROWS)),
            self.limits,
            self._tell,
        )
        place = Place("main", self.machine.name, ("a", "b"))
        store = open_store(self.machine.disks(), around, cluster=CLUSTER, place=place, key=b"")
        if store.birth is not None:
            step(store, store.birth)
        return store

    def _tell(self, notice: Notice) -> None:
        self.told.append(notice.text)


def step(store: Store, *events: Event) -> Ready:
    ready = store.replica.step(events)
    while ready.append is not None:
        store.append(ready.append)
        ready = store.replica.step([Synced(ready.append.number)])
    return ready


def ask(store: Store, request: Request) -> None:
    number = next(_numbers)
    step(store, Asked(number, request, RequestId(b"a client", number)))


def fill(store: Store, messages: int) -> None:
    if store.replica.state.find(Address("alice")) is None:
        ask(store, Create(Address("alice")))
    for _ in range(messages):
        ask(store, Append(INBOX, Blob(entropy(32), 1)))


def seen(store: Store) -> tuple[dict[bytes, int], bytes]:
    return dict(store.replica.clock), store.replica.state.digest()


def test_after_a_clean_stop_nothing_is_read_again() -> None:
    node = Node()
    store = node.start()
    fill(store, 50)
    before = seen(store)
    store.close()
    again = node.start()
    assert seen(again) == before and again.birth is None
    assert node.told == []


def test_after_the_end_of_the_process_the_tail_alone_is_read() -> None:
    node = Node()
    store = node.start()
    fill(store, 100)
    before = seen(store)
    again = node.start()
    assert seen(again) == before and again.birth is None
    (line,) = node.told
    behind = int(line.removeprefix("the state is ").split()[0])
    assert 0 < behind <= WRITE_ROWS


def test_what_was_kept_carries_the_node_on_as_if_it_had_not_ended() -> None:
    """Heads, births, Lamport times: the next operation builds on all of them."""
    node = Node()
    store = node.start()
    for _ in range(5):
        fill(store, 20)
        store = node.start()
    fill(store, 3)
    assert store.replica.state.count(store.replica.state.find(INBOX).ids) == 103  # type: ignore[union-attr]
    store.close()
    node.images.clear()
    rebuilt = node.start()
    assert seen(rebuilt) == seen(store)
    assert dict(rebuilt.replica.history.births) == dict(store.replica.history.births)
    assert rebuilt.replica.history.lamport == store.replica.history.lamport


def test_a_state_that_cannot_be_read_is_made_again() -> None:
    node = Node()
    store = node.start()
    fill(store, 50)
    before = seen(store)
    store.close()
    node.images.is_lost = True
    again = node.start()
    assert seen(again) == before and again.birth is None
    assert node.told == [
        "the state is made from the 52 operations of the log: the image cannot be read"
    ]


def test_a_state_with_a_row_that_changed_is_made_again() -> None:
    node = Node()
    store = node.start()
    fill(store, 50)
    before = seen(store)
    store.close()
    node.images.image.spoil()
    again = node.start()
    assert seen(again) == before
    assert "does not match its checksum" in node.told[0]


def test_a_spoilt_row_that_is_met_as_all_blobs_are_asked_for_is_no_end_of_the_start() -> None:
    """The start before this one died before it had asked for the blobs of what it replayed."""
    node = Node()
    store = node.start()
    fill(store, 50)
    before = seen(store)
    rows = store.replica.state.rows
    rows.begin()
    rows.put(ORIGIN, UNSURE_KEY, b"")
    rows.commit()
    store.close()
    node.images.image.spoil(ENTRIES)
    again = node.start()
    assert seen(again) == before and again.birth is None
    assert "does not match its checksum" in node.told[0]


def test_a_node_that_is_killed_again_and_again_asks_for_few_blobs_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The start in between has asked for those of what it replayed, and its rows say so."""
    node = Node()
    fill(node.start(), 100)
    before = seen(node.start())
    node.images.image.wait()

    def all_blobs(state: State) -> NoReturn:
        raise AssertionError("every blob is asked for")

    monkeypatch.setattr(State, "blobs", all_blobs)
    assert seen(node.start()) == before


def test_rows_that_could_not_be_read_are_gone_with_the_process() -> None:
    """It ends before its state is made again. Whoever went on from them would meet them again."""
    node = Node()
    store = node.start()
    for name in ("alice", "bob"):
        ask(store, Create(Address(name)))
    before = seen(store)
    store.close()
    node.images.image.spoil(NODES)
    store = node.start()
    with pytest.raises(StateLost):
        store.replica.state.view()
    store.close()
    assert seen(node.start()) == before


def test_rows_that_cannot_be_read_as_a_batch_is_undone_keep_nothing_from_being_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node()
    store = node.start()
    ask(store, Create(Address("alice")))
    store.close()
    store = node.start()
    request = Asked(1, Create(Address("bob")), RequestId(b"a client", next(_numbers)))
    assert store.replica.step([request]).append is not None

    def lost(*_: object, **__: object) -> NoReturn:
        raise StateLost("the image cannot be read")

    monkeypatch.setattr(node.images.image, "page", lost)
    store.close()
    assert node.told[-1] == "the next start makes the state again: the image cannot be read"
    again = node.start()
    assert again.replica.state.find(Address("alice")) is not None


def test_a_state_of_another_data_directory_is_made_again() -> None:
    node, other = Node(), Node("b")
    store = node.start()
    fill(store, 20)
    before = seen(store)
    store.close()
    strange = other.start()
    fill(strange, 20)
    strange.close()
    node.images.image = other.images.image
    again = node.start()
    assert seen(again) == before
    assert "another data directory" in node.told[0]


@pytest.mark.parametrize("is_outdated", [False, True])
def test_a_state_that_knows_more_than_the_log_takes_the_actor_away(is_outdated: bool) -> None:
    """The log was put back as it was some time ago: what the lost operations were, nobody knows
    here. Their dots are never given to others, though the state is of no other use any more."""
    node = Node()
    store = node.start()
    fill(store, 20)
    store.close()
    earlier = deepcopy(node.machine.disk)
    store = node.start()
    old = store.replica.actor
    fill(store, 20)
    if is_outdated:
        outdate(store.replica.state.rows, "an operation needs what is forgotten")
    store.close()
    node.machine.disk = earlier
    again = node.start()
    assert again.birth is not None
    assert "the state has records of" in again.birth.reason
    assert again.replica.actor != old
    assert again.replica.clock[old] == 22  # type: ignore[index]
    why = "needs what is forgotten" if is_outdated else "the log without a hole up to 22"
    assert why in node.told[0]


def test_a_state_that_covers_a_hole_of_the_log_acknowledges_nothing_behind_it() -> None:
    node = Node()
    store = node.start()
    fill(store, 20)
    actor = store.replica.actor
    assert actor is not None
    lost = store.log.read(actor, 7, 7, max_bytes=1)[0]
    store.close()
    name = next(name for name in node.machine.disk.names() if name.startswith("log/"))
    content = node.machine.disk.content(name, 0, node.machine.disk.size(name))
    node.machine.disk.flip(name, content.find(lost.data))
    kept, node.images = node.images, OneImage()
    node.start()
    node.images = kept
    again = node.start()
    assert again.replica.clock[actor] == 6
    assert "the log without a hole up to 6" in node.told[0]


def test_what_is_missing_is_known_without_a_look_at_all_blobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of three messages, the contents of the second come; of the third they come unnoticed, just
    before the end."""
    node = Node()
    store = node.start()
    contents = [entropy(20) for _ in range(3)]
    blobs = [Blob(sha256(content).digest(), len(content)) for content in contents]
    ask(store, Create(Address("alice")))
    for blob in blobs:
        ask(store, Append(INBOX, blob))
    store.packs.put_all([(blobs[1].hash, contents[1])])
    store.packs.sync()
    step(store, BlobStored(blobs[1].hash))
    store.packs.put_all([(blobs[2].hash, contents[2])])
    store.packs.sync()
    store.close()
    monkeypatch.setattr(State, "blobs", None)
    again = node.start()
    assert again.replica.missing.blobs() == blobs[:1]
    fill(again, 1)
    again.close()
    assert len(node.start().replica.missing) == 2


def test_a_state_that_fails_inside_a_step_keeps_no_node_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node()
    store = node.start()
    fill(store, 20)
    store.close()
    store = node.start()
    ask(store, Create(Address("bob")))
    before = seen(store)

    def fails(start: bytes, stop: bytes, count: int, *, reverse: bool = False) -> NoReturn:
        raise StateLost("the image cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(node.images.image, "page", fails)
        with pytest.raises(StateLost):
            ask(store, Expunge(INBOX, None))
        store.close()
    assert seen(node.start()) == before


def test_rows_that_have_forgotten_too_much_are_made_again() -> None:
    node = Node()
    store = node.start()
    fill(store, 50)
    before = seen(store)
    outdate(store.replica.state.rows, "an operation needs what is forgotten")
    store.close()
    assert seen(node.start()) == before
    (line,) = node.told
    assert line.endswith("an operation needs what is forgotten")
