"""A link that is up: a task each to receive, to send, to keep alive, and to give up. The end of
any ends the link.

The receiver waits for `inbox.received`, so a full node reads no further and its peer feels it.
The sender writes what `outbox.next` gives, one frame in memory at a time. Whoever has something
small to say while the connection is free need not wake it: `say_nowait` writes at once, and what
the socket did not take then is written by a task of its own. Pings go out whatever the others are
doing: a peer is given up when nothing at all comes, not when it is busy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Protocol

import trio
from msgspec import Struct

from comm.errors import CommError, LinkLost, PeerBroke, PeerRefused
from comm.frames import encode_frame
from comm.io.stream import WRITE_BYTES, FrameStream
from comm.messages import (
    Ack,
    Bye,
    LogBase,
    Message,
    Ping,
    Pong,
    Records,
    Refusal,
    Unknown,
    Want,
    decode,
    encode,
)

PING_EVERY_S = 5.0
SILENCE_S = 20.0
"""Without a byte from the peer: three pings lost, or the peer is gone."""
STALL_S = 60.0
"""For a peer to take WRITE_BYTES: longer than any sync that it may be waiting for itself."""
BYE_S = 1.0
CONTROL_EVERY_S = 0.25e-3
"""Between two messages other than records: several times what a peer says at full speed."""
CONTROL_BYTE_S = 0.3e-6
"""And for each byte of them: the longest, of 100,000 entries, takes some 30 ms of this node."""
CONTROL_BURST_S = 0.1
"""Saved up by a peer that says little."""


class LinkTimes(Struct, frozen=True):
    """In seconds."""

    ping_every_s: float = PING_EVERY_S
    silence_s: float = SILENCE_S
    stall_s: float = STALL_S


class Inbox(Protocol):
    """Where a link hands over what its peer sends."""

    async def received(self, message: Records | Ack | Want | LogBase) -> None:
        """In the order sent. The link reads on when this returns."""
        ...

    def measured(self, round_trip_s: float) -> None:
        """The time from a ping to its answer."""
        ...


class Outbox(Protocol):
    """Where a link takes what it is to send."""

    async def next(self) -> Sequence[Message] | None:
        """What to send next; None to close the link. Called again when all of it was written.

        Cancelled only when the link ends.
        """
        ...


class LinkEnd(Struct, frozen=True):
    """Why a link ended: `error` says whose fault it was. `skipped` counts messages of a kind that
    this version does not know."""

    error: CommError
    skipped: int

    @property
    def reason(self) -> str:
        return str(self.error)


async def run_link(
    frames: FrameStream, *, inbox: Inbox, outbox: Outbox, times: LinkTimes | None = None
) -> LinkEnd:
    """Until the link ends; `frames` is closed then. What a port raises passes through."""
    link = _Link(frames, inbox, outbox, times or LinkTimes())
    ends: list[CommError] = []

    async def ending(task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except CommError as error:
            ends.append(error)
            nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ending, link.receive)
            nursery.start_soon(ending, link.send)
            nursery.start_soon(ending, link.keep_alive)
            nursery.start_soon(ending, link.flush)
            nursery.start_soon(ending, link.give_up)
    finally:
        await frames.close()
    return LinkEnd(ends[0], link.skipped)


def say_nowait(frames: FrameStream, messages: Sequence[Message]) -> None:
    """Send `messages` while `frames.is_prompt`. That the connection is broken is for the tasks of
    the link to find."""
    frames.send_nowait(b"".join([encode_frame(encode(message)) for message in messages]))


class _Link:
    def __init__(self, frames: FrameStream, inbox: Inbox, outbox: Outbox, times: LinkTimes) -> None:
        self.skipped = 0
        self._frames = frames
        self._inbox = inbox
        self._outbox = outbox
        self._times = times
        self._pings = 0
        self._control_until = 0.0
        self._pinged_at = 0.0
        self._to_answer: int | None = None
        self._asked = trio.Event()

    async def receive(self) -> None:
        """Records and a message that came with them in one turn of the scheduler, else one message
        a turn, however many came at once. And of other messages than records no more than a pace,
        so that no peer keeps this node busy with them."""
        has_room = False
        while True:
            payload = await self._frames.receive_frame(within_s=inf)
            message = decode(payload)
            await self._take(message)
            is_small = not isinstance(message, Records)
            has_room = not is_small and not has_room  # in this turn, for one message more
            if is_small and self._is_beyond_pace(len(payload)):
                await trio.sleep_until(self._control_until)
            elif not has_room and self._frames.has_more:
                await trio.lowlevel.checkpoint()  # else to wait for more gives the turn away

    def _is_beyond_pace(self, length: int) -> bool:
        """The peer has said more than it may, by count and by bytes."""
        now, cost_s = trio.current_time(), max(CONTROL_EVERY_S, length * CONTROL_BYTE_S)
        self._control_until = max(self._control_until, now - CONTROL_BURST_S) + cost_s
        return self._control_until > now

    async def _take(self, message: Message | Unknown) -> None:
        match message:
            case Records() | Ack() | Want() | LogBase():
                await self._inbox.received(message)
            case Ping(number):
                self._to_answer = number
                self._asked.set()
            case Pong(number):
                if number == self._pings:
                    self._inbox.measured(trio.current_time() - self._pinged_at)
            case Bye(reason):
                raise LinkLost(f"the peer closed the link: {reason}")
            case Refusal(code, text):
                raise PeerRefused(code, text)
            case Unknown():
                self.skipped += 1
            case _:
                found = type(message).__name__
                raise PeerBroke(f"expected Records, Ack or Want on a link, found {found}")

    async def send(self) -> None:
        while (messages := await self._outbox.next()) is not None:
            await self._write(messages)
        await self._say_bye("closed by an operator or a newer connection")

    async def _write(self, messages: Sequence[Message]) -> None:
        """Small messages share a write."""
        data = bytearray()
        for message in messages:
            data += encode_frame(encode(message))
            if len(data) >= WRITE_BYTES:
                await self._frames.send_frames(data, within_s=self._times.stall_s)
                data = bytearray()
        if data:
            await self._frames.send_frames(data, within_s=self._times.stall_s)

    async def _say_bye(self, reason: str) -> None:
        await self._frames.send_frames(encode_frame(encode(Bye(reason))), within_s=BYE_S)
        raise LinkLost("this node closed the link")

    async def flush(self) -> None:
        await self._frames.flush_left(within_s=self._times.stall_s)

    async def keep_alive(self) -> None:
        """Ping every so often, and answer the last ping of the peer that was not answered."""
        ping_at = trio.current_time() + self._times.ping_every_s
        while True:
            with trio.move_on_at(ping_at):
                await self._asked.wait()
            self._asked = trio.Event()
            if self._to_answer is not None:
                answer, self._to_answer = Pong(self._to_answer), None
                await self._write([answer])
            if trio.current_time() >= ping_at:
                self._pings += 1
                await self._write([Ping(self._pings)])
                self._pinged_at = trio.current_time()
                ping_at = self._pinged_at + self._times.ping_every_s

    async def give_up(self) -> None:
        """A peer from which nothing comes while this node listens. One task that looks now and then
        costs less than a time limit on every receive."""
        silence_s, frames = self._times.silence_s, self._frames
        while True:
            since = frames.listens_since
            now = trio.current_time()
            until = now + silence_s if since is None else max(since, frames.heard_at) + silence_s
            if now >= until:
                raise LinkLost(f"nothing came from the peer for {silence_s} s")
            await trio.sleep_until(until)
