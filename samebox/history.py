"""What has been received and delivered of every actor, and what its next record builds on.

A record can only be read on top of its actor's previous one, so records of an actor are taken in
the order of their seqs; what comes after a hole is dropped and asked for again. A record that was
read waits in causal delivery until all of its context is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from msgspec import Struct

from comm import (
    CHAIN_PREFIX_BYTES,
    DELIVER,
    WAITING_MAX,
    WANTS_MAX,
    Delivery,
    Offered,
    Range,
    Records,
    Snapshot,
    Want,
)
from crdt import (
    Actor,
    Born,
    Dot,
    Draft,
    Head,
    Malformed,
    Operation,
    Record,
    Rows,
    first_head,
    read,
    write,
)
from samebox.behind import Away, Behind
from samebox.events import OWN_LOG, Carried
from samebox.history_rows import keep_birth, keep_heads, kept_births, kept_heads
from samebox.lamports import Lamports


class Item(Struct, frozen=True, gc=False):
    """An operation on its way to delivery, with its bytes and its actor's head after it. It came
    over `link`, though it may have waited since."""

    operation: Operation
    record: Record
    head: Head
    carried: tuple[Carried, ...] = ()
    link: int = OWN_LOG

    @property
    def dot(self) -> Dot:
        return self.operation.dot

    @property
    def dependencies(self) -> tuple[tuple[Actor, int], ...]:
        return self.operation.changes

    @property
    def length(self) -> int:
        """In bytes, with what travels beside it."""
        length = len(self.record.data)
        return length + sum([len(blob.data) for blob in self.carried]) if self.carried else length


class Poison(Exception):
    """An operation of `actor` whose effect failed. The actor stops before it."""

    def __init__(self, actor: Actor, reason: str) -> None:
        super().__init__(reason)
        self.actor = actor
        self.reason = reason


class Unfit(Struct, frozen=True):
    """Operation `dot`, or the run that begins with it, was not taken: it was not as it has to be.

    Whoever sent it may have spoiled or forged it, so it is asked for again, of others in turn.
    With `is_fork` it belongs to another history of the actor than the one that is here.
    """

    dot: Dot
    reason: str
    is_fork: bool = False


class Mark(Struct, frozen=True):
    """The value of a history at a sync, to return to."""

    heads: dict[Actor, Head]
    received: dict[Actor, Head]
    births: dict[Actor, Born]
    lamport: int
    delivery: Snapshot
    away: dict[Actor, Away]


class History:
    """`rows` are those of the state: what the next life begins with is put there, in the
    transactions of the state, and this one begins with what the last one has put."""

    def __init__(
        self, cluster: str, shard: str, rows: Rows, *, waiting_max: int = WAITING_MAX
    ) -> None:
        self._cluster = cluster
        self._shard = shard
        self._rows = rows
        self._heads = {head.actor: head for head in kept_heads(rows)}
        self._received = dict(self._heads)
        self._lamports = Lamports(rows)
        for head in self._heads.values():
            self._lamports.begin(head.actor, head.seq, head.lamport)
        clock = {actor: head.seq for actor, head in self._heads.items()}
        self._delivery: Delivery[Item] = Delivery(clock, waiting_max=waiting_max)
        self._moved: dict[Actor, None] = {}
        self._maker: Actor | None = None
        self._unseen: dict[Actor, None] = {}
        self.behind = Behind()
        self.births: dict[Actor, Born] = kept_births(rows)
        self.stopped: dict[Actor, str] = {}
        self.lamport = max((head.lamport for head in self._heads.values()), default=0)
        self._dropped: dict[Actor, None] = {}
        self._forks: dict[Actor, str] = {}
        self._unfit: list[Unfit] = []
        self._sound: dict[Actor, int] = {}
        self._limits: dict[Actor, int] = {}

    @property
    def clock(self) -> Mapping[Actor, int]:
        """Of the operations delivered, those of the open batch included."""
        return self._delivery.clock

    @property
    def heads(self) -> Mapping[Actor, Head]:
        return self._heads

    @property
    def waiting(self) -> int:
        """Operations received that wait for one not yet received."""
        return self._delivery.waiting

    @property
    def waiting_bytes(self) -> int:
        """Of those operations, with the contents that travelled beside them."""
        return self._delivery.waiting_bytes

    def head(self, actor: Actor) -> Head:
        return self._heads.get(actor) or first_head(self._cluster, self._shard, actor)

    def was_born_at(self, node: str, actor: Actor) -> bool:
        born = self.births.get(actor)
        return born is not None and born.node == node

    def mark(self) -> Mark:
        delivery = self._delivery.snapshot()
        self._dropped.clear()
        births = dict(self.births)
        heads, received, away = dict(self._heads), dict(self._received), dict(self.behind.away)
        return Mark(heads, received, births, self.lamport, delivery, away)

    def keep(self) -> dict[Actor, bytes]:
        """Put into the rows what the next life builds on: the heads of the actors that moved, which
        are returned as they are encoded."""
        if not self._moved:
            return {}
        heads = {actor: self._heads[actor].encode() for actor in self._moved}
        self._moved.clear()
        keep_heads(self._rows, heads)
        return heads

    def commit(self) -> None:
        """Commit the rows, with what the next life builds on."""
        self.keep()
        self._rows.commit()
        if self.behind.lasts:
            self.behind.committed(self.clock)
        if self._limits:
            for actor in [one for one, seq in self._limits.items() if self.head(one).seq >= seq]:
                del self._limits[actor]
                self.behind.away.pop(actor, None)

    def return_to(self, mark: Mark) -> None:
        """The rows have been rolled back."""
        self._maker = None
        for actor, head in self._heads.items():
            before = mark.heads.get(actor)
            if before is not head:
                self._lamports.forget_after(actor, 0 if before is None else before.seq)
        self._moved.clear()
        self._heads = dict(mark.heads)
        self._received = dict(mark.received)
        self.births = dict(mark.births)
        self.lamport = mark.lamport
        self._delivery.restore(mark.delivery)
        self.behind.away = dict(mark.away)
        for actor in self._dropped:
            self._receive_again(actor)

    def succeed(self, other: History) -> None:
        """Stop the actors that `other` had stopped, for as long as it would have, and ask for all
        that it had received."""
        for actor, reason in other.stopped.items():
            self.stop(actor, reason)
        self._forks.update(other._forks)
        for actor, head in other._received.items():
            self._delivery.heard_of(actor, head.seq)

    def stop(self, actor: Actor, reason: str) -> None:
        """Take no more of `actor`; operations that depend on what is missing wait, visibly."""
        self.stopped[actor] = reason
        self._delivery.freeze(actor)

    def fork(self, actor: Actor, node: str, reason: str) -> None:
        """The node that the actor was born at has another history of it."""
        self.stop(actor, reason)
        self._forks[actor] = node

    def end_forks(self, node: str, still: Sequence[Actor]) -> None:
        """All that `node` has shown are over but those of `still`."""
        for actor in [one for one, who in self._forks.items() if who == node and one not in still]:
            del self._forks[actor], self.stopped[actor]
            self._delivery.thaw(actor)
            self._receive_again(actor)

    def context(self, actor: Actor) -> dict[Actor, int]:
        """What the next operation of `actor` has seen of the others: at least what is new since
        its last one, so that a write costs nothing for all that stands still."""
        unseen = self._unseen if self._maker == actor else self.clock
        if not unseen:
            return {}
        return {other: self.clock[other] for other in unseen if other != actor}

    def drop(self, actor: Actor, *, sound: int = 0) -> bool:
        """What waits of `actor` is asked for again. Before that up to `sound` is durable, nothing
        behind it is taken; whether that would bring anything."""
        self._delivery.drop(actor)
        self._receive_again(actor)
        self._limits.pop(actor, None)
        is_some = self.expected(actor) <= sound and len(self._limits) < WANTS_MAX
        if is_some:
            self._limits[actor] = sound
        return is_some

    def make(self, actor: Actor, draft: Draft) -> Item:
        """The next operation of `actor`, delivered at once: its context is what is here."""
        before = self.head(actor)
        item = Item(*write(before, draft))
        self._delivery.made(item.operation.dot)
        self._received[actor] = item.head
        self._advance(item, before)
        self._maker, self._unseen = actor, {}
        return item

    def receive(
        self, records: Records, link: int = OWN_LOG, *, from_origin: bool = False
    ) -> Iterator[Item]:
        """What `records` and whatever waited for it deliver, in causal order; see `unfit`, too.

        Where they do not read on top of what was received, one of both is wrong. `from_origin`,
        from the node that the actor was born at, it is what waits: that is dropped.
        """
        actor, delivery = records.actor, self._delivery
        if actor in self.stopped:
            return
        delivery.heard_of(actor, records.last)
        items = self._read(records, link)
        if items is None and from_origin:
            self.drop(actor)
        for item in items or ():
            offered = delivery.offer(item, item.length)
            is_next = offered is DELIVER
            if not is_next and offered is Offered.FULL:
                self.behind.found_no_room(item.dot, delivery.lacks(item), delivery)
                return
            self._received[actor] = item.head
            if is_next:
                if self._admit(item):
                    yield item
                for released in delivery.ready():
                    if self._admit(released):
                        yield released
                if self._received.get(actor) is not item.head:
                    return

    def unfit(self) -> list[Unfit]:
        """What was not taken since the last call."""
        unfit, self._unfit = self._unfit, []
        return unfit

    def replay(self, run: Sequence[Record]) -> Iterator[Item]:
        """What records of the own log deliver, of one actor and without a hole; see `receive`.
        Those that were received before are left out, and all where one before them was not."""
        first, last = run[0], run[-1]
        expected = self.expected(first.actor)
        if first.seq <= expected <= last.seq:
            new = run[expected - first.seq :]
            items: list[tuple[bytes, tuple[bytes, ...]]] = [(record.data, ()) for record in new]
            chain = last.chain[:CHAIN_PREFIX_BYTES]
            yield from self.receive(Records(first.actor, expected, chain, items))
            if len(new) > 1 and self.expected(first.actor) == expected:
                for record in new:  # those before the one that cannot be taken
                    yield from self.replay([record])

    def unread(self) -> list[Range]:
        """What the own log may hold, and what may be taken of it now."""
        behind = self.behind
        return behind.unread(self.expected, self.stopped, self._delivery) if behind.lasts else []

    def expected(self, actor: Actor) -> int:
        """The seq of the record of `actor` that can be read next."""
        return self._received_head(actor).seq + 1

    def wants(self) -> list[Want]:
        """What was offered and not taken, and what those that wait are waiting for: of so many
        actors as a peer remembers, of others at the next calls."""
        return [self._up_to_sound(want) for want in self._delivery.wanted(WANTS_MAX)]

    def _up_to_sound(self, want: Want) -> Want:
        """Once: those before the one that could not be read, so that they come without it."""
        last = self._sound.pop(want.actor, 0)
        return Want(want.actor, want.first, last) if want.first <= last < want.last else want

    def _received_head(self, actor: Actor) -> Head:
        return self._received.get(actor) or first_head(self._cluster, self._shard, actor)

    def _receive_again(self, actor: Actor) -> None:
        """What was received and not delivered is gone."""
        self._dropped[actor] = None
        self.behind.away.pop(actor, None)
        self._received.pop(actor, None)
        if actor in self._heads:
            self._received[actor] = self._heads[actor]

    def _read(self, records: Records, link: int) -> list[Item] | None:
        """None where they do not read on top of what was received before."""
        head = self._received_head(records.actor)
        items: list[Item] = []
        for seq, (data, blobs) in enumerate(records.items, start=records.first):
            if seq != head.seq + 1:
                continue
            try:
                operation, record, head = read(head, data)
            except Malformed as error:
                self._unfit.append(Unfit(Dot(records.actor, seq), str(error)))
                if len(self._sound) < WANTS_MAX:
                    self._sound[records.actor] = seq - 1
                return None
            carried = tuple([Carried(sha256(blob).digest(), blob) for blob in blobs])
            items.append(Item(operation, record, head, carried, link))
        if items and head.chain[:CHAIN_PREFIX_BYTES] != records.chain:
            text = f"it belongs to another history of its actor, up to {head.seq}"
            self._unfit.append(Unfit(items[0].dot, text, is_fork=True))
            return None
        limit = self._limits.get(records.actor) if self._limits else None
        return items if limit is None else [item for item in items if item.record.seq <= limit]

    def _admit(self, item: Item) -> bool:
        """What causal delivery lets through is judged on top of its context: whether it is fit."""
        before = self.head(item.operation.dot.actor)
        reason = self._judged(item.operation, before)
        if reason is None:
            self._advance(item, before)
            return True
        self._unfit.append(Unfit(item.dot, reason))
        self._delivery.refuse(item.dot)
        self._receive_again(item.dot.actor)
        return False

    def _judged(self, operation: Operation, before: Head) -> str | None:
        """What is wrong with it, if anything, behind the operation of `before`."""
        _, seq = operation.dot
        expected = 1 + before.lamport
        for change in operation.changes:
            expected = max(expected, 1 + self._lamports.at(*change))
        if operation.lamport != expected:
            return f"Lamport time {operation.lamport}, expected {expected}"
        if (seq == 1) != (type(operation.body) is Born):
            return "the first operation of an actor, and no other, is its birth"
        return None

    def _advance(self, item: Item, before: Head) -> None:
        operation = item.operation
        actor, seq = operation.dot
        self._lamports.add(actor, seq, operation.lamport, before.lamport)
        self._heads[actor] = item.head
        self._moved[actor] = self._unseen[actor] = None
        if operation.lamport > self.lamport:
            self.lamport = operation.lamport
        if seq == 1 and isinstance(operation.body, Born):
            keep_birth(self._rows, len(self.births), actor, operation.body)
            self.births[actor] = operation.body
