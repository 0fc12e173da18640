"""How the links of a shard stand: what `status` says of them, and whom a connection replaces."""

from __future__ import annotations

from collections.abc import Mapping

import trio
from msgspec import Struct, field

from comm import Established, replaces
from comm.io import Connection
from crdt import Clock
from samebox.peers import Peers
from samebox.status import PeerStatus

RECORD_BYTES_GUESS = 100
"""Of an operation, where its bytes are only estimated."""


class Standing(Struct):
    """One peer: the present connection if there is one, or since when and why there is none."""

    name: str
    since: float
    reason_down: str = "not connected yet"
    link: int | None = None
    connection: Connection | None = None
    scope: trio.CancelScope | None = None
    behind_since: float | None = None
    come: trio.Event = field(default_factory=trio.Event)
    gone: trio.Event = field(default_factory=trio.Event)


class Standings:
    def __init__(self, node: str, members: tuple[str, ...]) -> None:
        now = trio.current_time()
        self._node = node
        self._peers = {name: Standing(name, now) for name in members if name != node}

    def __getitem__(self, peer: str) -> Standing:
        return self._peers[peer]

    def takes(self, new: Connection) -> bool:
        """Whether a new connection replaces what there is; see comm.replaces."""
        old = self._peers[new.peer].connection
        if old is None:
            return True
        return replaces(self._node, new.peer, old=_established(old), new=_established(new))

    def up(self, connection: Connection, link: int, scope: trio.CancelScope) -> None:
        standing = self._peers[connection.peer]
        if standing.scope is not None:
            standing.scope.cancel()
        standing.link, standing.connection, standing.scope = link, connection, scope
        standing.since, standing.reason_down = trio.current_time(), ""
        standing.come.set()
        standing.gone.set()  # of the connection that this one replaces: who waits looks again
        standing.gone = trio.Event()

    def down(self, peer: str, link: int, reason: str) -> None:
        standing = self._peers[peer]
        if standing.link == link:
            standing.link = standing.connection = standing.scope = None
            standing.since, standing.reason_down = trio.current_time(), reason
            standing.come = trio.Event()
            standing.gone.set()

    def failed(self, peer: str, reason: str) -> bool:
        """An attempt to connect came to nothing; whether that is news."""
        standing = self._peers[peer]
        if standing.link is not None or standing.reason_down == reason:
            return False
        standing.reason_down = reason
        return True

    async def until_up(self, peer: str) -> None:
        """Until there is a connection with `peer`."""
        while self._peers[peer].link is None:
            await self._peers[peer].come.wait()

    async def until_down(self, peer: str) -> None:
        """Until there is no connection with `peer`."""
        while self._peers[peer].link is not None:
            await self._peers[peer].gone.wait()

    def note_lag(self, peers: Peers, clock: Clock) -> None:
        """To be called from time to time: since when a peer lacks something."""
        for holding in peers.holdings:
            standing = self._peers[holding.node]
            if _lacks(holding.clock, clock) == 0:
                standing.behind_since = None
            elif standing.behind_since is None:
                standing.behind_since = trio.current_time()

    def status(self, peers: Peers, clock: Clock, average_bytes: int) -> tuple[PeerStatus, ...]:
        self.note_lag(peers, clock)
        return tuple(
            self._status(self._peers[holding.node], holding.clock, clock, average_bytes)
            for holding in peers.holdings
        )

    def _status(
        self, standing: Standing, held: Mapping[bytes, int], clock: Clock, average_bytes: int
    ) -> PeerStatus:
        now = trio.current_time()
        lag = _lacks(held, clock)
        behind = standing.behind_since
        return PeerStatus(
            standing.name,
            standing.link is not None,
            standing.reason_down,
            now - standing.since,
            lag,
            lag * average_bytes,
            0.0 if behind is None else now - behind,
            dict(held),
        )


def _established(connection: Connection) -> Established:
    quiet_s = trio.current_time() - connection.frames.heard_at
    return Established(connection.dialer, connection.theirs.incarnation, quiet_s)


def _lacks(held: Mapping[bytes, int], clock: Clock) -> int:
    return sum(max(0, seq - held.get(actor, 0)) for actor, seq in clock.items())
