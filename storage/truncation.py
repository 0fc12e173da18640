"""Which segments at the beginning of a log may go.

A segment may go where the snapshots that are kept all stand for its records, and every member of
the shard has them: then nobody will ask for them. Where a member stays silent, a log of more than
`bytes_max` does not wait for it: what a *quorum* holds may go as well, and the silent member gets
a snapshot when it returns.

A quorum is more than half of the members, or the half with the least name among them. Any two
quorums have a member in common; so of two members that lack what the other one has, never have
both let it go (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from storage.coverage import Coverage
from storage.segment import Segment, State

Clock = Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class LogPart:
    """One segment; `lasts` are the last seqs that lie in it. The tail never goes."""

    number: int
    bytes: int
    lasts: Clock
    is_tail: bool


def parts_of(
    segments: Sequence[Segment], coverage: Coverage, bytes_of: Callable[[Segment], int]
) -> list[LogPart]:
    return [
        LogPart(one.number, bytes_of(one), coverage.lasts(one.number), one.state is State.TAIL)
        for one in segments
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`covered` is what every snapshot that counts stands for, `by_all` what all members hold
    durably, `by_quorum` what a quorum does."""

    covered: Clock
    by_all: Clock
    by_quorum: Clock
    bytes_max: int


def removable(parts: Sequence[LogPart], bounds: Bounds) -> int:
    """How many of the first ones may go; the last one always stays, for it names all actors."""
    left = sum(part.bytes for part in parts)
    for count, part in enumerate(parts[:-1]):
        held = bounds.by_quorum if left > bounds.bytes_max else bounds.by_all
        may_go = within(part.lasts, bounds.covered) and (
            within(part.lasts, bounds.by_all) or within(part.lasts, held)
        )
        if part.is_tail or not may_go:
            return count
        left -= part.bytes
    return max(0, len(parts) - 1)


def within(lasts: Clock, clock: Clock) -> bool:
    return all(seq <= clock.get(actor, 0) for actor, seq in lasts.items())
