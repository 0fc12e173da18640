"""Taking connections: few strangers at a time, each for a short time, and few lines about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn, TypeVar

import trio
from trio.abc import Listener, Stream

from comm.admission import Admission
from comm.errors import CommError, Refused
from comm.io.connection import HANDSHAKE_S, Connection, LocalOf, greet_as_acceptor
from comm.io.dial import Converse, Report, converse_safely
from comm.io.stream import FrameStream
from comm.io.tls import Contexts, accepted, peer_names
from comm.reports import Reports

UNFINISHED_MAX = 64
"""Handshakes under way: with HANDSHAKE_BYTES_MAX each, strangers hold 16 MiB here at most."""
REPORTS_AT_ONCE = 100
"""Of all origins and kinds together, before one a second: an attacker may have many addresses."""
ALL = "all"

S = TypeVar("S", bound=Stream)


class Acceptor:
    """What becomes of every connection that is opened to this node. `contexts` gives those to be
    used now. `turned_away` counts handshakes that others took the place of."""

    def __init__(
        self,
        contexts: Callable[[], Contexts],
        local_of: LocalOf,
        converse: Converse,
        report: Report,
        *,
        unfinished_max: int = UNFINISHED_MAX,
        handshake_s: float = HANDSHAKE_S,
    ) -> None:
        self.turned_away = 0
        self._contexts = contexts
        self._local_of = local_of
        self._converse = converse
        self._report = report
        self._unfinished_max = unfinished_max
        self._handshake_s = handshake_s
        self._admission = Admission(unfinished_max)
        self._scopes: dict[int, trio.CancelScope] = {}
        self._reports = Reports()
        self._all_reports = Reports(at_once=REPORTS_AT_ONCE)

    @property
    def unfinished(self) -> int:
        """Handshakes under way."""
        return len(self._admission)

    async def handle(self, stream: Stream) -> None:
        """Handshake, then `converse`. Raises nothing but cancellation; `stream` is closed."""
        where = origin(stream)
        try:
            connection = await self._admitted(stream, where)
            if connection is not None:
                tell = partial(self._tell, where, "conversation")
                await converse_safely(connection, self._converse, tell)
        finally:
            await trio.aclose_forcefully(stream)

    async def _admitted(self, stream: Stream, where: str) -> Connection | None:
        number, displaced = self._admission.enter(host(where))
        if displaced is not None:
            self.turned_away += 1
            self._scopes.pop(displaced).cancel()
        try:
            with trio.CancelScope() as self._scopes[number]:
                return await self._greet(stream, where)
            count = self._unfinished_max
            self._tell(where, "displaced", f"closed, {count} later handshakes are under way")
        finally:
            self._admission.leave(number)
            self._scopes.pop(number, None)
        return None

    async def _greet(self, stream: Stream, where: str) -> Connection | None:
        try:
            within_s = self._handshake_s
            secure = await accepted(stream, self._contexts(), within_s=within_s)
            frames = FrameStream(secure)
            return await greet_as_acceptor(
                frames, peer_names(secure), self._local_of, within_s=within_s
            )
        except CommError as error:
            kind = error.code if isinstance(error, Refused) else type(error).__name__
            self._tell(where, kind, str(error))
        except Exception as error:
            self._tell(where, "failed", f"the handshake failed: {error!r}")
        return None

    def _tell(self, where: str, kind: str, text: str) -> None:
        now = trio.current_time()
        line = self._reports.passed(f"{host(where)} {kind}", f"{where}: {text}", now)
        if line is not None:
            line = self._all_reports.passed(ALL, line, now)
        if line is not None:
            self._report(line)


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


def host(where: str) -> str:
    """An origin without its port."""
    return where.rpartition(":")[0]
