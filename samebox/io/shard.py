"""One shard at this node, running: the loop around the core, and what callers may ask of it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import trio

from crdt import Blob, Clock, Request, RequestId, State, StateLost
from samebox.changes import Change
from samebox.config import Limbo
from samebox.events import (
    Asked,
    BlobStored,
    Carried,
    Event,
    Notice,
    Outcome,
    Ready,
    Tick,
    WaitAsked,
    WorkEvent,
)
from samebox.io.adoption import Adopt, Adoptions
from samebox.io.call import Call, Reply, check_seconds
from samebox.io.callers import Callers
from samebox.io.contents import Contents
from samebox.io.disk_jobs import DiskJobs
from samebox.io.disk_thread import DiskThread
from samebox.io.feed import Feed, described, told
from samebox.io.inbox import Inbox
from samebox.io.looks import Looks
from samebox.io.outbox import Outboxes
from samebox.io.refusals import Refusals
from samebox.io.sending import Source
from samebox.io.standing import Standings
from samebox.io.statuses import Statuses
from samebox.io.store import Store
from samebox.io.verifying import verified
from samebox.io.wanted_blobs import WantedBlobs
from samebox.keeping import Stalled
from samebox.leftover import TOO_LATE
from samebox.starting import Restored
from samebox.status import ShardStatus
from samebox.store import log_begins
from samebox.verifying import Findings
from samebox.vetting import false_contents
from storage import DiskWriteFailed, LogDamaged, SyncFailed

T = TypeVar("T")
CLIENT_BYTES = 8
TICK_S = 0.25
"""How long the direct path has, before operations are forwarded and wants are repeated."""


class Shard:
    """Made by open_node. Every method belongs to the Trio task tree of the node."""

    def __init__(
        self,
        store: Store,
        disk: DiskThread,
        log: Callable[[Notice], None],
        bounds: Limbo = Limbo(),  # noqa: B008 - it is frozen
    ) -> None:
        self.name = store.place.shard
        self.members = store.place.members
        self.store = store
        self.disk = disk
        self.replica = store.replica
        self._refusals = Refusals(log)
        self.contents = Contents(disk, store.packs, self._refusals)
        self.source = Source(disk, store.log, self.contents)
        self.outboxes = Outboxes()
        self.standings = Standings(store.place.node, store.place.members)
        self.wanted_blobs = WantedBlobs()
        self.log = log
        self._feed = Feed(disk, store.log, store.cluster, store.place.shard)
        self.inbox = Inbox()
        self.callers = Callers(self.inbox)
        self._looks = Looks()
        self._adoptions = Adoptions()
        self._lost: StateLost | None = None
        self._client = store.entropy(CLIENT_BYTES)
        self._number = 0
        self._lengths: list[int] = []
        self._statuses = Statuses(store, self.standings, bounds, self._refusals)
        self._broken: BaseException | None = None
        self._is_waiting = False
        self._stalled = Stalled(store.keeper, log)
        self._jobs = DiskJobs(
            disk, store, self.source.recent, self.inbox, self.tell_now, self._break, self._refusals
        )
        disk.failed = self._disk_failed

    # --- For callers -----------------------------------------------------------------------------

    async def ask(
        self,
        request: Request,
        *,
        id: RequestId | None = None,
        copies: int = 1,
        timeout_s: float | None = None,
        carried: Sequence[Carried] = (),
        principal: str = "",
    ) -> Outcome:
        """Make `request` durable here, wait until `copies` members hold it, tell what came of it.

        Done; or Late at the deadline (what holds then, stays); or Refusal (it cannot be done as
        asked); or Failure (not now: disk full). A repeated `id` has no second effect.
        Raises ValueError where `timeout_s` is negative or no number; then nothing was asked.
        """
        check_seconds(timeout_s)
        reply = Reply()
        token = self.callers.expect(reply)
        if timeout_s is None:
            await self._bring(token, request, id, tuple(carried), copies, principal)
            del carried
            return await self.callers.settle(token, reply, None)
        with trio.move_on_after(timeout_s) as waiting:
            await self._bring(token, request, id, tuple(carried), copies, principal)
        del carried
        if waiting.cancelled_caught:
            return TOO_LATE
        left_s = max(0.0, waiting.deadline - trio.current_time())
        return await self.callers.settle(token, reply, left_s)

    async def wait(
        self, clock: Clock, *, copies: int = 1, timeout_s: float | None = None
    ) -> Outcome:
        """Until this node and copies − 1 other members hold all of `clock` (of a receipt). Raises
        ValueError as `ask` does."""
        check_seconds(timeout_s)
        reply = Reply()
        token = self.callers.expect(reply)
        self.inbox.tell(WaitAsked(token, clock, copies))
        return await self.callers.settle(token, reply, timeout_s)

    async def look(self, question: Callable[[State], T]) -> T:
        """The answer to a synchronous question about the committed state. It keeps the loop while
        it runs: ask for a page at a time."""
        await trio.lowlevel.checkpoint()
        if self.is_at_rest:
            try:
                return question(self.replica.state)
            except StateLost as error:
                self.lost(error)
        return await self._looks.wait(question)

    @property
    def is_at_rest(self) -> bool:
        """No batch is under way, and the state is whole: `look` answers at once."""
        is_made_anew = self._lost is not None or self._adoptions.is_under_way
        return not self.replica.is_busy and not is_made_anew

    async def put(self, pieces: AsyncIterator[bytes]) -> tuple[Blob, tuple[Carried, ...]]:
        """Take contents in; hand what comes back to `ask`. Raises ContentsTooLong beyond 32 GiB."""
        blob, carried = await self.contents.put(pieces)
        self.store.held.stored(blob)
        return blob, carried

    async def read(self, blob: Blob) -> AsyncGenerator[bytes, None]:
        """The bytes of a blob, verified; waits for a peer to bring what is not here."""
        while (hashes := await self.contents.hashes(blob)) is None:
            await self.wanted_blobs.wait(blob)
        for hash_ in hashes:
            while (data := await self.contents.piece(hash_)) is None:
                await self.wanted_blobs.wait(blob)
            yield data

    async def changes(self, since: Clock | None = None) -> AsyncGenerator[Change, None]:
        """What becomes visible, each once: from now on, or behind the cursor of a change. Raises
        ChangesGone where the log does not reach back so far, at the start or later."""
        start = dict(self.replica.clock) if since is None else since
        async with aclosing(self._feed.pages(start)) as pages:
            async for page in pages:
                changes = told(page)
                if len(changes) < len(page):
                    changes = await self.look(partial(described, page))
                for change in changes:
                    yield change

    def verify(self, bytes_per_s: int) -> AsyncGenerator[Findings, None]:
        """Read back all that is kept, at a bounded rate; see samebox.io.verifying."""
        return verified(self.store, self.disk, bytes_per_s=bytes_per_s, lost=self.lost)

    @property
    def clock(self) -> Clock:
        """Of what is durable here."""
        return self.replica.clock

    async def bring_call(self, call: Call) -> int:
        """Hand a call in, waiting while the shard is full; its reply is given later."""
        token = self.callers.expect(call.reply)
        await self._bring(token, call.request, call.id, call.carried, call.copies, call.principal)
        return token

    async def _bring(
        self,
        token: int,
        request: Request,
        id: RequestId | None,
        carried: tuple[Carried, ...],
        copies: int,
        principal: str,
    ) -> None:
        refusal = false_contents(carried) if carried else None
        if refusal is not None:
            self.callers.answer(token, refusal)
            return
        if id is None:
            self._number += 1
            id = tuple.__new__(RequestId, (self._client, self._number))  # see crdt.keys
        now_ms = time.time_ns() // 1_000_000
        asked = Asked(token, request, id, carried, copies, principal, now_ms)
        if not self.inbox.put(asked):
            try:
                await self.inbox.bring(asked)
            except BaseException:
                self.callers.forget(token)
                raise
        if not self.inbox.is_busy and len(self._lengths) > 1:
            self.inbox.stir()  # callers come together: one turn makes a batch of them all
        elif not self.inbox.is_busy:
            self._turn_now()

    # --- For the node ----------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        self.inbox.tell(event)

    def tell_now(self, event: Event) -> None:
        """What others wait for has its step in this very turn, not in the loop's next one."""
        self.inbox.tell_quietly(event)
        self._turn_now()

    async def bring(self, event: WorkEvent) -> None:
        """As tell_now, when there is room and the core takes work."""
        await self.inbox.bring(event)
        if not self.inbox.is_busy:
            self._turn_now()

    async def run(self) -> None:
        """Until cancelled; raises where the disk can no longer be trusted."""
        self.store.keeper.wake = lambda: self.disk.soon(self.inbox.stir)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tick)
            await self._loop()

    async def _tick(self) -> None:
        while True:
            await trio.sleep(TICK_S)
            self.inbox.tell(Tick())
            self.standings.note_lag(self.replica.peers, self.replica.clock)
            self._statuses.look(self.replica)
            self._refusals.look()
            if (why := self._stalled.look()) and self.replica.takes_work:
                self.callers.refuse_all(why)
            for hash_ in self.store.packs.damaged():
                self.wanted_blobs.add(Blob(hash_, 0))
            self._statuses.sizes = await self.disk.run(self.store.sizes)

    async def _loop(self) -> None:
        try:
            while True:
                self._is_waiting = True
                await self.inbox.news()
                self._is_waiting = False
                if self._broken is not None:
                    raise self._broken
                was_open = self.replica.takes_work
                if self._adoptions.waiting is not None and was_open and self._lost is None:
                    ready: Ready | None = await self._adopted()
                else:
                    ready = self._step(is_open=was_open)
                while ready is None:
                    ready = await self._restored()
                self._act(ready, was_open=was_open)
        finally:
            self._is_waiting = False

    def _turn_now(self) -> None:
        """A turn of the loop while it waits, unless there is what it alone can see to."""
        is_sound = self._broken is None and self._lost is None
        if not self._is_waiting or not is_sound or self._adoptions.waiting is not None:
            self.inbox.stir()
            return
        was_open = self.replica.takes_work
        try:
            ready = self._step(is_open=was_open)
            if ready is not None:
                self._act(ready, was_open=was_open)
        except Exception as error:
            self._break(error)

    def _step(self, *, is_open: bool) -> Ready | None:
        """None where the state is lost."""
        if self._lost is not None:
            return None
        try:
            is_held = not is_open or bool(self._looks.waiting) or self.store.keeper.is_full
            return self.replica.step(self.inbox.take(busy=is_held))
        except StateLost as error:
            self.lost(error)
            return None

    def lost(self, error: StateLost) -> None:
        """The loop makes the state again; until then nobody looks at it."""
        self._lost = self._lost or error
        self.inbox.stir()

    async def _restored(self) -> Ready | None:
        """The disk first ends the batch under way. None where the state is lost once more."""
        lost, known = self._lost, dict(self.replica.clock)
        assert lost is not None
        self.log(Notice(f"the state is lost, and is made again: {lost}", alarm=True))
        made = await self.disk.run(lambda: self.store.restored(known, lost))
        self._lost = None
        ready = self._gone_on(made)
        if ready is not None:
            self.log(Notice("the state is whole again"))
        return ready

    def _gone_on(self, made: Restored) -> Ready | None:
        try:
            ready = self.replica.restored(made)
        except StateLost as error:
            self.lost(error)
            return None
        self._lengths = [0] * len(ready.delivered)  # they need not count: this is seldom
        return ready

    async def adopt(self, adopt: Adopt) -> None:
        """Go on from a snapshot of a peer. Raises NotAdopted, DiskFull, DiskReadOnly."""
        self.inbox.stir()
        await self._adoptions.wait(adopt)

    async def _adopted(self) -> Ready | None:
        made = await self._adoptions.carry_out(self.disk, dict(self.replica.clock))
        if made is None:
            return Ready()
        self._feed.jumped()
        self.replica.begins(log_begins(self.store.log, [], made.state.folded))
        return self._gone_on(made)

    def _answer_looks(self) -> None:
        try:
            self._looks.answer(self.replica.state)
        except StateLost as error:
            self.lost(error)
        self.inbox.stir()

    def _act(self, ready: Ready, *, was_open: bool) -> None:
        lengths = self._lengths  # of what is delivered: the batch before the one that follows
        if ready.append is not None:
            self.contents.remember(ready.append.blobs)
            self._lengths = [len(record.data) for record in ready.append.records]
        self._jobs.begin(ready)
        if ready.send:
            self.outboxes.send(ready.send)
        if ready.delivered:  # now that the disk and the peers have something to do
            self.contents.marking.delivered(ready.delivered)
            state = None if self.replica.is_busy else self.replica.state
            self._feed.publish(ready.delivered, lengths, state)
        for token, result in ready.replies:
            self.callers.answer(token, result)
        for blob in ready.fetch:
            self.wanted_blobs.add(blob)
        for notice in ready.notices:
            self.log(notice)
        if not was_open and self.replica.takes_work:
            self.inbox.free()
        if self._looks.waiting and not self.replica.is_busy:
            self._answer_looks()
        self.disk.do_small()

    def _break(self, error: BaseException) -> None:
        self._broken = error
        self.inbox.stir()

    def _disk_failed(self, error: BaseException) -> None:
        """A write or sync: nothing is certain behind it. Or confirmed records cannot be read back:
        the start says what is missing, and peers bring it; no peer would get past that place."""
        if isinstance(error, LogDamaged | DiskWriteFailed | SyncFailed):
            self._break(error)

    def blob_stored(self, blob: Blob) -> None:
        """All pieces of `blob` are durable now."""
        self.store.held.stored(blob)
        self.wanted_blobs.stored(blob)
        self.inbox.tell(BlobStored(blob.hash))

    def status(self) -> ShardStatus:
        return self._statuses.of(self.replica)
