"""Which records the log holds, as spans, and which it should hold and does not."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from crdt import Record


class Missing(NamedTuple):
    """Records `first` to `last` of `actor`, both included."""

    actor: bytes
    first: int
    last: int

    @property
    def text(self) -> str:
        return f"{self.actor.hex()[:8]}:{self.first}-{self.last}"


class Span(NamedTuple):
    """Records `first` to `last` of one actor lie in this order in segment `segment`."""

    first: int
    last: int
    segment: int


class Run(NamedTuple):
    """Consecutive records of one actor, in the order of the log; `chain` is that of the last."""

    actor: bytes
    span: Span
    chain: bytes


def runs_of(records: Sequence[Record], segment: int) -> list[Run]:
    """The runs that `records` consist of, as if they lay in `segment`."""
    if len(records) == 1:
        ((actor, seq, chain, _),) = records
        return [Run(actor, Span(seq, seq, segment), chain)]
    ended: list[Run] = []
    growing: dict[bytes, list[int]] = {}
    chains: dict[bytes, bytes] = {}
    for actor, seq, chain, _ in records:
        run = growing.get(actor)
        if run is not None and run[1] + 1 == seq:
            run[1] = seq
        else:
            if run is not None:
                ended.append(Run(actor, Span(run[0], run[1], segment), chains[actor]))
            growing[actor] = [seq, seq]
        chains[actor] = chain
    ended.extend(
        Run(actor, Span(first, last, segment), chains[actor])
        for actor, (first, last) in growing.items()
    )
    return ended


class Coverage:
    """Per actor the spans held, by first seq; no two of an actor overlap."""

    def __init__(self) -> None:
        self._spans: dict[bytes, list[Span]] = {}

    def add(self, actor: bytes, span: Span) -> None:
        """A span that overlaps nothing held; one that goes on where another ends is joined."""
        spans = self._spans.setdefault(actor, [])
        if spans and spans[-1].last + 1 == span.first and spans[-1].segment == span.segment:
            spans[-1] = Span(spans[-1].first, span.last, span.segment)
        else:
            assert not self.overlaps(actor, span.first, span.last), f"{actor.hex()} {span} is held"
            insort(spans, span)

    def add_missing_part(self, actor: bytes, span: Span) -> bool:
        """Adds whatever of `span` is not held yet; True where that was all of it."""
        gaps = list(self._gaps(actor, span.first, span.last))
        for first, last in gaps:
            self.add(actor, Span(first, last, span.segment))
        return gaps == [(span.first, span.last)]

    def clear(self) -> None:
        self._spans.clear()

    def remove(self, segment: int) -> None:
        """Nothing lies in this segment any more."""
        for actor, spans in list(self._spans.items()):
            left = [span for span in spans if span.segment != segment]
            if left:
                self._spans[actor] = left
            else:
                del self._spans[actor]

    def lasts(self, segment: int) -> dict[bytes, int]:
        """Per actor the last seq that lies in this segment."""
        found: dict[bytes, int] = {}
        for actor, spans in self._spans.items():
            here = [span.last for span in spans if span.segment == segment]
            if here:
                found[actor] = here[-1]
        return found

    def find(self, actor: bytes, seq: int) -> Span | None:
        """The span that holds `seq`."""
        spans = self._spans.get(actor, [])
        at = bisect_right(spans, seq, key=lambda span: span.first) - 1
        return spans[at] if at >= 0 and spans[at].last >= seq else None

    def overlaps(self, actor: bytes, first: int, last: int) -> bool:
        spans = self._spans.get(actor, [])
        at = bisect_right(spans, last, key=lambda span: span.first) - 1
        return at >= 0 and spans[at].last >= first

    def missing(self, start: Mapping[bytes, int], tips: Mapping[bytes, int]) -> tuple[Missing, ...]:
        """What lies after `start` and up to `tips` and is not held, by actor and seq."""
        return tuple(
            Missing(actor, first, last)
            for actor, tip in sorted(tips.items())
            for first, last in self._gaps(actor, start.get(actor, 0) + 1, tip)
        )

    def _gaps(self, actor: bytes, first: int, last: int) -> Iterator[tuple[int, int]]:
        for span in self._spans.get(actor, []):
            if span.last < first:
                continue
            if span.first > last:
                break
            if span.first > first:
                yield first, span.first - 1
            first = span.last + 1
        if first <= last:
            yield first, last
