"""What one member holds durably, and who waits for it to hold more.

A wait that a member does not fulfil is kept at one thing that the member lacks for it, and looked
at again when the member has that: an acknowledgement costs what it fulfils, however many wait.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from comm import ACTORS_MAX
from crdt import Actor, Dot, covers
from samebox.events import Doubt, Receipt

TOKEN_END = 1 << 63
"""Above every token of a caller."""


class Behind(NamedTuple):
    """The member does not hold operation `seq` of `actor`."""

    actor: Actor
    seq: int


class Without(NamedTuple):
    """The member holds the operation, and not its blob."""

    dot: Dot


class Unclear(NamedTuple):
    """The member lacks more blobs than it lists, or may have another history."""


Lack: TypeAlias = Behind | Without | Unclear


class Holding:
    """The operations in `clock`, and the blobs of all of them but those in `missing`. With `more`,
    the list was cut: nothing is counted. Of the actors in `forked`, whose entries are kept there,
    it has another history: it holds nothing of them that this node means. Of the actors that are
    `doubted` it may have another one: it counts as holding none of it. `claims` counts the doubts
    that made this node a new actor, and were not dispelled."""

    def __init__(self, node: str, clock: Iterable[tuple[Actor, int]] = ()) -> None:
        self.node = node
        self.clock: dict[Actor, int] = dict(clock)
        self.missing: dict[Dot, bytes] | dict[Dot, None] = {}
        self.more = False
        self.forked: dict[Actor, int] = {}
        self.doubted: dict[Actor, Doubt] = {}
        self.claims = 0
        self._lacking: dict[int, Lack] = {}
        self._behind: dict[Actor, list[tuple[int, int]]] = {}
        self._without: dict[Dot, dict[int, None]] = {}
        self._unclear: dict[int, None] = {}
        self.awake: list[int] = []

    # --- What the member says ------------------------------------------------------------------

    def greeted(
        self,
        clock: Iterable[tuple[Actor, int]],
        forked: Iterable[Actor],
        doubted: Iterable[Doubt],
    ) -> None:
        """A new conversation: what was known of the member before is forgotten."""
        self.clock, self.forked = {}, dict.fromkeys(forked, 0)
        self.doubted = {doubt.actor: doubt for doubt in doubted}
        self._wake_unclear()
        self.learn(clock)

    def learn(self, entries: Iterable[tuple[Actor, int]]) -> None:
        """What the member says it holds, as far as it can be remembered."""
        for actor, seq in entries:
            if actor in self.forked:
                self.forked[actor] = max(seq, self.forked[actor])
            elif actor in self.clock or len(self.clock) < ACTORS_MAX:
                self.reached(actor, seq)

    def reached(self, actor: Actor, seq: int) -> None:
        if seq > self.clock.get(actor, 0):
            self.clock[actor] = seq
            waiting = self._behind.get(actor)
            if waiting is not None:
                self._wake_behind(actor, waiting, seq)

    def lists(self, missing: Collection[Dot], *, more: bool) -> None:
        """These blobs it lacks now, and no others unless there are `more`."""
        if not (missing or more or self.missing or self.more):  # mostly: it is as it was
            return
        self.more = more
        self.follow(dict.fromkeys(missing))
        if not more:
            self._wake_unclear()

    def follow(self, missing: dict[Dot, bytes] | dict[Dot, None]) -> None:
        """These blobs it lacks from now on. Whoever takes one out calls `has_blob_of`."""
        self.missing = missing
        for dot in [dot for dot in self._without if dot not in missing]:
            self.has_blob_of(dot)

    def has_blob_of(self, dot: Dot) -> None:
        self._wake(self._without.pop(dot, ()))

    def fork(self, actor: Actor) -> None:
        if actor not in self.forked and len(self.forked) < ACTORS_MAX:
            self.forked[actor] = self.clock.pop(actor, 0)

    def says(self, actor: Actor) -> int:
        """How far it says it is with `actor`, in whichever history."""
        return self.clock.get(actor, 0) or self.forked.get(actor, 0)

    def joined(self, actor: Actor) -> None:
        """It has sent records of `actor` that join the history which is here."""
        seq = self.forked.pop(actor, 0)
        if seq:
            self.learn([(actor, seq)])

    def doubt(self, doubt: Doubt) -> None:
        self.doubted.setdefault(doubt.actor, doubt)

    def reached_here(self, chains: Mapping[Dot, bytes]) -> None:
        """A doubt ends where this node reaches the same record as the member."""
        for actor, seq, chain in list(self.doubted.values()):
            if chains.get(Dot(actor, seq)) == chain:
                del self.doubted[actor]
                self.claims = max(0, self.claims - 1)
                self._wake_unclear()

    # --- Who waits for it ----------------------------------------------------------------------

    def lacks(self, receipt: Receipt, dots: tuple[Dot, ...]) -> Lack | None:
        """The first thing that it lacks of all that `receipt` names, and of the blobs of `dots`
        (of all, if none: then the last, as the first to be missing are the first to come)."""
        clock = self.clock
        for actor, seq in receipt.clock.items():
            if clock.get(actor, 0) < seq:
                return Behind(actor, seq)
        if self.more or (self.doubted and any(actor in receipt.clock for actor in self.doubted)):
            return Unclear()
        if not self.missing:
            return None
        if dots:
            found = next((dot for dot in dots if dot in self.missing), None)
        else:
            found = next(
                (dot for dot in reversed(self.missing) if covers(receipt.clock, dot)), None
            )
        return None if found is None else Without(found)

    def counts_by_clock(self, actor: Actor) -> bool:
        """Whether it lacks nothing of `actor` but what its clock does not reach."""
        return not (self.missing or self.more or actor in self.doubted)

    def keep(self, token: int, lack: Lack) -> None:
        """Wake `token` once the member does not lack that any more."""
        if token in self._lacking:
            return
        self._lacking[token] = lack
        if isinstance(lack, Behind):  # mostly
            insort(self._behind.setdefault(lack.actor, []), (lack.seq, token))
        elif isinstance(lack, Without):
            self._without.setdefault(lack.dot, {})[token] = None
        else:
            self._unclear[token] = None

    def forget(self, token: int) -> None:
        lack = self._lacking.pop(token, None)
        if lack is None:
            return
        match lack:
            case Behind(actor, seq):
                waiting = self._behind[actor]
                del waiting[bisect_left(waiting, (seq, token))]
                if not waiting:
                    del self._behind[actor]
            case Without(dot):
                del self._without[dot][token]
                if not self._without[dot]:
                    del self._without[dot]
            case Unclear():
                del self._unclear[token]

    def woken(self) -> list[int]:
        """The tokens whose lack has ended since the last call."""
        awake, self.awake = self.awake, []
        return awake

    def _wake_behind(self, actor: Actor, waiting: list[tuple[int, int]], seq: int) -> None:
        count = bisect_right(waiting, (seq, TOKEN_END))
        self._wake([token for _, token in waiting[:count]])
        del waiting[:count]
        if not waiting:
            del self._behind[actor]

    def _wake_unclear(self) -> None:
        if self._unclear:
            self._wake(self._unclear)
            self._unclear = {}

    def _wake(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            del self._lacking[token]
            self.awake.append(token)
