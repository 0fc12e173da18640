"""Taking connections: few strangers at a time, each for a short time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, TypeVar

import trio
from msgspec import Struct
from trio.abc import Listener, Stream

from comm.errors import CommError
from comm.io.connection import HANDSHAKE_S, Connection, LocalOf, greet_as_acceptor
from comm.io.dial import Converse, Report, converse_safely
from comm.io.stream import FrameStream
from comm.io.tls import Contexts, accepted, peer_names

UNFINISHED_MAX = 64
"""Handshakes under way: with HANDSHAKE_BYTES_MAX each, strangers hold 16 MiB here at most."""

S = TypeVar("S", bound=Stream)


class Acceptor(Struct):
    """What becomes of every connection that is opened to this node. `contexts` may be replaced
    while it runs. Count of handshakes under way in `unfinished`, of those turned away for that
    in `turned_away`."""

    contexts: Contexts
    local_of: LocalOf
    converse: Converse
    report: Report
    unfinished_max: int = UNFINISHED_MAX
    handshake_s: float = HANDSHAKE_S
    unfinished: int = 0
    turned_away: int = 0

    async def handle(self, stream: Stream) -> None:
        """Handshake, then `converse`. Raises nothing but cancellation; `stream` is closed."""
        if self.unfinished >= self.unfinished_max:
            self.turned_away += 1
            count = self.unfinished_max
            self.report(f"{origin(stream)}: closed, {count} handshakes are under way already")
            await trio.aclose_forcefully(stream)
            return
        try:
            connection = await self._greet(stream)
            if connection is not None:
                await converse_safely(connection, self.converse, self.report)
        finally:
            await trio.aclose_forcefully(stream)

    async def _greet(self, stream: Stream) -> Connection | None:
        self.unfinished += 1
        try:
            secure = await accepted(stream, self.contexts, within_s=self.handshake_s)
            names = peer_names(secure)
            frames = FrameStream(secure)
            return await greet_as_acceptor(frames, names, self.local_of, within_s=self.handshake_s)
        except CommError as error:
            self.report(f"{origin(stream)}: {error}")
        except Exception as error:
            self.report(f"{origin(stream)}: the handshake failed: {error!r}")
        finally:
            self.unfinished -= 1
        return None


async def serve(listeners: Sequence[Listener[S]], acceptor: Acceptor) -> NoReturn:
    """Take connections from `listeners` for ever, which are closed at the end."""
    await trio.serve_listeners(acceptor.handle, list(listeners))


def origin(stream: Stream) -> str:
    """Where a connection comes from, for people."""
    if isinstance(stream, trio.SocketStream):
        try:
            address = stream.socket.getpeername()
        except OSError:
            return "a connection that has gone"
        return f"{address[0]}:{address[1]}"
    return "a connection"
