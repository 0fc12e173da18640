"""Streams with habits, and both ends of a handshake, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import NamedTuple, TypeAlias

import trio
from trio.abc import Stream
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair
from typing_extensions import override

from comm import CommError, Greeting, Message, Ping, Refusal, Unknown, decode, encode, encode_frame
from comm.io import (
    Connection,
    Contexts,
    FrameStream,
    Local,
    accepted,
    dialed,
    greet_as_acceptor,
    greet_as_dialer,
    peer_names,
)
from comm.io.wire import StreamWire, Wire
from tests.comm.phrases import A, B, C, hello

CLUSTER = "example.org"
MEMBERS = ("a", "b", "c")
BIRTHS = {A: "a", B: "b", C: "c"}

MemoryStream: TypeAlias = "trio.StapledStream[MemorySendStream, MemoryReceiveStream]"
Credentials: TypeAlias = dict[str, Contexts]


class Through(Stream):
    """All goes through it as it is."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @override
    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    @override
    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


class OneByteAtATime(Through):
    """What goes through it comes out byte by byte."""

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await super().receive_some(1)


class PromptWire(StreamWire):
    """A memory stream as a socket with little room: at once it takes nothing, a few bytes, or all
    that it is offered, one after the other."""

    ROOMS = (0, 100, None)

    def __init__(self, stream: MemoryStream) -> None:
        super().__init__(stream)
        self._send_stream = stream.send_stream
        self._rooms = cycle(self.ROOMS)

    @override
    def write_nowait(self, data: memoryview) -> int:
        taken = data[: next(self._rooms)]
        if taken:
            self._send_stream._outgoing.put(bytes(taken))  # Trio has nothing public that is no task
            assert self._send_stream.close_hook is not None
            self._send_stream.close_hook()  # brings it to the other end
        return len(taken)


def prompt_wire_of(stream: Stream) -> Wire:
    """In the place of comm.io.wire.wire_of, where memory streams stand for sockets."""
    if isinstance(stream, trio.StapledStream) and isinstance(stream.send_stream, MemorySendStream):
        return PromptWire(stream)
    return StreamWire(stream)


def local(node: str, **fields: object) -> Local:
    return Local(hello(node, **fields), MEMBERS, BIRTHS)


class Ends(NamedTuple):
    """What became of the two sides of a handshake."""

    dialer: Connection | CommError
    acceptor: Connection | CommError


async def shake_hands(
    dialing: Local,
    accepting: Local | Refusal,
    credentials: Credentials,
    *,
    as_dialer: str = "a",
    as_acceptor: str = "b",
    expected: str = "b",
    streams: tuple[Stream, Stream] | None = None,
) -> Ends:
    """Over TLS, with the named credentials. Whoever fails closes."""
    here, there = streams or memory_stream_pair()
    ends: dict[str, Connection | CommError] = {}

    async def dial() -> None:
        try:
            secure = await dialed(here, credentials[as_dialer], within_s=10)
            ends["dialer"] = await greet_as_dialer(
                FrameStream(secure), peer_names(secure), dialing, expected=expected
            )
        except CommError as error:
            ends["dialer"] = error
            await trio.aclose_forcefully(here)

    async def accept() -> None:
        def asked(theirs: Greeting) -> Local | Refusal:
            return accepting

        try:
            secure = await accepted(there, credentials[as_acceptor], within_s=10)
            ends["acceptor"] = await greet_as_acceptor(
                FrameStream(secure), peer_names(secure), asked
            )
        except CommError as error:
            ends["acceptor"] = error
            await trio.aclose_forcefully(there)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        nursery.start_soon(accept)
    return Ends(ends["dialer"], ends["acceptor"])


class Peer:
    """The other end of a link, in the hand of a test."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.frames = FrameStream(stream)

    async def say(self, *messages: Message) -> None:
        await self.stream.send_all(b"".join(encode_frame(encode(m)) for m in messages))

    async def keep_pinging(self) -> None:
        """Every second, until the link is closed."""
        with suppress(trio.BrokenResourceError):
            while True:
                await self.say(Ping(1))
                await trio.sleep(1)

    async def hear(self) -> Message | Unknown:
        return decode(await self.frames.receive_frame(within_s=1000))


@asynccontextmanager
async def in_background(task: object, *args: object) -> AsyncIterator[None]:
    """Run an endless task while the block runs."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task, *args)  # type: ignore[arg-type]
        yield
        nursery.cancel_scope.cancel()
