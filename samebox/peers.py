"""The other members as this node knows them, and what goes to them next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from comm import ACK_ENTRIES_MAX, WINDOW_RECORDS, Ack, LogBase, Progress, Range, Want
from crdt import Actor, Dot, Record, includes
from samebox.events import LinkUp, PeerLogBegins
from samebox.holding import Holding

UNFIT_MAX = 256
"""Actors of one link for which it is remembered that what came was not fit to be taken: beyond, no
line in the log says so."""


class Link(Struct):
    """One conversation that is up. `untold` is what became durable here and the peer was not told
    of; it was told of the blobs missing in `told`. `unfit` says what was wrong with what came;
    of the actors in `shunned`, nothing is taken from it any more. It cannot send what is up to
    `base`, takes nothing that was made without what it has `folded`, and was told of `told_base` as
    what this node cannot send."""

    peer: str
    progress: Progress
    untold: dict[Actor, int]
    told: tuple[tuple[Dot, ...], bool] = ((), False)
    unfit: dict[Actor, str] = {}
    shunned: dict[Actor, None] = {}
    base: Mapping[Actor, int] = {}
    told_base: Mapping[Actor, int] = {}
    folded: Mapping[Actor, int] = {}


class Peers:
    """`base`: see LogBegins. A peer that lacks something up to there is sent nothing: it gets a
    snapshot. `forked` are the actors, all known here, of which a peer that greeted in this life
    has another history. A record that does not join may be spoilt alone: it shows none."""

    def __init__(
        self, node: str, members: Sequence[str], *, window_records: int = WINDOW_RECORDS
    ) -> None:
        self.forked: dict[Actor, None] = {}
        self._holdings = {name: Holding(name) for name in members if name != node}
        self._links: dict[int, Link] = {}
        self._window_records = window_records
        self._turn = 0
        self.strangers: dict[str, None] = {}
        self.base: Mapping[Actor, int] = {}

    @property
    def links(self) -> Mapping[int, Link]:
        return self._links

    @property
    def holdings(self) -> list[Holding]:
        return list(self._holdings.values())

    def up(self, event: LinkUp, own: Actor | None, clock: Mapping[Actor, int]) -> None:
        """Of an actor whose history forked, the peer is sent this node's: that tells it, too."""
        eager = [] if own is None else [own]
        progress = Progress(eager, event.clock, window_records=self._window_records)
        self._links[event.link] = Link(event.peer, progress, dict(clock))
        self.strangers.pop(event.peer, None)
        if not event.same_members:
            self.strangers[event.peer] = None
        holding = self._holdings[event.peer]
        forked = [dot.actor for dot in event.forked]
        holding.lists(event.missing, more=event.more_missing)
        holding.greeted(event.clock.items(), forked, event.doubted)
        self.forked.update(dict.fromkeys(forked))

    def down(self, link: int) -> None:
        self._links.pop(link, None)

    def acknowledged(self, link: int, ack: Ack) -> None:
        known = self._links.get(link)
        if known is None:
            return
        known.progress.acknowledged(ack.clock)
        holding = self._holdings[known.peer]
        holding.learn(ack.clock)
        holding.lists([Dot(*dot) for dot in ack.missing], more=ack.more_missing)

    def holding(self, link: int) -> Holding | None:
        """Of the peer at `link`, while that is up."""
        known = self._links.get(link)
        return None if known is None else self._holdings[known.peer]

    def takes(self, link: int, actor: Actor) -> bool:
        known = self._links.get(link)
        return known is None or actor not in known.shunned

    def unfit(self, link: int, actor: Actor, reason: str) -> bool:
        """What the peer sent of `actor` could not be taken; whether that is news."""
        known = self._links.get(link)
        if known is None or actor in known.unfit or len(known.unfit) >= UNFIT_MAX:
            return False
        known.unfit[actor] = reason
        return True

    def shun(self, link: int, actor: Actor, reason: str) -> None:
        """Take nothing of `actor` from this link any more: others are asked."""
        known = self._links.get(link)
        if known is not None and len(known.shunned) < UNFIT_MAX:
            known.shunned[actor] = None
            self.unfit(link, actor, reason)

    def joined(self, link: int, actor: Actor) -> None:
        """The peer has sent records of `actor` that join this node's history."""
        known = self._links.get(link)
        if known is not None:
            known.unfit.pop(actor, None)
            self._holdings[known.peer].joined(actor)

    def stopped(self) -> dict[Actor, str]:
        """The actors of which a peer has what cannot be taken here, and why."""
        reasons: dict[Actor, str] = {}
        for holding in self._holdings.values():
            text = f"{holding.node} has another history of it"
            reasons.update(dict.fromkeys(holding.forked, text))
        for link in self._links.values():
            reasons.update((actor, f"{link.peer}: {why}") for actor, why in link.unfit.items())
        return reasons

    def learned(self, records: Sequence[Record]) -> None:
        """These are durable here, those of an actor in the order of their seqs."""
        news = {record.actor: record.seq for record in records}
        for link in self._links.values():
            link.untold.update(news)
        for holding in self._holdings.values():
            if holding.doubted:
                chains = {Dot(record.actor, record.seq): record.chain for record in records}
                holding.reached_here(chains)

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

    def ranges(self, clock: Mapping[Actor, int], *, forward: bool) -> list[tuple[int, Range]]:
        """What every peer lacks of `clock`, as far as its window reaches."""
        ranges: list[tuple[int, Range]] = []
        for number, link in self._links.items():
            for span in link.progress.next_ranges(clock, forward=forward, base=self.base):
                ranges.append((number, span))
        return ranges

    def acks(self, missing: tuple[tuple[Dot, ...], bool]) -> list[tuple[int, Ack]]:
        """What is durable here, to every peer that was not told of it yet; of that, the blobs of
        `missing` are not held (see Missing.listed)."""
        acks: list[tuple[int, Ack]] = []
        for number, link in self._links.items():
            if link.untold or missing != link.told:
                news, link.untold = list(link.untold.items()), {}
                link.told = missing
                acks.append((number, Ack(news, list(missing[0]), missing[1])))
        return acks

    def has_in_flight(self, link: int) -> bool:
        """Something was sent that the peer has not acknowledged."""
        return link in self._links and self._links[link].progress.has_in_flight

    def bases(self, folded: Mapping[Actor, int]) -> list[tuple[int, LogBase]]:
        """Where the log begins here, to every peer that was not told of it yet."""
        bases: list[tuple[int, LogBase]] = []
        for number, link in self._links.items():
            if link.told_base is not self.base and (link.told_base or self.base):
                link.told_base = self.base
                bases.append((number, LogBase(_entries(self.base), _entries(folded))))
        return bases

    def begins(self, event: PeerLogBegins) -> None:
        if event.link in self._links:
            link = self._links[event.link]
            link.base, link.folded = event.base, event.folded

    def takes_writes_on(self, clock: Mapping[Actor, int]) -> bool:
        """Whether all peers take what is written on top of `clock`."""
        for link in self._links.values():
            if link.folded:
                if not includes(clock, link.folded):
                    return False
                link.folded = {}
        return True

    def out_of_reach(self, clock: Mapping[Actor, int]) -> list[str]:
        """The peers whose snapshot is needed to get on: their log begins behind what is missing
        here, and no other one can send all of that."""
        behind = [link for link in self._links.values() if not includes(clock, link.base)]
        others = [link for link in self._links.values() if includes(clock, link.base)]
        return [
            link.peer
            for link in behind
            if not any(includes(self._holdings[one.peer].clock, link.base) for one in others)
        ]

    def asks(self, wants: Sequence[Want]) -> Iterator[tuple[int, Want]]:
        """Each want to one peer that has what is wanted, to another one at every turn."""
        self._turn += 1
        for want in wants:
            able = [
                number
                for number, link in self._links.items()
                if want.actor not in link.shunned
                and self._holdings[link.peer].says(want.actor) >= want.first
            ]
            if able:
                yield able[self._turn % len(able)], want


def _entries(clock: Mapping[Actor, int]) -> list[tuple[Actor, int]]:
    return list(clock.items())[:ACK_ENTRIES_MAX]
