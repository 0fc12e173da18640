"""The handshake on a connection: headers both ways, Hello from the dialer, Welcome in return.

The acceptor sends its header at once. The dialer sends nothing before it has found, in the
certificate, the node that it dialed, and has read that header: only so does it learn why TLS
refused its own certificate, for TLS tells a client late. The acceptor says no more before it has
judged the Hello. The link is up when the Welcome was judged. Whoever refuses says why, and closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from typing import NoReturn, TypeAlias, TypeVar

import msgspec
import trio
from msgspec import Struct

from comm.errors import LinkLost, PeerBroke, PeerRefused, WeRefused
from comm.frames import FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX, encode_frame
from comm.handshake import Accepted, judge, judge_certificate
from comm.header import (
    HEADER_BYTES,
    PROTOCOLS,
    Protocols,
    common_version,
    decode_header,
    encode_header,
)
from comm.io.stream import FrameStream
from comm.messages import Greeting, Hello, Message, Refusal, Welcome, decode, encode
from crdt import Actor

HANDSHAKE_S = 10.0
"""For a handshake from its first byte to its last, TLS apart."""

G = TypeVar("G", bound=Greeting)


class Local(Struct, frozen=True):
    """What this node brings to a handshake. `births` gives the node that each actor was born at."""

    greeting: Greeting
    members: Sequence[str]
    births: Mapping[Actor, str]


LocalOf: TypeAlias = Callable[[Greeting], Local | Refusal]
"""What an acceptor answers with, by the cluster, shard and purpose that the dialer names."""


class Connection(Struct, frozen=True):
    """A connection after its handshake. `version` of the protocol is spoken on it."""

    frames: FrameStream
    mine: Greeting
    theirs: Greeting
    accepted: Accepted
    dialer: str
    version: int

    @property
    def peer(self) -> str:
        return self.theirs.node


async def greet_as_dialer(
    frames: FrameStream,
    names: Sequence[str],
    local: Local,
    *,
    expected: str,
    within_s: float = HANDSHAKE_S,
) -> Connection:
    """`names` are those in the peer's certificate, `expected` is the node that was dialed.

    Raises LinkLost, PeerBroke, PeerRefused, WeRefused.
    """
    refusal = judge_certificate(local.greeting.cluster, names, local.members, expected)
    if refusal is not None:
        raise WeRefused(refusal.code, refusal.text)
    with _deadline(within_s):
        header = await _receive_header(frames)
        await _send_header(frames)
        version = common_version(PROTOCOLS, header)
        mine = _as(Hello, local.greeting)
        await _send(frames, mine)
        theirs = await _receive(frames, Welcome)
        accepted = await _judged(frames, local, mine, theirs, names, expected)
    return Connection(frames, mine, theirs, accepted, mine.node, version)


async def greet_as_acceptor(
    frames: FrameStream,
    names: Sequence[str],
    local_of: LocalOf,
    *,
    within_s: float = HANDSHAKE_S,
) -> Connection:
    """As greet_as_dialer; what this node is depends on what the dialer asks for."""
    with _deadline(within_s):
        await _send_header(frames)
        version = common_version(PROTOCOLS, await _receive_header(frames))
        theirs = await _receive(frames, Hello)
        local = local_of(theirs)
        if isinstance(local, Refusal):
            await _refuse(frames, local)
        mine = _as(Welcome, local.greeting)
        accepted = await _judged(frames, local, mine, theirs, names, None)
        await _send(frames, mine)
    return Connection(frames, mine, theirs, accepted, theirs.node, version)


@contextmanager
def _deadline(within_s: float) -> Iterator[None]:
    try:
        with trio.fail_after(within_s):
            yield
    except trio.TooSlowError:
        raise LinkLost(f"no handshake within {within_s} s") from None


async def _send_header(frames: FrameStream) -> None:
    await frames.send_frames(encode_header(), within_s=inf)


async def _receive_header(frames: FrameStream) -> Protocols:
    return decode_header(await frames.receive_exactly(HEADER_BYTES, within_s=inf))


async def _receive(frames: FrameStream, expected: type[G]) -> G:
    message = decode(await frames.receive_frame(within_s=inf))
    if isinstance(message, Refusal):
        raise PeerRefused(message.code, message.text)
    if not isinstance(message, expected):
        raise PeerBroke(f"expected {expected.__name__}, found {type(message).__name__}")
    return message


async def _judged(
    frames: FrameStream,
    local: Local,
    mine: Greeting,
    theirs: Greeting,
    names: Sequence[str],
    expected: str | None,
) -> Accepted:
    """Raises the limit of frames once the peer is known."""
    verdict = judge(
        mine, theirs, names=names, members=local.members, births=local.births, expected=expected
    )
    if isinstance(verdict, Refusal):
        await _refuse(frames, verdict)
    frames.reader.limit = FRAME_BYTES_MAX
    return verdict


async def _refuse(frames: FrameStream, refusal: Refusal) -> NoReturn:
    await _send(frames, refusal)
    raise WeRefused(refusal.code, refusal.text)


async def _send(frames: FrameStream, message: Message) -> None:
    data = encode_frame(encode(message), limit=HANDSHAKE_BYTES_MAX)
    await frames.send_frames(data, within_s=inf)


def _as(kind: type[G], greeting: Greeting) -> G:
    return kind(*msgspec.structs.astuple(greeting))
