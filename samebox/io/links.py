"""The links of one shard: handshakes, the two ports of a link, and blobs pulled from peers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial

import trio

from comm import (
    Ack,
    Backoff,
    LinkLost,
    LogBase,
    Message,
    Range,
    Records,
    Reports,
    Want,
    chains_needed,
)
from comm.io import (
    Connection,
    Contexts,
    FrameStream,
    Local,
    dial,
    keep_dialing,
    run_link,
    say_nowait,
    serve_blobs,
)
from crdt import Dot
from samebox.config import Address
from samebox.events import (
    Acknowledged,
    Arrived,
    LinkDown,
    LinkUp,
    Notice,
    PeerLogBegins,
    RangeSent,
    Wanted,
)
from samebox.io.outbox import Outbox
from samebox.io.puller import Puller
from samebox.io.sending import Part
from samebox.io.shard import Shard
from samebox.io.snapshots import SnapshotPuller, serve_snapshots
from samebox.meeting import births_of, greeting_of, is_outdated, judge_histories, link_up
from samebox.outgoing import Outgoing
from storage import Log

CHAINS_AT_ONCE = 32
"""Looked up by one job of the disk thread: a few milliseconds where the log is cold."""


ONE_EACH = ("blobs", "snapshot")


class Links:
    """Both ends of every connection that speaks of `shard`."""

    def __init__(
        self, shard: Shard, addresses: Mapping[str, Address], contexts: Callable[[], Contexts]
    ) -> None:
        self.shard = shard
        self._addresses = addresses
        self._contexts = contexts
        self._next = 0
        self._serving: dict[tuple[str, str], trio.CancelScope] = {}
        self._reports = Reports()

    def local(self, purpose: str) -> Local:
        """What this node says of itself in a handshake."""
        replica, cluster = self.shard.replica, self.shard.store.cluster
        greeting = greeting_of(replica, cluster, purpose, self.shard.store.life)
        return Local(greeting, replica.place.members, births_of(replica))

    async def keep_connected(self, peer: str, random: Callable[[], float]) -> None:
        """Dial `peer` whenever there is no connection with it, for ever."""

        async def attempt() -> Connection:
            await self.shard.standings.until_down(peer)
            return await self._dial(peer, "operations")

        def report(reason: str) -> None:
            if self.shard.standings.failed(peer, reason):
                self._say(peer, reason)

        await keep_dialing(attempt, self.converse, backoff=Backoff(random), report=report)

    def _say(self, peer: str, text: str) -> None:
        line = self._reports.passed(peer, f"peer {peer}: {text}", trio.current_time())
        if line is not None:
            self.shard.log(Notice(line))

    async def _dial(self, peer: str, purpose: str) -> Connection:
        address = self._addresses[peer]
        return await dial(
            address.host,
            address.port,
            self._contexts(),
            partial(self.local, purpose),
            expected=peer,
        )

    async def converse(self, connection: Connection) -> None:
        """Use a connection after its handshake until it ends."""
        purpose = connection.mine.purpose
        if purpose in ONE_EACH:
            await self._serve(connection, purpose)
        elif self.shard.standings.takes(connection):
            await self._link(connection)
        else:
            await connection.frames.close()

    async def _link(self, connection: Connection) -> None:
        self._next += 1
        link, peer, dialer = self._next, connection.peer, connection.dialer
        standings, end = self.shard.standings, "this node stops"
        with trio.CancelScope() as scope:
            standings.up(connection, link, scope)
            outbox = self.shard.outboxes.open(link)
            try:
                up, is_outdated = await self._link_up(link, connection)
                self.shard.tell(up)
                self._say(peer, f"connected, dialed by {dialer}")
                if is_outdated:
                    end = "this node wrote after it had greeted, and greets once more"
                    return
                async with aclosing(LinkPort(self.shard, link, outbox, connection.frames)) as port:
                    end = (await run_link(connection.frames, inbox=port, outbox=port)).reason
            finally:
                self.shard.outboxes.close(link)
                self.shard.tell(LinkDown(link))
                standings.down(peer, link, end)
                if scope.cancel_called:
                    self._say(peer, f"a newer connection replaced that dialed by {dialer}")
                else:
                    self._say(peer, f"disconnected: {end}")

    async def _link_up(self, link: int, connection: Connection) -> tuple[LinkUp, bool]:
        """Compare the histories of both: the peer's as it told in the handshake, this node's as it
        is now. What it has written since it greeted may have reached the peer by another way; or
        the peer has to judge it (see is_outdated)."""
        mine, theirs = self.local("operations").greeting, connection.theirs
        chains = await self._chains(chains_needed(mine, theirs))
        met = judge_histories(mine, theirs, chains.get, births_of(self.shard.replica))
        up = link_up(link, theirs, met, same_members=connection.accepted.same_members)
        return up, is_outdated(connection.mine, mine, met)

    async def _chains(self, dots: Sequence[Dot]) -> dict[Dot, bytes | None]:
        """A few at a time: a peer may ask for thousands, and batches wait for the disk as well."""
        log, chains = self.shard.store.log, dict[Dot, bytes | None]()
        for start in range(0, len(dots), CHAINS_AT_ONCE):
            some = dots[start : start + CHAINS_AT_ONCE]
            chains |= await self.shard.disk.look(partial(_chains_of, log, some))
        return chains

    # --- Blobs ----------------------------------------------------------------------------------

    async def read_blob(self, hash: bytes) -> bytes | None:
        return await self.shard.contents.piece(hash)

    async def _serve(self, connection: Connection, purpose: str) -> None:
        """One connection for each peer: a newer one means that it gave the earlier one up."""
        key = (connection.peer, purpose)
        with trio.CancelScope() as scope:
            if key in self._serving:
                self._serving[key].cancel()
            self._serving[key] = scope
            try:
                with suppress(LinkLost):
                    if purpose == "blobs":
                        await serve_blobs(connection.frames, self)
                    else:
                        await serve_snapshots(connection.frames, self.shard)
            finally:
                if self._serving[key] is scope:
                    del self._serving[key]

    async def pull_snapshots(self, random: Callable[[], float]) -> None:
        """Whenever one is needed, for ever."""

        async def dial(peer: str) -> FrameStream:
            return (await self._dial(peer, "snapshot")).frames

        backoff = Backoff(random)
        puller = SnapshotPuller(self.shard, dial=dial, report=self._say, backoff=backoff)
        await puller.run()

    async def pull_blobs(self, peer: str, random: Callable[[], float]) -> None:
        """Fetch what is wanted from `peer` whenever there is a connection with it, for ever."""
        standings, shard = self.shard.standings, self.shard

        async def dial() -> FrameStream:
            return (await self._dial(peer, "blobs")).frames

        puller = Puller(
            peer,
            shard.wanted_blobs,
            shard.contents,
            dial=dial,
            stored=shard.blob_stored,
            report=partial(self._say, peer),
            backoff=Backoff(random),
        )
        while True:
            await standings.until_up(peer)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(puller.run)
                await standings.until_down(peer)
                nursery.cancel_scope.cancel()

    async def look_here(self) -> None:
        """A long blob may be here whole without being known to be: then it needs no peer."""
        shard = self.shard
        while True:
            blob = await shard.wanted_blobs.next_long()
            hashes = await shard.contents.hashes(blob)
            if hashes is not None and all(map(shard.contents.has, hashes)):
                shard.blob_stored(blob)


class LinkPort:
    """What one link hands over and takes: the ports of comm.io.run_link."""

    def __init__(self, shard: Shard, link: int, outbox: Outbox, frames: FrameStream) -> None:
        self._shard = shard
        self._link = link
        self._outbox = outbox
        self._frames = frames
        self._range: AsyncGenerator[Part, None] | None = None
        outbox.say_nowait = self._say_nowait

    async def aclose(self) -> None:
        """Give up the range under way."""
        if self._range is not None:
            await self._range.aclose()

    async def received(self, message: Records | Ack | Want | LogBase) -> None:
        match message:
            case Records():
                await self._shard.bring(Arrived(self._link, message))
            case Ack():
                self._acknowledged(Acknowledged(self._link, message))
            case Want():
                self._shard.tell_now(Wanted(self._link, message))
            case LogBase(base, folded):
                self._shard.tell(PeerLogBegins(self._link, dict(base), dict(folded)))

    def _acknowledged(self, event: Acknowledged) -> None:
        """One that nobody waits for may wait for the next step; one at a time."""
        shard = self._shard
        if shard.inbox.has_told or shard.replica.awaits(self._link):
            shard.tell_now(event)
        else:
            shard.inbox.tell_quietly(event)

    def _say_nowait(self, outgoing: Outgoing) -> None:
        """What one write takes, if the connection is free and the records are in memory. They go
        first: the peer's disk has work while it reads the rest."""
        if self._range is not None or not self._frames.is_prompt:
            return
        span = outgoing.next_range
        part = None if span is None else self._shard.source.at_hand(span)
        if span is not None and part is None:
            return
        messages: list[Message] = []
        if part is not None:
            messages.append(part.message)
        messages += [message for message in outgoing.take() if not isinstance(message, Range)]
        say_nowait(self._frames, messages)
        if part is not None:
            self._tell_sent(part)

    def measured(self, round_trip_s: float) -> None:
        """Not shown anywhere yet."""

    async def next(self) -> Sequence[Message]:
        """Small messages and one message of records: what one write takes."""
        messages: list[Message] = []
        while not messages:
            if self._range is None:
                for waiting in await self._outbox.take():
                    if isinstance(waiting, Range):
                        self._range = self._shard.source.messages(waiting)
                    else:
                        messages.append(waiting)
            if self._range is not None:
                messages += await self._more(self._range)
        return messages

    async def _more(self, messages: AsyncGenerator[Part, None]) -> list[Records]:
        async for part in messages:
            self._tell_sent(part)
            return [part.message]
        self._range = None
        return []

    def _tell_sent(self, part: Part) -> None:
        self._shard.inbox.tell_quietly(RangeSent(self._link, part.span, part.length))


def _chains_of(log: Log, dots: Sequence[Dot]) -> dict[Dot, bytes | None]:
    return {dot: log.chain_at(*dot) for dot in dots}
