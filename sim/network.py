"""A network between machines: connections that keep their bytes in order, and nothing else.

A path leads one way between two machines. While it is cut, bytes sent on it are held, as a
sender's system does that repeats them: either they come when the path works again, or the
connection is given up first. A connection ends at its two ends at different times, and what was
under way may arrive in part, or long after the other end was given up and a new connection made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from sim.world import MILLISECOND, SECOND, World

CONNECT_US = 10 * SECOND
"""Until a dialer gives up on a machine that does not answer."""
CONNECTIONS_KEPT = 64
"""Ended ones are forgotten beyond so many."""


class Path:
    """`held` are the pipes whose next bytes wait because the path is cut."""

    def __init__(self, source: str, target: str) -> None:
        self.source = source
        self.target = target
        self.is_cut = False
        self.held: list[Callable[[], None]] = []
        self.be_usual()

    def be_usual(self) -> None:
        self.latency_us = 200
        self.jitter_us = 300
        self.is_dribbling = False
        self.ns_per_byte = 0


class Side:
    """One end of a connection. Its owner sets what happens when bytes come, when there is room
    to send again, and when the connection is lost; after `close` none of it happens any more."""

    def __init__(
        self, path: Path, world: World, buffer_bytes: int, is_off: dict[str, None]
    ) -> None:
        self.owner = path.source
        self.peer = path.target
        self.receive: Callable[[bytes], None] = lambda data: None
        self.has_come: Callable[[], None] = lambda: None
        self.lost: Callable[[str], None] = lambda reason: None
        self.room: Callable[[], None] = lambda: None
        self.is_open = True
        self.is_reading = True
        self.other: Side
        self._world = world
        self._path = path
        self._buffer_bytes = buffer_bytes
        self._is_off = is_off
        self._flight: deque[bytes | None] = deque()
        self._unread: deque[bytes | None] = deque()
        self._outstanding = 0
        self._arrival = 0
        self._is_handing = False

    # --- sending -------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        return self._outstanding < self._buffer_bytes

    def send(self, data: bytes) -> None:
        if not self.is_open:
            return
        if self._path.is_dribbling and len(data) > 1:
            for piece in self._dribbled(data):
                self._put(piece)
        else:
            self._put(data)

    def close(self) -> None:
        """The other end learns of it when all that was sent has come, and the path lets it."""
        if self.is_open:
            self.is_open = False
            self._put(None)

    def vanish(self) -> None:
        """The machine is gone: the other end learns nothing."""
        self.is_open = False

    def reset(self) -> None:
        """Part of what is under way arrives, and then no more."""
        kept = self._world.random.randrange(len(self._flight) + 1)
        for place, piece in enumerate(list(self._flight)):
            if place == kept and piece:
                self._flight[place] = piece[: self._world.random.randrange(len(piece) + 1)]
            elif place > kept:
                self._flight[place] = b""
        self._put(None)

    def _dribbled(self, data: bytes) -> list[bytes]:
        """A byte, and again one, and the rest in a few pieces: what comes is seldom whole."""
        cuts = sorted(self._world.random.randrange(1, len(data)) for _ in range(3))
        ends = [1, min(2, len(data)), *cuts, len(data)]
        pieces, start = [], 0
        for end in ends:
            if end > start:
                pieces.append(data[start:end])
                start = end
        return pieces

    def _put(self, piece: bytes | None) -> None:
        world, path = self._world, self._path
        self._flight.append(piece)
        if piece:
            self._outstanding += len(piece)
        arrival = world.now + path.latency_us + world.below(path.jitter_us + 1)
        if arrival > self._arrival:
            self._arrival = arrival
        if path.ns_per_byte and piece:
            self._arrival += len(piece) * path.ns_per_byte // 1000
        world.later(self._arrival - world.now, self._arrive)

    def _arrive(self) -> None:
        if self._path.is_cut:
            self._path.held.append(self._arrive)
            return
        self.other._come(self._flight.popleft())

    # --- receiving -----------------------------------------------------------------------------

    def _come(self, piece: bytes | None) -> None:
        if not self.is_open:
            if piece and self.owner not in self._is_off:
                self._world.later(self._path.latency_us, lambda: self.other.give_up("reset"))
            return
        self.has_come()
        self._unread.append(piece)
        self.read_on()

    def read_on(self) -> None:
        """Hand over what came, as long as the owner reads. What it takes may call this again: then
        the loop that handed it over goes on."""
        if not self._is_handing:
            self._is_handing = True
            try:
                self._hand_over()
            finally:
                self._is_handing = False

    def _hand_over(self) -> None:
        while self._unread and self.is_reading and self.is_open:
            piece = self._unread.popleft()
            if piece is None:
                self.is_open = False
                self.lost("the peer closed the connection")
                return
            self.other._taken(len(piece))
            self.receive(piece)

    def _taken(self, count: int) -> None:
        was_full = self._outstanding >= self._buffer_bytes
        self._outstanding -= count
        if was_full and self.has_room and self.is_open:
            self.room()

    def give_up(self, reason: str) -> None:
        """This end is told that the connection is gone."""
        if self.is_open:
            self.is_open = False
            self.lost(reason)


class Network:
    """Machines by name; `listen` tells where to dial them, `is_off` holds those without power,
    `nodes` gives the node that the certificate on a machine names."""

    def __init__(self, world: World, names: Sequence[str], *, buffer_bytes: int) -> None:
        self.world = world
        self.names = tuple(names)
        self.paths = {(a, b): Path(a, b) for a in names for b in names if a != b}
        self.nodes = {name: name for name in names}
        self.connections: list[tuple[Side, Side]] = []
        self.is_off: dict[str, None] = {}
        self._buffer_bytes = buffer_bytes
        self._listeners: dict[str, Callable[[Side], None]] = {}

    def add_machine(self, name: str, node: str) -> None:
        """One more, with the certificate of `node`."""
        self.nodes[name] = node
        for other in self.names:
            if other != node:
                self.paths[name, other] = Path(name, other)
                self.paths[other, name] = Path(other, name)

    def listen(self, name: str, accept: Callable[[Side], None]) -> None:
        self._listeners[name] = accept

    def unlisten(self, name: str) -> None:
        self._listeners.pop(name, None)

    def dial(
        self,
        source: str,
        target: str,
        connected: Callable[[Side], None],
        failed: Callable[[str], None],
    ) -> None:
        """One of the two is called, some time later."""
        there, back = self.paths[source, target], self.paths[target, source]

        def arrive() -> None:
            if there.is_cut or back.is_cut:
                self.world.later(CONNECT_US, lambda: failed("no answer"))
            elif target not in self._listeners:
                failed("refused")
            else:
                self._connect(there, back, connected)

        self.world.later(there.latency_us + back.latency_us, arrive)

    def _connect(self, there: Path, back: Path, connected: Callable[[Side], None]) -> None:
        one = Side(there, self.world, self._buffer_bytes, self.is_off)
        other = Side(back, self.world, self._buffer_bytes, self.is_off)
        one.other, other.other = other, one
        self.connections.append((one, other))
        if len(self.connections) > CONNECTIONS_KEPT:
            self.connections = self.open_connections()
        self._listeners[there.target](other)
        connected(one)

    def open_connections(self) -> list[tuple[Side, Side]]:
        return [pair for pair in self.connections if pair[0].is_open or pair[1].is_open]

    def sides_of(self, name: str) -> list[Side]:
        return [side for pair in self.connections for side in pair if side.owner == name]

    def break_connection(self, pair: tuple[Side, Side]) -> None:
        """Both ends learn of it, each in its own time; of what was under way a part arrives."""
        for side in pair:
            if side.is_open:
                side.reset()
                delay = self.world.between(0, 400 * MILLISECOND)
                self.world.later(delay, lambda side=side: side.give_up("reset"))  # type: ignore[misc]

    def cut(self, source: str, target: str) -> None:
        self.paths[source, target].is_cut = True

    def mend(self, source: str, target: str) -> None:
        path = self.paths[source, target]
        if path.is_cut:
            path.is_cut = False
            held, path.held = path.held, []
            for arrive in held:
                self.world.later(self.world.random.randrange(50 * MILLISECOND), arrive)

    def mend_all(self) -> None:
        for source, target in self.paths:
            self.mend(source, target)
