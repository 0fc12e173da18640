"""The pure core of one shard: what a node does with what happened. See samebox.events.Ready.

A step takes events and gives work. The operations of one step, own and received, form a batch:
their effects are made in one open transaction of the state while their records wait for the log.
When the batch is synced the transaction is committed, callers are answered and peers are told.
When it cannot be appended, everything returns to the last sync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from comm import WINDOW_RECORDS
from crdt import Actor, Blob, Dot, Head, Operation, State, StateLost
from samebox.confirmations import FULL, Confirmations, Waiting
from samebox.events import (
    Abandoned,
    Acknowledged,
    AppendFailed,
    Arrived,
    Asked,
    BlobStored,
    Done,
    Event,
    Failure,
    Late,
    LinkDown,
    LinkUp,
    Notice,
    RangeSent,
    Ready,
    Reborn,
    Receipt,
    Refusal,
    Synced,
    Tick,
    WaitAsked,
    Wanted,
    WorkEvent,
)
from samebox.history import History, Poison
from samebox.holding import Holding
from samebox.making import Making, Place, blob_of
from samebox.missing import Missing
from samebox.peers import Peers
from samebox.vetting import Unfit, too_many, vetted


class Replica:
    """One shard at one node. `history` and `state` are what recovery made of the log; `actor` is
    the one that goes on writing, or None where a birth has to come first. `holds_blob` is the
    port that tells whether the bytes of a blob are in the packs, `has_blob` whether they are there
    or will be at the next sync. `unsure` are blobs that may be missing beside those of which the
    rows say so, with the operations that name them."""

    def __init__(
        self,
        place: Place,
        history: History,
        state: State,
        actor: Actor | None,
        holds_blob: Callable[[Blob], bool],
        *,
        has_blob: Callable[[Blob], bool],
        unsure: Iterable[tuple[Blob, Dot]] = (),
        window_records: int = WINDOW_RECORDS,
    ) -> None:
        self.place = place
        self.history = history
        self.state = state
        self.actor = actor
        self.peers = Peers(place.node, place.members, window_records=window_records)
        self.missing = Missing(state.rows)
        self._holds_blob = holds_blob
        self._has_blob = has_blob
        self._own = Holding(place.node, history.clock.items())
        self._confirmations = Confirmations(self._own, self.peers.holdings)
        self._heads: dict[Actor, Head] = dict(history.heads)
        self._making: Making | None = None
        self._abandoned: list[int] = []
        self._birth: Reborn | None = None
        self._birth_is_due = False
        self._number = 0
        self._out = Ready()
        self._is_news = False
        self._look_for_missing(unsure)

    @property
    def clock(self) -> Mapping[Actor, int]:
        """Of the operations synced here."""
        return self._own.clock

    @property
    def heads(self) -> Mapping[Actor, Head]:
        """Of the operations synced here: what the handshake shows."""
        return self._heads

    @property
    def is_busy(self) -> bool:
        """A batch is under way: no WorkEvent may be given."""
        return self._making is not None

    def step(self, events: Sequence[Event]) -> Ready:
        """Take what happened, in order; see samebox.events.Ready for what is promised."""
        self._out = Ready()
        self._is_news = False
        work: list[WorkEvent] = []
        for event in events:
            match event:
                case Reborn() | Asked() | Arrived():
                    work.append(event)
                case _:
                    self._control(event)
        if work or (self._birth_is_due and self._making is None):
            assert self._making is None, "work was given while a batch is under way"
            self._make(work)
        self._spread()
        return self._out

    # --- What makes no operation --------------------------------------------------------------

    def _control(self, event: Event) -> None:
        match event:
            case Synced(number):
                self._commit(number)
            case AppendFailed(number, reason, forked):
                self._fail(number, reason)
                if forked is not None:
                    self._stop(forked, reason)
            case LinkUp():
                self._link_up(event)
            case LinkDown(link):
                self.peers.down(link)
            case Acknowledged(link, ack):
                self.peers.acknowledged(link, ack)
                self._is_news = True
            case Wanted(link, want):
                self.peers.wanted(link, want)
                self._is_news = True
            case RangeSent(link, span, length):
                self.peers.sent(link, span, length)
            case BlobStored(hash_):
                self.missing.stored(hash_)
                self._is_news = True
            case WaitAsked():
                self._wait(event)
            case Abandoned(token):
                self._abandon(token)
            case Tick():
                self._birth_is_due = self._birth is not None
                self._out.send += self.peers.asks(self.history.wants())
                self._out.fetch += self.missing.next_blobs()
                self._send(forward=True)
            case Reborn() | Asked() | Arrived():
                raise AssertionError("work is no control event")

    def _link_up(self, event: LinkUp) -> None:
        self.peers.up(event, self.actor, self.clock)
        for dot in event.forked:
            if dot.actor not in self.history.stopped:
                self._stop(dot.actor, f"{event.peer} has another history of it, at {dot}")
        if event.birth is not None:
            self._birth, self._birth_is_due = event.birth, True
        if not event.same_members:
            text = f"{event.peer} works with another member list: compare the node lists"
            self._out.notices.append(Notice(text, alarm=True))
        self._is_news = True

    def _spread(self) -> None:
        """What peers have said in this step is acted on once, however many messages it was."""
        if self._is_news:
            self._is_news = False
            self._release()
            self._send()

    def _wait(self, event: WaitAsked) -> None:
        if event.copies > len(self.place.members):
            refusal = too_many(event.copies, len(self.place.members))
            self._out.replies.append((event.token, refusal))
            return
        if self._confirmations.is_full():
            self._out.replies.append((event.token, Failure(FULL)))
            return
        receipt = Receipt(self.place.shard, dict(event.clock))
        self._confirmations.add(Waiting(event.token, receipt, (), event.copies))
        self._release()

    def _abandon(self, token: int) -> None:
        self._spread()
        waiting = self._confirmations.abandon(token)
        if waiting is not None:
            late = Late(waiting.receipt, waiting.dots, self._confirmations.nodes(waiting))
            self._out.replies.append((token, late))
        elif self._making is not None:
            self._abandoned.append(token)

    def _stop(self, actor: Actor, reason: str) -> None:
        self.history.stop(actor, reason)
        text = f"operations of actor {actor.hex()[:8]} are no longer taken: {reason}"
        self._out.notices.append(Notice(text, alarm=True))

    # --- Batches --------------------------------------------------------------------------------

    def _make(self, work: list[WorkEvent]) -> None:
        """What cannot be taken is left out, and the batch is made again without it."""
        self._birth_is_due = False
        if self._birth is not None and not (work and isinstance(work[0], Reborn)):
            work = [self._birth, *work]
        while work:
            making = Making(self.place, self.history, self.state, self.actor, self._has_blob)
            event = work[0]
            try:
                for event in work:
                    self._take(making, event)
                self._begin(making)
                return
            except Poison as poison:
                making.undo()
                work = self._leave_out(work, event, poison)
            except Unfit as unfit:
                making.undo()
                assert isinstance(event, Asked)
                refusal = Refusal("bad-request", str(unfit))
                self._out.replies.append((event.token, refusal))
                work = [other for other in work if other is not event]

    def _take(self, making: Making, event: WorkEvent) -> None:
        match event:
            case Reborn():
                self._birth = event
                making.be_born(event)
            case Asked():
                self._ask(making, event)
            case Arrived(_, records):
                for item in self.history.receive(records):
                    making.receive(item)

    def _ask(self, making: Making, event: Asked) -> None:
        """A request of a local program ends the node in no way, whatever it says."""
        refusal = vetted(event, len(self.place.members))
        if refusal is not None:
            making.replies.append((event.token, refusal))
            return
        if event.copies > 1 and self._confirmations.is_full(len(making.waits)):
            making.replies.append((event.token, Failure(FULL)))
            return
        try:
            making.ask(event)
        except (Poison, StateLost):
            raise
        except Exception as error:
            found = f"no operation can be made of {type(event.request).__name__}: {error!r}"
            raise Unfit(f"{found}; correct its values") from error

    def _leave_out(
        self, work: list[WorkEvent], event: WorkEvent, poison: Poison
    ) -> list[WorkEvent]:
        match event:
            case Arrived(link):
                self._stop(poison.actor, poison.reason)
                if poison.is_fork:
                    self.peers.forked(link, poison.actor)
                return work
            case Asked(token):
                self._out.replies.append((token, Failure(poison.reason)))
                return [other for other in work if other is not event]
            case Reborn():
                raise AssertionError(f"a birth has no effect that can fail: {poison.reason}")

    def _begin(self, making: Making) -> None:
        self._number += 1
        self._making = making
        self.actor = making.actor
        if making.items:
            self._out.append = making.batch(self._number)
        else:
            self._commit(self._number)

    def _commit(self, number: int) -> None:
        making = self._end(number)
        carried = {blob.hash for blob in making.blobs}
        for item in making.items:
            self._note_blob(item.operation, carried)
        self.missing.keep()
        self.history.commit()
        for item in making.items:
            self._heads[item.dot.actor] = item.head
            self._own.reached(*item.dot)
        self.peers.learned(item.record for item in making.items)
        if making.actor is not None and making.actor != making.actor_before:
            self._birth = None
            self.peers.own(making.actor)
        self._out.delivered += [item.operation for item in making.items]
        self._out.replies += making.replies
        self._out.notices += making.notices
        for waiting in making.waits:
            self._confirmations.add(waiting)
        self._release()
        self._after()

    def _fail(self, number: int, reason: str) -> None:
        making = self._end(number)
        making.undo()
        self.actor = making.actor_before
        self._out.replies += [(asked.token, Failure(reason)) for asked in making.asked]
        self._out.notices.append(Notice(f"nothing was written: {reason}", alarm=True))
        self._after()

    def _end(self, number: int) -> Making:
        making = self._making
        assert making is not None and number == self._number, f"batch {number} is not under way"
        self._making = None
        return making

    def _after(self) -> None:
        """Those who went away while the batch was under way are told what holds now."""
        for token in self._abandoned:
            self._abandon(token)
        self._abandoned.clear()
        self._send()

    def _look_for_missing(self, unsure: Iterable[tuple[Blob, Dot]]) -> None:
        self.state.rows.begin()
        for blob, _ in self.missing.load():
            if self._holds_blob(blob):
                self.missing.stored(blob.hash)
        for blob, user in unsure:
            if not self._holds_blob(blob):
                self.missing.add(blob, user)
        self.missing.keep()
        self.state.rows.commit()

    def _note_blob(self, operation: Operation, carried: set[bytes]) -> None:
        blob = blob_of(operation)
        if blob is None or blob.hash in carried or self._holds_blob(blob):
            return
        self.missing.add(blob, operation.dot)
        self._out.fetch.append(blob)

    # --- Confirmations and peers ----------------------------------------------------------------

    def _release(self) -> None:
        """Answer those whose operations enough members hold by now."""
        for waiting, nodes in self._confirmations.released():
            done = Done(waiting.receipt, waiting.dots, nodes)
            self._out.replies.append((waiting.token, done))

    def _send(self, *, forward: bool = False) -> None:
        """Tell every peer what is durable here, and send it what it lacks."""
        self._out.send += self.peers.acks(self.missing.listed())
        self._out.send += self.peers.ranges(self.clock, forward=forward)
