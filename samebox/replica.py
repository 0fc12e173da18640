"""The pure core of one shard: what a node does with what happened. See samebox.events.Ready.

A step takes events and gives work. The operations of one step, own and received, form a batch:
their effects are made in one open transaction of the state while their records wait for the log.
When the batch is synced the transaction is committed, callers are answered and peers are told.
When it cannot be appended, everything returns to the last sync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from comm import WINDOW_RECORDS
from crdt import KEPT_REQUESTS, Actor, Blob, Dot, Head, State
from samebox.confirmations import Confirmations
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
    LogBegins,
    Notice,
    PeerLogBegins,
    RangeSent,
    Ready,
    Reborn,
    Refusal,
    Synced,
    Tick,
    WaitAsked,
    Wanted,
    WorkEvent,
)
from samebox.forgetting import Forgetting, Lacking, unfold
from samebox.history import History, Poison
from samebox.holding import Holding
from samebox.leftover import TOO_LATE, Leftover, take_back
from samebox.making import Making, Place
from samebox.missing import Missing
from samebox.peers import Peers
from samebox.receiving import judge_greeting, receive
from samebox.starting import Restored
from samebox.succession import CATCHING_UP, Succession
from samebox.vetting import Unfit


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
        kept_requests: int = KEPT_REQUESTS,
    ) -> None:
        self.place = place
        self.history = history
        self.state = state
        self.actor = actor
        self.peers = Peers(place.node, place.members, window_records=window_records)
        self._holds_blob = holds_blob
        self._has_blob = has_blob
        self._own = Holding(place.node, history.clock.items())
        self.missing = Missing(state.rows, self._own)
        self._confirmations = Confirmations(self._own, self.peers.holdings)
        self._heads: dict[Actor, Head] = dict(history.heads)
        self._making: Making | None = None
        self._abandoned: list[int] = []
        self.succession = Succession(self.peers)
        self._birth_is_due = False
        self._held: list[WorkEvent] = []
        self._number = 0
        self._out = Ready()
        self._is_news = False
        self.forgetting = Forgetting(state, kept_requests)
        self.missing.begin(holds_blob, unsure)
        self._left = Leftover()

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
        """A batch is under way: the state shows what is not synced."""
        return self._making is not None

    @property
    def takes_work(self) -> bool:
        """A WorkEvent may be given: no batch is under way, and no new actor on its way."""
        return self._making is None and self.succession.reason is None

    def awaits(self, link: int) -> bool:
        """What the peer acknowledges may release a caller, or a window: it has its own step."""
        return len(self._confirmations) > 0 or self.peers.has_in_flight(link)

    def stopped(self) -> dict[Actor, str]:
        """The actors of which something that a peer has is not taken here, and why."""
        return {**self.peers.stopped(), **self.history.stopped}

    def step(self, events: Sequence[Event]) -> Ready:
        """Take what happened, in order; see samebox.events.Ready for what is promised."""
        self._left.take(events)
        return self._work_through()

    def begins(self, event: LogBegins) -> None:
        self.peers.base, self.forgetting.for_good = event.base, event.folded
        self._is_news = True

    def restored(self, made: Restored) -> Ready:
        """Go on after StateLost, when the batch under way has ended, in the log or not: do what the
        failed step had left, make the requests of the batch again. Raises StateLost, as a step."""
        self._left.is_moved |= made.is_moved
        missing = Missing(made.state.rows, self._own)
        missing.begin(self._holds_blob, [*self.missing.users(), *made.lacking])
        self.missing, self.forgetting = missing, self.forgetting.succeeded_by(made.state)
        making, self._making, self._is_news = self._making, None, True
        self._left.drop(self._number, making)
        made.history.succeed(self.history)
        self.history, self.state = made.history, made.state
        self._out.fetch += [blob for blob, _ in made.lacking if not self._holds_blob(blob)]
        for actor, head in made.reached.items():
            self._reach(head, Dot(actor, head.seq))
        self.peers.learned(made.last_records())
        if making is not None:
            self._settle(making)
        if self._left.has_moved():
            self.succession.moved(self.actor, made.reached)
        self._out.delivered += made.beyond
        return self._work_through()

    def _work_through(self) -> Ready:
        while self._left.control:
            self._control(self._left.control.popleft())
        if self._left.work or self._held or self._birth_is_due:
            takes, actor = self.succession.takes, self.actor
            self._take_up([event for event in self._left.work if takes(event, actor, self.clock)])
        self._spread()
        self._out.mint = self.succession.mint()
        self._out.notices += self.succession.notices()
        out, self._out = self._out, Ready()
        return out

    def _take_up(self, work: list[WorkEvent]) -> None:
        """What comes in one step with the reason for a new actor waits for that one."""
        assert self._making is None or not work, "work was given while a batch is under way"
        self._held += work
        if self.takes_work and (self._held or self._birth_is_due):
            work, self._held = self._held, []
            self._make(work)
        self._left.work = []

    # --- What makes no operation --------------------------------------------------------------

    def _control(self, event: Event) -> None:
        match event:
            case Acknowledged(link, ack):
                self.peers.acknowledged(link, ack)
                self.succession.acknowledged(link, self.actor, self.clock)
                self._is_news = True
            case Synced(number):
                if number != self._left.dropped:
                    self._commit(number)
            case AppendFailed(number):
                if number != self._left.dropped:
                    self._fail(event)
            case Reborn():
                self.succession.came(event)
                self._birth_is_due = True
            case LinkUp():
                self._link_up(event)
            case LinkDown(link):
                self.peers.down(link)
            case Wanted(link, want):
                self.peers.wanted(link, want)
                self._is_news = True
            case RangeSent(link, span, length):
                self.peers.sent(link, span, length)
            case BlobStored(hash_):
                self.missing.stored(hash_)
                self._is_news = True
            case LogBegins():
                self.begins(event)
            case PeerLogBegins():
                self.peers.begins(event)
            case WaitAsked():
                self._wait(event)
            case Abandoned(token):
                self._abandon(token)
            case Tick():
                self._birth_is_due = self.succession.tick()
                self._out.send += self.peers.asks(self.history.wants())
                self._out.fetch += self.missing.next_blobs(self.state.names_blob)
                self._out.unread = self.history.unread() if self.takes_work else []
                self._send(forward=True)
                self.forgetting.go_on(self.clock, self.peers, is_idle=self._making is None)
            case Asked() | Arrived():
                raise AssertionError("work is no control event")

    def _link_up(self, event: LinkUp) -> None:
        self.peers.up(event, self.actor, self.clock)
        self.succession.greeted(event, self.actor)
        self._out.notices += judge_greeting(event, self.history, self.actor)
        self._is_news = True

    def _spread(self) -> None:
        """What became durable here in this step, and what peers have said, is acted on once."""
        self._release()
        if self._is_news:
            self._is_news = False
            self._send()

    def _wait(self, event: WaitAsked) -> None:
        refused = self._confirmations.wait(event, self.place.shard, len(self.place.members))
        if refused is None:
            self._release()
        else:
            self._out.replies.append((event.token, refused))

    def _abandon(self, token: int) -> None:
        self._spread()
        waiting = self._confirmations.abandon(token)
        if waiting is not None:
            late = Late(waiting.receipt, waiting.dots, self._confirmations.nodes(waiting))
            self._out.replies.append((token, late))
        elif take_back(self._held, token):
            self._out.replies.append((token, TOO_LATE))
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
        birth = self.succession.birth
        while work or birth is not None:
            self._left.work = work
            making = Making(self.place, self.history, self.state, self.actor, self._has_blob)
            if birth is not None:
                making.be_born(birth)
            event: WorkEvent | None = None
            is_behind, room = self.succession.is_behind(self.clock), self._confirmations.room
            try:
                for event in work:
                    if isinstance(event, Asked):  # mostly: of structs, a no is slow
                        if is_behind:
                            self._out.replies.append((event.token, CATCHING_UP))
                        else:
                            making.take(event, room)
                    else:
                        self._out.notices += receive(making, self.history, self.peers, event)
                self._begin(making)
                return
            except Poison as poison:
                making.undo()
                assert event is not None, "a birth has an effect that cannot fail"
                work = self._leave_out(work, event, poison)
            except Lacking as lacking:
                making.undo()
                refused = self.forgetting.refusal(lacking)
                if refused is None or event is None:
                    raise unfold(self.state.rows, str(lacking)) from lacking
                work = self._leave_out(work, event, refused)
            except Unfit as unfit:
                making.undo()
                assert isinstance(event, Asked)
                self._out.replies.append((event.token, Refusal("bad-request", str(unfit))))
                work = [other for other in work if other is not event]

    def _leave_out(
        self, work: list[WorkEvent], event: WorkEvent, poison: Poison
    ) -> list[WorkEvent]:
        match event:
            case Arrived():
                self._stop(poison.actor, poison.reason)
                return work
            case Asked(token):
                self._out.replies.append((token, Failure(poison.reason)))
                return [other for other in work if other is not event]

    def _begin(self, making: Making) -> None:
        batch = making.batch(self._number + 1) if making.items else None
        self._number, self._making, self._left.work = self._number + 1, making, []
        self.actor = making.actor
        if batch is None:
            self._commit(self._number)
        else:
            self._out.append, self._out.unread = batch, []

    def _commit(self, number: int) -> None:
        making = self._under_way(number)
        self._out.fetch += self.missing.noted(making, self._holds_blob)
        self.missing.keep()
        self.forgetting.with_batch(len(making.items))
        self.history.commit()
        self._making = None
        for item in {one.record.actor: one for one in making.items}.values():  # of each the last
            self._reach(item.head, item.dot)
        self.peers.learned([item.record for item in making.items])
        if making.actor is not None and making.actor != making.actor_before:
            self.succession.is_durable()
            self.peers.own(making.actor)
        self._out.delivered += [item.operation for item in making.items]
        self._out.replies += making.replies
        self._out.notices += making.notices
        for waiting in making.waits:
            self._confirmations.add(waiting)
        self._after()

    def _fail(self, event: AppendFailed) -> None:
        making = self._under_way(event.number)
        making.undo()  # where this loses the state, the batch is still under way for `restored`
        self._making, self.actor = None, making.actor_before
        self._out.replies += making.refusals()
        if event.forked is None:
            self._out.replies += [(asked.token, Failure(event.reason)) for asked in making.asked]
        else:
            self._do_without(event.forked, making, event)
        self._after()

    def _do_without(self, forked: Dot, making: Making, event: AppendFailed) -> None:
        """What a peer sent does not join what the log has behind it. What is in front of that is
        taken, or others are asked; and the batch is made again without it."""
        actor = forked.actor
        if not self.history.drop(actor, sound=event.sound):
            for link in [item.link for item in making.items if item.dot == forked]:
                self.peers.shun(link, actor, event.reason)
        self._held += making.asked
        text = f"operations of actor {actor.hex()[:8]} are not taken: {event.reason}"
        self._out.notices.append(Notice(text, alarm=True))

    def _under_way(self, number: int) -> Making:
        making = self._making
        assert making is not None and number == self._number, f"batch {number} is not under way"
        return making

    def _reach(self, head: Head, dot: Dot) -> None:
        self._heads[dot.actor] = head
        self._own.reached(*dot)

    def _settle(self, making: Making) -> None:
        """Of a batch that ended without a word: who was refused, and whether an actor was born."""
        self._out.replies += making.refusals()
        if making.actor is not None and self.history.head(making.actor).seq == 0:
            self.actor, self._birth_is_due = making.actor_before, True
        elif making.actor is not None and making.actor != making.actor_before:
            self.succession.is_durable()
            self.peers.own(making.actor)

    def _after(self) -> None:
        """Those who went away while the batch was under way are told what holds now."""
        self._is_news = True
        for token in self._abandoned:
            self._abandon(token)
        self._abandoned.clear()

    # --- Confirmations and peers ----------------------------------------------------------------

    def _release(self) -> None:
        """Answer those whose operations enough members hold by now."""
        for waiting, nodes in self._confirmations.released():
            self._out.replies.append((waiting.token, Done(waiting.receipt, waiting.dots, nodes)))

    def _send(self, *, forward: bool = False) -> None:
        """Tell every peer what is durable here, and send it what it lacks."""
        self._out.send += self.peers.acks(self.missing.listed())
        self._out.send += self.peers.bases(self.state.folded)
        self._out.send += self.peers.ranges(self.clock, forward=forward)
