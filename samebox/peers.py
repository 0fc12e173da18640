"""The other members as this node knows them, and what goes to them next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from comm import MISSING_MAX, Ack, Progress, Range, Want
from crdt import Actor, Dot
from samebox.confirmations import Holding
from samebox.events import LinkUp


class Link(Struct):
    """One conversation that is up. `told` is the clock that the peer was last told of."""

    peer: str
    progress: Progress
    told: dict[Actor, int] = {}
    told_missing: tuple[Dot, ...] = ()


class Peers:
    def __init__(self, node: str, members: Sequence[str]) -> None:
        self._holdings = {name: Holding(name, {}) for name in members if name != node}
        self._links: dict[int, Link] = {}
        self._turn = 0

    @property
    def links(self) -> Mapping[int, Link]:
        return self._links

    @property
    def holdings(self) -> list[Holding]:
        return list(self._holdings.values())

    def up(self, event: LinkUp, own: Actor | None) -> None:
        progress = Progress([] if own is None else [own], event.clock)
        for dot in event.forked:
            progress.exclude(dot.actor)
        self._links[event.link] = Link(event.peer, progress)
        holding = self._holdings[event.peer]
        holding.clock = dict(event.clock)
        holding.missing, holding.more = event.missing, event.more_missing

    def down(self, link: int) -> None:
        self._links.pop(link, None)

    def acknowledged(self, link: int, ack: Ack) -> None:
        if link not in self._links:
            return
        self._links[link].progress.acknowledged(ack.clock)
        holding = self._holdings[self._links[link].peer]
        for actor, seq in ack.clock:
            holding.clock[actor] = max(seq, holding.clock.get(actor, 0))
        holding.missing = tuple(Dot(*dot) for dot in ack.missing)
        holding.more = ack.more_missing

    def own(self, actor: Actor) -> None:
        """Operations of `actor` are this node's: they are sent at once."""
        for link in self._links.values():
            link.progress.send_eagerly(actor)

    def wanted(self, link: int, want: Want) -> None:
        if link in self._links:
            self._links[link].progress.wanted(want.actor, want.first, want.last)

    def sent(self, link: int, span: Range, length: int) -> None:
        if link in self._links:
            self._links[link].progress.sent_bytes(span, length)

    def ranges(self, clock: Mapping[Actor, int], *, forward: bool) -> Iterator[tuple[int, Range]]:
        """What every peer lacks of `clock`, as far as its window reaches."""
        for number, link in self._links.items():
            for span in link.progress.next_ranges(clock, forward=forward):
                yield number, span

    def acks(self, clock: Mapping[Actor, int], missing: Sequence[Dot]) -> Iterator[tuple[int, Ack]]:
        """What is durable here, to every peer that was not told of it yet."""
        listed = tuple(missing[:MISSING_MAX])
        for number, link in self._links.items():
            news = [(a, seq) for a, seq in clock.items() if seq > link.told.get(a, 0)]
            if news or listed != link.told_missing:
                link.told.update(news)
                link.told_missing = listed
                yield number, Ack(news, list(listed), len(missing) > MISSING_MAX)

    def asks(self, wants: Sequence[Want]) -> Iterator[tuple[int, Want]]:
        """Each want to one peer that has what is wanted, to another one at every turn."""
        self._turn += 1
        for want in wants:
            able = [
                number
                for number, link in self._links.items()
                if self._holdings[link.peer].clock.get(want.actor, 0) >= want.first
            ]
            if able:
                yield able[self._turn % len(able)], want
