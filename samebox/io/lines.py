"""Lines between nodes of one machine, which can be cut: every connection goes through here.

For trying out what happens when a network fails. A line is a listening port on loopback for each
direction; while it is whole, what comes in is forwarded to the node at its end. Cutting ends its
connections, and new ones are closed at once. In bad weather they go on, slow, damaged or dumb.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self

import trio
from msgspec import Struct

LOOPBACK = "127.0.0.1"
STOP_WAIT_S = 10.0


class Weather(Struct, frozen=True):
    """What a line does to the bytes that come through it, either way.

    delay_s      each piece, so that several seconds' worth may be on the way
    piece_bytes  at most so many at a time; with a delay, that is a slow line
    flips_every  in every so-manieth piece, one bit is another one; 0 is none
    is_dumb      what comes is taken and dropped, as by a peer whose machine is gone (half-open)
    """

    delay_s: float = 0.0
    piece_bytes: int = 64 << 10
    flips_every: int = 0
    is_dumb: bool = False


FAIR = Weather()


class Line:
    """One direction: whoever connects to `port` reaches `target`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.is_cut = False
        self.weather = FAIR
        self._pieces = 0
        self._connections: set[trio.CancelScope] = set()

    def cut(self) -> None:
        self.is_cut = True
        for scope in self._connections:
            scope.cancel()

    async def serve(self, dialed: trio.SocketStream) -> None:
        """Forward one connection, until either end closes it or the line is cut."""
        if self.is_cut:
            return
        with trio.CancelScope() as scope:
            self._connections.add(scope)
            try:
                target = await trio.open_tcp_stream(LOOPBACK, self.target)
                async with target, trio.open_nursery() as both:
                    both.start_soon(self._forward, dialed, target, both.cancel_scope)
                    both.start_soon(self._forward, target, dialed, both.cancel_scope)
            except OSError:
                pass  # nobody listens there: the dialer finds its connection closed
            finally:
                self._connections.discard(scope)

    async def _forward(
        self, source: trio.SocketStream, target: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(self.weather.piece_bytes):
                if self.weather.delay_s:
                    await trio.sleep(self.weather.delay_s)
                if not self.weather.is_dumb:
                    await target.send_all(self._through(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        both.cancel()

    def _through(self, data: bytes | bytearray) -> bytes | bytearray:
        self._pieces += 1
        every = self.weather.flips_every
        if not every or self._pieces % every:
            return data
        damaged = bytearray(data)
        damaged[self._pieces % len(data)] ^= 1 << self._pieces % 8
        return damaged


class Lines:
    """A line from every node to every other, in a thread of its own until the block is left."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        """`ports` are those at which the nodes listen on loopback."""
        self._lines = {
            (one, other): Line(port)
            for one in ports
            for other, port in ports.items()
            if one != other
        }
        self._ready = threading.Event()
        self._stop = trio.CancelScope()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        self._raise_failure()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            self._token.run_sync_soon(self._stop.cancel)
            self._thread.join(STOP_WAIT_S)
        self._raise_failure()

    def port(self, one: str, other: str) -> int:
        """At which `one` reaches `other`."""
        return self._lines[one, other].port

    def cut(self, one: str, other: str) -> None:
        """Both directions; what is under way ends, and nothing new begins."""
        for pair in ((one, other), (other, one)):
            trio.from_thread.run_sync(self._lines[pair].cut, trio_token=self._token)

    def heal(self, one: str, other: str) -> None:
        for pair in ((one, other), (other, one)):
            self._lines[pair].is_cut = False
            self._lines[pair].weather = FAIR

    def set_weather(self, one: str, other: str, weather: Weather) -> None:
        """Of the connections that `one` opens to `other`, now and later; `heal` ends it."""
        self._lines[one, other].weather = weather

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:
            self._failed = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._stop:
            async with trio.open_nursery() as nursery:
                for line in self._lines.values():
                    start = partial(trio.serve_tcp, line.serve, 0, host=LOOPBACK)
                    listeners = await nursery.start(start)
                    line.port = listeners[0].socket.getsockname()[1]
                self._ready.set()

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed
