"""The state is lost at every moment of a life: it is made again, and every caller has an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import count

import pytest
from msgspec.structs import replace
from typing_extensions import override

from comm import packed
from crdt import (
    Address,
    Append,
    Blob,
    Clock,
    Create,
    Delete,
    Dot,
    Expunge,
    Record,
    Rename,
    Request,
    RequestId,
    State,
    StateLost,
    Store,
)
from samebox.config import Limbo
from samebox.events import (
    AppendFailed,
    Arrived,
    Asked,
    Carried,
    Done,
    Event,
    LinkUp,
    Outcome,
    Ready,
    Synced,
    Tick,
)
from samebox.forgetting import FAILURES_MAX
from samebox.keeping import Unkept
from samebox.limbo import limbo_status
from samebox.making import Place
from samebox.store import Surroundings, open_store
from sim.losable_rows import LosableRows
from sim.machine import Machine
from storage import Ask, Compaction

CLUSTER = "example.org"
INBOX = Address("alice", "INBOX")
HELD = b"contents that came before their message"
_numbers = count(1)


def entropy(length: int) -> bytes:
    return sha256(b"%d" % next(_numbers)).digest()[:length]


class Node:
    """What a shell does, the state restored where it is lost."""

    def __init__(self, name: str) -> None:
        self.rows: list[LosableRows] = []
        around = Surroundings(entropy, lambda: 0, Unkept(self._make_rows))
        place = Place("main", name, ("a", "b"))
        disks = Machine(name).disks()
        self.store = open_store(disks, around, cluster=CLUSTER, place=place, key=b"")
        self.replica = self.store.replica
        self.replies: list[tuple[int, Outcome]] = []
        self.delivered: list[Dot] = []
        self.lost = 0
        assert self.store.birth is not None
        self.do(self.store.birth)

    def _make_rows(self) -> LosableRows:
        self.rows.append(LosableRows())
        return self.rows[-1]

    def do(self, *events: Event) -> None:
        """A step, and all that its disk has to do after it."""
        ready = self.step(*events)
        while ready.append is not None:
            self.store.append(ready.append)
            ready = self.step(Synced(ready.append.number))

    def step(self, *events: Event) -> Ready:
        try:
            return self.note(self.replica.step(events))
        except StateLost as error:
            return self.restore(error)

    def restore(self, error: StateLost) -> Ready:
        self.lost += 1
        made = self.store.restored(dict(self.replica.clock), error)
        return self.note(self.replica.restored(made))

    def note(self, ready: Ready) -> Ready:
        self.replies += ready.replies
        self.delivered += [operation.dot for operation in ready.delivered]
        return ready

    def check(self, tokens: int) -> None:
        """Every caller was answered once, every operation told of once, and nothing shows that the
        log does not say."""
        assert sorted(token for token, _ in self.replies) == list(range(1, tokens + 1))
        counted = Counter(dot.actor for dot in self.delivered)
        assert counted == self.replica.clock and len(set(self.delivered)) == len(self.delivered)
        made = self.store.restored({}, StateLost("to compare"))
        assert self.replica.state.digest() == made.state.digest()
        assert self.replica.clock == made.history.clock == self.replica.state.clock()


def asked(token: int, request: Request, client: bytes = b"a client") -> Asked:
    return Asked(token, request, RequestId(client, token))


def theirs() -> list[Record]:
    """Operations of node b: a birth, a box, a mailbox."""
    other = Node("b")
    work = Create(Address("bob", "Work"))
    other.do(asked(1, Create(Address("bob")), b"of bob's"), asked(2, work, b"of bob's"))
    assert other.replica.actor is not None
    return other.store.log.read(other.replica.actor, 1, 9, max_bytes=1 << 20)


def live(node: Node, records: list[Record]) -> int:
    """Some batches, of which each makes rows of its own kind; how many calls there were."""
    blob = Blob(sha256(HELD).digest(), len(HELD))
    node.do(asked(1, Create(Address("alice"))), asked(2, Create(Address("alice", "Work"))))
    node.do(*[Arrived(1, message) for message in packed((record, ()) for record in records)])
    contents = Carried(blob.hash, HELD)
    node.do(
        replace(asked(3, Append(INBOX, blob)), carried=(contents,)),
        replace(asked(4, Create(Address("alice", "Far"))), copies=9),
        asked(5, Create(Address("bob", "Play"))),
    )
    node.do(asked(6, Store(INBOX, None, ("\\Seen",))), asked(7, Create(Address("nobody", "x"))))
    node.do(asked(8, Delete(Address("alice", "Work"))), asked(9, Expunge(INBOX, ())))
    return 9


def test_the_state_is_lost_at_every_write_of_a_life() -> None:
    records = theirs()
    undisturbed = Node("a")
    tokens = live(undisturbed, records)
    undisturbed.check(tokens)
    outcomes = {token: type(outcome) for token, outcome in undisturbed.replies}
    for place in count():
        node = Node("a")
        node.rows[-1].fails_in = place
        live(node, records)
        assert {token: type(outcome) for token, outcome in node.replies} == outcomes
        node.check(tokens)
        if not node.lost:
            break
    assert place > 50


@pytest.mark.parametrize("is_written", [True, False])
def test_the_state_is_lost_while_a_batch_is_under_way(is_written: bool) -> None:
    node = Node("a")
    node.do(asked(1, Create(Address("alice"))))
    blob = Blob(sha256(HELD).digest(), len(HELD))
    append = replace(asked(2, Append(INBOX, blob)), carried=(Carried(blob.hash, HELD),))
    ready = node.step(append)
    batch = ready.append
    assert batch is not None
    if is_written:
        node.store.append(batch)
    ready = node.restore(StateLost("somebody looked"))
    late = Synced(batch.number) if is_written else AppendFailed(batch.number, "the disk is full")
    assert node.step(late).append is None
    while ready.append is not None:
        node.store.append(ready.append)
        ready = node.step(Synced(ready.append.number))
    assert [type(outcome) for _, outcome in node.replies] == [Done, Done]
    node.check(2)
    found = node.replica.state.find(INBOX)
    assert found is not None and node.replica.state.count(found.ids) == 1
    assert len(node.replica.missing) == 0


@pytest.mark.parametrize("is_written", [True, False])
def test_the_state_is_lost_while_an_actor_is_born(is_written: bool) -> None:
    node = Node("a")
    birth = node.store.mint("a new one")
    batch = node.step(birth).append
    assert batch is not None
    if is_written:
        node.store.append(batch)
    ready = node.restore(StateLost("somebody looked"))
    while ready.append is not None:
        node.store.append(ready.append)
        ready = node.step(Synced(ready.append.number))
    assert node.replica.actor == birth.actor
    assert node.replica.clock[birth.actor] == 1
    node.check(0)


class FragileRows(LosableRows):
    """What reads, and what begins or ends a transaction, may lose them, too."""

    def _touch(self) -> None:
        if self.fails_in is not None:
            self.fails_in -= 1
            if self.fails_in < 0:
                raise StateLost("the rows cannot be read any more")

    @override
    def get(self, table: str, key: bytes) -> bytes | None:
        self._touch()
        return super().get(table, key)

    @override
    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._touch()
        return super().scan(table, start, stop, reverse=reverse)

    @override
    def begin(self) -> None:
        self._touch()
        super().begin()

    @override
    def commit(self) -> None:
        self._touch()
        super().commit()

    @override
    def rollback(self) -> None:
        self._touch()
        super().rollback()


class RefusingNode(Node):
    """Its disk refuses the first batch of every step."""

    @override
    def _make_rows(self) -> LosableRows:
        self.rows.append(FragileRows())
        return self.rows[-1]

    def refuse(self, *events: Event) -> None:
        ready = self.step(*events)
        if ready.append is not None:
            ready = self.step(AppendFailed(ready.append.number, "the disk is full"))
        while ready.append is not None:
            self.store.append(ready.append)
            ready = self.step(Synced(ready.append.number))


def live_refused(node: RefusingNode) -> int:
    """Requests, some that change nothing, and a birth; how many calls there were."""
    far = replace(asked(2, Create(Address("alice", "Far"))), copies=9)
    node.refuse(asked(1, Create(Address("alice"))), far)
    node.refuse(asked(3, Create(Address("nobody", "x"))))
    birth = node.store.mint("a new one")
    node.refuse(birth)
    node.do(Tick(), asked(4, Create(Address("carol"))))
    assert birth.actor in node.replica.history.births and node.replica.clock[birth.actor] > 1
    return 4


def test_the_state_is_lost_at_every_touch_of_its_rows_by_batches_that_are_refused() -> None:
    """Whether a request is made again or fails: its caller is told, once, and nothing is written
    as an actor whose birth is in no log."""
    for place in count():
        node = RefusingNode("a")
        node.rows[-1].fails_in = place
        tokens = live_refused(node)
        node.rows[-1].fails_in = None
        node.check(tokens)
        if not node.lost:
            break
    assert place > 50


def compact(node: Node) -> None:
    """As after a start, when all that was written lies in sealed packs."""
    packs = node.store.packs
    used = {blob.hash for blob, _ in node.replica.state.blobs()}
    packs.drop_new(packs.begin_new())
    for step in Compaction(packs).steps():
        if isinstance(step, Ask):
            step.do(used.__contains__)
        else:
            step.do()


def tell(one: Node, other: Node, first: int) -> None:
    """What the actor of `one` has made from `first` on, with HELD beside it."""
    assert one.replica.actor is not None
    records = one.store.log.read(one.replica.actor, first, 99, max_bytes=1 << 20)
    messages = packed((record, (HELD,)) for record in records)
    other.do(*[Arrived(1, message) for message in messages])


def test_contents_that_were_dropped_are_missed_where_a_state_made_again_names_them() -> None:
    """Node b comes back from a backup, and moves what the others had expunged and forgotten."""
    a, b, blob = Node("a"), Node("b"), Blob(sha256(HELD).digest(), len(HELD))
    work = Address("alice", "Work")
    append = replace(asked(3, Append(INBOX, blob)), carried=(Carried(blob.hash, HELD),))
    a.do(asked(1, Create(Address("alice"))), asked(2, Create(work)), append)
    tell(a, b, 1)
    tell(b, a, 1)
    assert a.replica.actor is not None and b.replica.actor is not None
    entry = Dot(a.replica.actor, a.replica.clock[a.replica.actor])
    a.do(asked(4, Expunge(INBOX, (entry,))))
    a.do(LinkUp(1, "b", dict(a.replica.clock)))
    for _ in range(3):
        a.do(Tick())
    compact(a)
    assert not a.store.packs.has(blob.hash) and a.replica.missing.blobs() == []
    b.do(asked(1, Rename(INBOX, work, (entry,)), b"of bob's"))
    tell(b, a, 2)
    assert a.lost == 1 and a.replica.state.entry(entry) is not None
    assert a.replica.missing.blobs() == [blob]


def removed_at_both() -> Node:
    """An expunge that all members hold: it is stable with the next tick."""
    node, append = Node("a"), Append(INBOX, Blob(sha256(HELD).digest(), len(HELD)))
    carried = replace(asked(2, append), carried=(Carried(append.content.hash, HELD),))
    node.do(asked(1, Create(Address("alice"))), carried, asked(3, Expunge(INBOX, ())))
    node.do(asked(4, Store(INBOX, None, ("\\Deleted",))), asked(5, Expunge(INBOX)))
    node.do(LinkUp(1, "b", dict(node.replica.clock)))
    return node


def test_want_of_memory_in_a_folding_ends_the_step_and_is_no_failure_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted(state: State, stable: Clock, things: int, *, kept_requests: int) -> int:
        raise MemoryError("no memory for a row")

    node = removed_at_both()
    monkeypatch.setattr(State, "fold", exhausted)
    with pytest.raises(MemoryError):
        node.do(Tick())
    assert node.replica.forgetting.failures == []


@pytest.mark.parametrize("failures", [1, 2, 1000])
def test_a_folding_that_fails_has_the_state_made_again_and_ends_when_it_fails_again(
    monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    fold, left = State.fold, count()

    def fails(state: State, stable: Clock, things: int, *, kept_requests: int) -> int:
        done = fold(state, stable, things, kept_requests=kept_requests)
        assert next(left) >= failures, "an invariant"
        return done

    node = removed_at_both()
    monkeypatch.setattr(State, "fold", fails)
    for number in range(6, 12):
        node.do(Tick())
        node.do(asked(number, Create(Address("alice", f"{number}"))))
    node.check(11)
    assert node.lost == min(failures, FAILURES_MAX)
    blocked = limbo_status(node.replica, 0.0, 1, Limbo()).blocked
    if failures < FAILURES_MAX:
        assert node.replica.state.folded and blocked == ""
    else:
        assert "to forget what is stable failed: AssertionError('an invariant" in blocked
