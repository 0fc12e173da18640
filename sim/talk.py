"""One connection, from its greeting to its end, as comm.io and samebox.io.links lead it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from comm import (
    FRAME_BYTES_MAX,
    HANDSHAKE_BYTES_MAX,
    Accepted,
    Ack,
    Bye,
    Established,
    FrameReader,
    Greeting,
    Hello,
    LogBase,
    Message,
    NeedMore,
    PeerBroke,
    Ping,
    Pong,
    Range,
    Records,
    Refusal,
    Unknown,
    Want,
    Welcome,
    chains_needed,
    decode,
    encode,
    encode_frame,
    judge,
    node_uri,
)
from crdt import Dot
from samebox.events import Acknowledged, Arrived, LinkDown, PeerLogBegins, RangeSent, Wanted
from samebox.meeting import births_of, greeting_of, judge_histories, link_up
from sim.network import Side
from sim.range_reader import RangeReader
from sim.world import SECOND
from storage import LogDamaged, StorageError

if TYPE_CHECKING:
    from sim.shell import Shell

FEED_BYTES = 64 << 10
HANDSHAKE_US = 10 * SECOND
PING_US = 5 * SECOND
SILENCE_US = 20 * SECOND
LATER_TAG = 99
"""Of a message that only a later version knows."""


class Talk:
    """`expected` is the node that was dialed, None at the end that was called. Blobs travel on
    talks of their own: then `answer` takes every message behind the greeting."""

    def __init__(
        self,
        shell: Shell,
        side: Side,
        *,
        expected: str | None,
        purpose: str = "operations",
        ended: Callable[[], None] = lambda: None,
        greeted: Callable[[], None] = lambda: None,
    ) -> None:
        self.shell = shell
        self.side = side
        self.peer = shell.host.network.nodes[side.peer]
        self.dialer = shell.node if expected is not None else self.peer
        self.answer: Callable[[Message], None] | None = None
        self.is_over = False
        self._expected = expected
        self._purpose = purpose
        self._ended = ended
        self._greeted = greeted
        self._reader = FrameReader(limit=HANDSHAKE_BYTES_MAX)
        self._pieces: deque[bytes] = deque()
        self._mine: Greeting | None = None
        self._theirs: Greeting | None = None
        self._link: int | None = None
        self._is_up = False
        self._is_meeting = False
        self._waiting: Arrived | None = None
        self._range: RangeReader | None = None
        self._small: list[Message] = []
        self._is_fetching = False
        self._heard_at = shell.world.now
        self._pings = 0
        side.receive = self._receive
        side.has_come = self._has_come
        side.lost = lambda reason: shell.now(lambda: self.end(reason))
        side.room = lambda: shell.now(self.send_on)
        shell.later(HANDSHAKE_US, self._check_greeted)
        if expected is not None:
            self._mine = Hello(*msgspec.structs.astuple(self._local(purpose)))
            self._write(self._mine)

    @property
    def established(self) -> Established:
        """After the greeting."""
        life = None if self._theirs is None else self._theirs.incarnation
        return Established(self.dialer, life, (self.shell.world.now - self._heard_at) / SECOND)

    # --- Bytes -----------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        if data:
            starts = range(0, len(data), FEED_BYTES)
            self._pieces += [data[at : at + FEED_BYTES] for at in starts]
            self.shell.now(self.read_on)

    def _has_come(self) -> None:
        self._heard_at = self.shell.world.now

    @property
    def _is_blocked(self) -> bool:
        return self.is_over or self._is_meeting or self._waiting is not None

    def read_on(self) -> None:
        """Take frames for as long as there is room for what they hold."""
        self._bring_waiting()
        try:
            while not (self.is_over or self._is_meeting or self._waiting is not None):
                frame = self._reader.next_frame()
                if not isinstance(frame, NeedMore):
                    self._take(decode(frame))
                elif self._pieces:
                    self._reader.feed(self._pieces.popleft())
                else:
                    break
        except PeerBroke as error:
            self.shell.watch.broke(self.shell, self.peer, str(error))
            self.end(str(error))
        side = self.side
        side.is_reading = not self._is_blocked and not self.shell.host.is_deaf
        if side.is_reading:
            side.read_on()
        elif not self.is_over:
            self.shell.links.waiting[self] = None

    def _write(self, message: Message) -> None:
        self.side.send(encode_frame(encode(message)))

    def end(self, reason: str) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.shell.links.waiting.pop(self, None)
        self.side.close()
        if self._link is not None:
            self.shell.world.say(self.shell.name, f"link {self.peer} down: {reason}")
            self.shell.links.down(self, self._link)
            self.shell.tell(LinkDown(self._link))
        self._ended()

    # --- The greeting ----------------------------------------------------------------------------

    def _local(self, purpose: str) -> Greeting:
        replica, store = self.shell.replica, self.shell.store
        greeting = greeting_of(replica, store.cluster, purpose, store.life)
        self.shell.watch.greeting(self.shell, greeting)
        return greeting

    def _check_greeted(self) -> None:
        if not self._is_up and self._link is None and self.answer is None:
            self.end("no handshake in time")

    def _take(self, message: Message | Unknown) -> None:
        match message:
            case Records() | Ack() if self._link is not None:
                self._take_on_link(message)
            case Unknown():
                return
            case Bye(reason) | Refusal(_, reason):
                self.end(reason)
            case Hello() if self._mine is None:
                self._answer_greeting(message)
            case Welcome() if self._mine is not None and self._link is None:
                verdict = self._judged(self._mine, message)
                if verdict is not None:
                    self._converse(self._mine, message, verdict)
            case _ if self.answer is not None:
                self.answer(message)
            case _:
                self._take_on_link(message)

    def _answer_greeting(self, theirs: Greeting) -> None:
        mine = Welcome(*msgspec.structs.astuple(self._local(theirs.purpose)))
        verdict = self._judged(mine, theirs)
        if verdict is not None:
            self._mine = mine
            self._write(mine)
            self._converse(mine, theirs, verdict)

    def _judged(self, mine: Greeting, theirs: Greeting) -> Accepted | None:
        replica = self.shell.replica
        verdict = judge(
            mine,
            theirs,
            names=[node_uri(mine.cluster, self.peer)],
            members=replica.place.members,
            births=births_of(replica),
            expected=self._expected,
        )
        if isinstance(verdict, Refusal):
            self.shell.watch.refused(self.shell, self.peer, verdict)
            self._write(verdict)
            self.end(verdict.text)
            return None
        self._reader.limit = FRAME_BYTES_MAX
        return verdict

    def _converse(self, mine: Greeting, theirs: Greeting, verdict: Accepted) -> None:
        if mine.purpose != "operations":
            shell = self.shell
            other = shell.pulls if mine.purpose == "blobs" else shell.snapshots
            if self._expected is None:
                self.answer = lambda message: other.serve(self, message)
            else:
                self.answer = lambda message: other.answered(self, message)
            self._greeted()
            return
        self._theirs = theirs
        links = self.shell.links
        links.greeted(self)
        if not links.takes(self):
            self.end("another connection stays")
            return
        self._link = links.up(self)
        self._is_meeting = True
        mine = self._local("operations")
        log, needed = self.shell.store.log, chains_needed(mine, theirs)
        self._submit(
            lambda: {dot: log.chain_at(*dot) for dot in needed},
            lambda chains: self._met(mine, theirs, chains, same_members=verdict.same_members),
        )

    def _met(self, mine: Greeting, theirs: Greeting, chains: object, *, same_members: bool) -> None:
        found: dict[Dot, bytes | None] = chains  # type: ignore[assignment]
        met = judge_histories(mine, theirs, found.get, births_of(self.shell.replica))
        assert self._link is not None
        self._is_up, self._is_meeting = True, False
        self.shell.world.say(self.shell.name, f"link {self.peer} up, dialed by {self.dialer}")
        event = link_up(self._link, theirs, met, same_members=same_members)
        self.shell.tell(event)
        self.shell.later(PING_US, self._keep_alive)
        self.read_on()
        self.send_on()

    def _submit(self, job: Callable[[], object], then: Callable[[object], None]) -> None:
        """A disk job for this talk; what fails ends the talk, what the log lost ends the node."""

        def ended(result: object) -> None:
            if isinstance(result, LogDamaged):
                self.shell.fail(result)
            elif isinstance(result, StorageError):
                self.end(f"{type(result).__name__}: {result}")
            elif not self.is_over:
                then(result)

        self.shell.submit(job, ended)

    # --- What comes on a link ---------------------------------------------------------------------

    def _take_on_link(self, message: Message) -> None:
        if self._link is None:
            raise PeerBroke(f"{type(message).__name__} before the greeting")
        match message:
            case Records():
                self._waiting = Arrived(self._link, message)
                self._bring_waiting()
            case Ack():
                self.shell.tell(Acknowledged(self._link, message))
            case Want():
                self.shell.tell(Wanted(self._link, message))
            case LogBase(base, folded):
                self.shell.tell(PeerLogBegins(self._link, dict(base), dict(folded)))
            case Ping(number):
                self._write(Pong(number))
            case Pong():
                pass
            case _:
                raise PeerBroke(f"{type(message).__name__} on a link")

    def _bring_waiting(self) -> None:
        event = self._waiting
        if event is not None and not self.shell.incoming.is_full_for(event):
            self._waiting = None
            self.shell.bring(event)

    def _keep_alive(self) -> None:
        if self.is_over:
            return
        if self.shell.world.now - self._heard_at > SILENCE_US:
            self.end("silence")
            return
        if self.side.has_room:
            self._pings += 1
            self._write(Ping(self._pings))
        self.shell.later(PING_US, self._keep_alive)

    # --- What goes out on it ----------------------------------------------------------------------

    def send_on(self) -> None:
        """Small messages and one message of records at a time, while the peer takes them."""
        while self._is_up and not self.is_over and self.side.has_room and not self._is_fetching:
            assert self._link is not None
            outgoing = self.shell.links.outgoing(self._link)
            if self._range is None:
                if not outgoing:
                    return
                for message in outgoing.take():
                    if isinstance(message, Range):
                        self._range = RangeReader(self.shell, message)
                    else:
                        self._small.append(message)
            if self._range is None:
                self._flush(None)
            else:
                self._is_fetching = True
                self._range.next(self._submit, self._fetched)

    def _fetched(self, found: tuple[Records, Range] | None) -> None:
        self._is_fetching = False
        if found is None:
            self._range = None
            self._flush(None)
        else:
            message, span = found
            length = sum(len(data) + sum(map(len, blobs)) for data, blobs in message.items)
            assert self._link is not None
            self.shell.tell(RangeSent(self._link, span, length))
            self._flush(message)
        self.send_on()

    def _flush(self, records: Records | None) -> None:
        messages, self._small = self._small, []
        if records is not None:
            messages.append(records)
        for message in messages:
            self.shell.watch.sending(self.shell, self.peer, message)
            for said in self.shell.host.spoken(message):
                self._write(said)
