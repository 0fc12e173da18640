"""What a log stands on: the state that its records go on from, empty or in a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crdt import Record, next_chain
from storage.coverage import Coverage
from storage.index import Tip

Told = Mapping[bytes, tuple[int, bytes]]
"""Per actor (seq, chain) up to which something tells of it."""


@dataclass(slots=True, kw_only=True)
class Ground:
    """Of a log that `is_cut` the first segments are gone; what they held, a snapshot or a state has
    to stand for, for the `tips` before the first segment that is left at least. `start` is what it
    stands for, as far as that is known: up to it no record is missed, held or not. Up to `base` not
    all records can be read any more."""

    is_cut: bool
    tips: Mapping[bytes, Tip]
    start: dict[bytes, int]
    coverage: Coverage
    base: Mapping[bytes, int]

    def chain_at(self, actor: bytes, seq: int) -> bytes | None:
        tip = self.tips.get(actor)
        return tip.chain if tip is not None and tip.seq == seq else None

    def stand_on(self, clock: Mapping[bytes, int]) -> None:
        self.start = dict(clock)
        self._look()

    def moved(self, lasts: Mapping[bytes, int], tips: Mapping[bytes, Tip]) -> None:
        """The first segment went, with records up to `lasts`; before the next one were `tips`."""
        higher = {a: seq for a, seq in lasts.items() if seq > self.start.get(a, 0)}
        self.is_cut, self.start, self.tips = True, {**self.start, **higher}, tips
        self._look()

    def _look(self) -> None:
        gaps = self.coverage.missing({}, self.start) if self.is_cut else ()
        self.base = {actor: last for actor, _, last in gaps}

    def unproven(
        self,
        told: Told,
        tips: Mapping[bytes, Tip],
        chain_at: Callable[[bytes, int], bytes | None],
        read: Callable[[bytes, int], Record],
    ) -> str | None:
        """Why a log with these `tips` does not go on from what is `told`; None where it does."""
        for actor, ground in self.tips.items():
            seq = told[actor][0] if actor in told else 0
            if seq < ground.seq:
                return f"it goes up to {actor.hex()[:8]}:{seq}, the log begins behind {ground.seq}"
        for actor, (seq, chain) in told.items():
            tip, name = tips.get(actor), f"{actor.hex()[:8]}:{seq}"
            if tip is None or tip.seq < seq:
                return f"it goes up to {name}, the log up to {tip.seq if tip else 0}"
            if not self.leads_on(actor, seq, chain, chain_at, read):
                return f"nothing shows that the history up to {name} is that of the log"
        return None

    def leads_on(
        self,
        actor: bytes,
        seq: int,
        chain: bytes,
        chain_at: Callable[[bytes, int], bytes | None],
        read: Callable[[bytes, int], Record],
    ) -> bool | None:
        """Whether the log goes on from there; None where it holds nothing that would tell."""
        known = chain_at(actor, seq)
        if known is not None:
            return known == chain
        if self.coverage.find(actor, seq + 1) is None:
            return None
        after = read(actor, seq + 1)
        return next_chain(chain, after.data) == after.chain
