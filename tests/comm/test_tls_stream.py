"""TLS that sends at once what the wire takes: nothing is lost, doubled or out of order by it, and
whatever ends a connection is met by a task."""

from __future__ import annotations

import _ssl
import ctypes
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import pytest
import trio
from trio.abc import Stream
from trio.testing import (
    MockClock,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)
from typing_extensions import override

from comm import ConnectionFinished, LinkLost, Ping, encode, encode_frame
from comm.io import FrameStream, accepted, dialed
from comm.io.tls_stream import TlsStream
from tests.comm.wires import Credentials, OneByteAtATime, PromptWire, Through, in_background

ROOM_BYTES = 4096
"""Of a socket that is soon full; the system doubles it."""
LONG = bytes(range(256)) * 8192
Pair = Callable[[], tuple[Stream, Stream]]


def sockets() -> tuple[Stream, Stream]:
    here, there = trio.socket.socketpair()
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM_BYTES)
    return trio.SocketStream(here), trio.SocketStream(there)


def trickling() -> tuple[Stream, Stream]:
    here, there = lockstep_stream_pair()
    return OneByteAtATime(here), OneByteAtATime(there)


PAIRS: dict[str, Pair] = {
    "sockets": sockets,
    "memory": memory_stream_pair,
    "byte by byte": trickling,
}


@asynccontextmanager
async def two(
    credentials: Credentials, pair: Pair = sockets
) -> AsyncIterator[tuple[TlsStream, TlsStream]]:
    """Both ends after the handshake."""
    ends: list[TlsStream] = []

    async def accept() -> None:
        ends.append(await accepted(there, credentials["b"], within_s=10))

    here, there = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        one = await dialed(here, credentials["a"], within_s=10)
    yield one, ends[0]
    for end in (one, ends[0]):
        await trio.aclose_forcefully(end)


async def heard(stream: TlsStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.receive_some(count - len(data))
        assert more, f"the end after {len(data)} bytes of {count}"
        data += more
    return data


def is_left(stream: TlsStream) -> bool:
    return stream.has_unsent


# --- Sending --------------------------------------------------------------------------------------


async def test_what_the_socket_takes_leaves_at_once(credentials: Credentials) -> None:
    async with two(credentials) as (here, there):
        for word in (b"one", b"two"):
            here.send_nowait(word)
            assert not here.has_unsent
        assert await heard(there, 6) == b"onetwo"


@pytest.mark.parametrize("pair", PAIRS)
async def test_what_the_wire_does_not_take_at_once_is_flushed_before_what_follows(
    pair: str, credentials: Credentials
) -> None:
    async with two(credentials, PAIRS[pair]) as (here, there):
        data = LONG if pair == "sockets" else LONG[:5000]
        here.send_nowait(data)
        assert here.has_unsent
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.send_all, b"behind it")
            assert await heard(there, len(data) + 9) == data + b"behind it"
        assert not here.has_unsent


async def test_a_flush_ends_after_the_bytes_it_was_given(credentials: Credentials) -> None:
    async with two(credentials, memory_stream_pair) as (here, there):
        here.send_nowait(LONG[:5000])
        for _ in range(5):
            await here.flush(1000)
        assert is_left(here), "TLS has added its own to the 5000"
        await here.flush(1000)
        assert not is_left(here)
        assert await heard(there, 5000) == LONG[:5000]


async def test_nothing_may_be_sent_past_what_is_unsent(credentials: Credentials) -> None:
    async with two(credentials, memory_stream_pair) as (here, _):
        here.send_nowait(b"one")
        with pytest.raises(AssertionError, match="what was taken before comes first"):
            here.send_nowait(b"two")


@pytest.mark.parametrize("pair", [*PAIRS, "little room"])
async def test_both_ends_talk_at_the_same_time(
    pair: str, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pair == "little room":
        monkeypatch.setattr("comm.io.tls.wire_of", PromptWire)
    random = Random(1)
    pieces = [random.randbytes(random.choice((1, 40, 3000, 20_000))) for _ in range(40)]
    if pair == "byte by byte":
        pieces = [piece[:100] for piece in pieces]
    whole = b"".join(pieces)

    async def say(end: TlsStream) -> None:
        for number, piece in enumerate(pieces):
            if number % 3 and not end.has_unsent:
                end.send_nowait(piece)
            else:
                await end.send_all(piece)
        await end.flush()

    async def hear(end: TlsStream) -> None:
        assert await heard(end, len(whole)) == whole

    async with two(credentials, PAIRS.get(pair, memory_stream_pair)) as ends:
        async with trio.open_nursery() as nursery:
            for end in ends:
                nursery.start_soon(say, end)
                nursery.start_soon(hear, end)


# --- Ends -----------------------------------------------------------------------------------------


async def test_the_end_is_the_end_of_the_stream_said_or_not(credentials: Credentials) -> None:
    async with two(credentials) as (here, there):
        here.send_nowait(b"last")
        await here.aclose()
        assert await heard(there, 4) == b"last"
        assert await there.receive_some() == await there.receive_some() == b""

    here_, there_ = memory_stream_pair()
    polite = trio.SSLStream(here_, credentials["a"].dialer, server_hostname="b")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(polite.do_handshake)
        end = await accepted(there_, credentials["b"], within_s=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(polite.aclose)
        assert await end.receive_some() == b""


class Cut(Through):
    """Once `left` is set, so many bytes come out of it, and then the end."""

    left: int | None = None

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self.left is None:
            return await super().receive_some(max_bytes)
        if self.left == 0:
            return b""
        data = await super().receive_some(self.left)
        self.left -= len(data)
        return data


async def test_a_cut_at_every_byte_is_the_end(credentials: Credentials) -> None:
    length = 5 + len(b"hello") + 1 + 16  # header, text, kind, tag
    for left in range(length + 1):
        here, there = memory_stream_pair()
        cut = Cut(there)
        async with two(credentials, lambda: (here, cut)) as (secure, end):  # noqa: B023
            cut.left = left
            await secure.send_all(b"hello")
            assert await end.receive_some() == (b"hello" if left == length else b"")
            assert await end.receive_some() == b""


async def test_bytes_that_were_altered_on_the_way_break_it(credentials: Credentials) -> None:
    here, there = memory_stream_pair()
    async with two(credentials, lambda: (here, there)) as (_, end):
        await here.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(trio.BrokenResourceError) as caught:
            await end.receive_some()
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        await end.flush()  # the alert
        end.send_nowait(b"to a peer that is none")
        assert end.has_unsent
        with pytest.raises(trio.BrokenResourceError):
            await end.flush()


async def test_of_a_peer_that_has_gone_a_task_learns(credentials: Credentials) -> None:
    async with two(credentials) as (here, there):
        await there.aclose()
        for _ in range(3):
            if not here.has_unsent:
                here.send_nowait(b"into the void")
        assert here.has_unsent
        with pytest.raises(trio.BrokenResourceError):
            await here.flush()


async def test_closing_ends_what_waits_and_what_comes_later(credentials: Credentials) -> None:
    async with two(credentials) as (here, _), trio.open_nursery() as nursery:
        ends: list[str] = []

        async def ended(act: Callable[[], Awaitable[object]]) -> None:
            with pytest.raises(trio.ClosedResourceError):
                await act()
            ends.append("closed")

        here.send_nowait(LONG)
        nursery.start_soon(ended, here.receive_some)
        nursery.start_soon(ended, here.flush)
        await wait_all_tasks_blocked()
        await here.aclose()
        await wait_all_tasks_blocked()
        assert len(ends) == 2
        await ended(here.receive_some)
        await ended(partial(here.send_all, b"late"))


async def test_what_is_said_at_once_after_the_close_is_dropped(credentials: Credentials) -> None:
    async with two(credentials) as (here, _):
        await here.aclose()
        here.send_nowait(b"late")
        assert not here.has_unsent


@pytest.mark.parametrize("pair", ["sockets", "memory"])
@pytest.mark.parametrize("shown", ["expired", "stranger"])
async def test_a_certificate_that_is_refused_is_said_to_be_so(
    pair: str, shown: str, credentials: Credentials
) -> None:
    """TLS 1.3 tells the client late: when it reads."""
    here, there = PAIRS[pair]()

    async def accept() -> None:
        with pytest.raises(LinkLost, match="certificate verify failed"):
            await accepted(there, credentials["a"], within_s=10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        secure = await dialed(here, credentials[shown], within_s=10)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await secure.receive_some()
        assert "alert" in str(caught.value.__cause__)
    for end in (here, there):
        await trio.aclose_forcefully(end)


def ask_for_new_keys(stream: TlsStream) -> None:
    """Says so with the next write. The ssl module has no word for it: OpenSSL's own, of the object
    behind a pointer in ssl's, behind the head and the socket."""
    inner = stream._tls._sslobj  # type: ignore[attr-defined]
    ssl_of = ctypes.c_void_p.from_address(id(inner) + 3 * ctypes.sizeof(ctypes.c_void_p))
    update = ctypes.CDLL(_ssl.__file__).SSL_key_update
    update.argtypes = [ctypes.c_void_p, ctypes.c_int]
    assert update(ssl_of, 1) == 1


@pytest.mark.parametrize("with_data", [False, True])
async def test_a_peer_that_asks_for_new_keys_over_and_over_is_not_answered_for_ever(
    with_data: bool, credentials: Credentials
) -> None:
    async def ask() -> None:
        for _ in range(times):
            ask_for_new_keys(there)
            await there.send_all(b".")

    async with two(credentials, memory_stream_pair) as (here, there):
        times = 50
        await ask()
        assert await heard(here, times) == b"." * times
        await here.send_all(b"answered")
        assert await heard(there, 8) == b"answered"
        times = 1000
        await ask()
        await there.aclose()
        with pytest.raises(trio.BrokenResourceError, match="expected at most 4096 bytes"):
            while await here.receive_some(1 if with_data else None):
                pass


# --- Frames ---------------------------------------------------------------------------------------


def framed(number: int) -> bytes:
    return encode_frame(encode(Ping(number)))


def is_free(frames: FrameStream) -> bool:
    return frames.is_prompt


async def test_a_connection_is_prompt_while_nothing_else_is_being_sent(
    credentials: Credentials,
) -> None:
    async with two(credentials) as (here, there):
        frames, peer = FrameStream(here), FrameStream(there)
        peer.reader.limit = 2 * len(LONG)
        assert is_free(frames)
        frames.send_nowait(framed(1))
        assert is_free(frames)
        frames.send_nowait(encode_frame(LONG))
        assert not is_free(frames)
        async with in_background(partial(frames.flush_left, within_s=10)):
            assert await peer.receive_frame(within_s=10) == encode(Ping(1))
            assert await peer.receive_frame(within_s=10) == LONG
            await wait_all_tasks_blocked()
            assert is_free(frames)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(frames.send_frames, encode_frame(LONG), within_s=10))
                await wait_all_tasks_blocked()
                assert not is_free(frames)
                assert await peer.receive_frame(within_s=10) == LONG
            assert is_free(frames)
        await frames.close()
        assert not is_free(frames)


async def test_a_connection_without_tls_is_never_prompt() -> None:
    here, _ = memory_stream_pair()
    assert not FrameStream(here).is_prompt


async def test_a_peer_that_does_not_take_what_was_left_is_given_up(
    credentials: Credentials, autojump_clock: MockClock
) -> None:
    async with two(credentials, lockstep_stream_pair) as (here, _):
        frames = FrameStream(here)
        frames.send_nowait(encode_frame(LONG))
        with pytest.raises(LinkLost, match="the peer took nothing for 60 s"):
            await frames.flush_left(within_s=60)
        with pytest.raises(ConnectionFinished):
            await frames.send_frames(b"", within_s=60)
        assert not frames.is_prompt


@pytest.mark.parametrize("pair", ["sockets", "memory"])
async def test_after_a_send_that_was_cancelled_half_way_the_connection_is_finished(
    pair: str, credentials: Credentials
) -> None:
    async with two(credentials, sockets if pair == "sockets" else lockstep_stream_pair) as ends:
        frames = FrameStream(ends[0])
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(frames.send_frames, encode_frame(LONG), within_s=10))
                await wait_all_tasks_blocked()
                scope.cancel()
        assert not frames.is_prompt
        with pytest.raises(ConnectionFinished):
            await frames.send_frames(framed(1), within_s=10)
