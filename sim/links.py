"""The links of one process: who is connected, who is dialed again, as samebox.io.links does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from comm import Ack, Backoff, LogBase, Range, Want, replaces
from samebox.outgoing import Outgoing
from sim.network import Side
from sim.talk import Talk
from sim.world import SECOND

if TYPE_CHECKING:
    from sim.shell import Shell

OPERATIONS, BLOBS = "operations", "blobs"


class Standing(Struct):
    link: int
    dialer: str
    talk: Talk


class Links:
    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.standings: dict[str, Standing] = {}
        self.waiting: dict[Talk, None] = {}
        self._outgoing: dict[int, tuple[Outgoing, Talk]] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._until_down: dict[str, None] = {}
        self._next = 0

    def begin(self) -> None:
        self.shell.host.network.listen(self.shell.name, self._accept)
        for peer in self.shell.store.place.members:
            if peer != self.shell.node:
                self._backoffs[peer] = Backoff(self.shell.world.random.random)
                self._dial(peer)

    def connected(self) -> list[str]:
        return list(self.standings)

    # --- Connections -----------------------------------------------------------------------------

    def _accept(self, side: Side) -> None:
        Talk(self.shell, side, expected=None)

    def _dial(self, peer: str) -> None:
        if peer in self.standings:
            self._until_down[peer] = None
            return

        def connected(side: Side) -> None:
            if self.shell.is_alive:
                Talk(self.shell, side, expected=peer, ended=lambda: self._dial_again(peer))
            else:
                side.close()

        def failed(reason: str) -> None:
            self.shell.now(lambda: self._dial_again(peer))

        self.shell.host.network.dial(self.shell.name, peer, connected, failed)

    def _dial_again(self, peer: str) -> None:
        delay_us = int(self._backoffs[peer].next_s() * SECOND)
        self.shell.later(delay_us, lambda: self._dial(peer))

    # --- Links -----------------------------------------------------------------------------------

    def greeted(self, talk: Talk) -> None:
        """A handshake that this node began was completed."""
        if talk.dialer == self.shell.node:
            self._backoffs[talk.peer].reset()

    def takes(self, talk: Talk) -> bool:
        standing = self.standings.get(talk.peer)
        if standing is None:
            return True
        return replaces(
            self.shell.node, talk.peer, old=standing.talk.established, new=talk.established
        )

    def up(self, talk: Talk) -> int:
        """The number of the new link; it takes the place of an older one with the same peer."""
        self._next += 1
        link = self._next
        older = self.standings.get(talk.peer)
        self.standings[talk.peer] = Standing(link, talk.dialer, talk)
        self._outgoing[link] = (Outgoing(), talk)
        if older is not None:
            older.talk.end("a newer connection took over")
        self.shell.pulls.up(talk.peer)
        return link

    def down(self, talk: Talk, link: int) -> None:
        del self._outgoing[link]
        standing = self.standings.get(talk.peer)
        if standing is not None and standing.link == link:
            del self.standings[talk.peer]
            self.shell.pulls.down(talk.peer)
            if talk.peer in self._until_down:
                del self._until_down[talk.peer]
                self._dial(talk.peer)

    def outgoing(self, link: int) -> Outgoing:
        return self._outgoing[link][0]

    def put(self, link: int, message: Ack | Want | LogBase | Range) -> None:
        found = self._outgoing.get(link)
        if found is not None:
            found[0].put(message)
            found[1].send_on()

    def have_room(self) -> None:
        """The core took work: who waited to bring more may try."""
        waiting, self.waiting = self.waiting, {}
        for talk in waiting:
            talk.read_on()
