"""The Lamport time of every operation delivered, as runs that grow by one.

An operation's time must be 1 + the greatest in its context. That can be checked on every node in
the same way: the times of its actor's previous operation and of the context entries that grew.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

from crdt import Actor


class Lamports:
    """Memory: 16 bytes for each jump of an actor's time, not for each operation."""

    def __init__(self) -> None:
        self._runs: dict[Actor, tuple[array[int], array[int]]] = {}

    def add(self, actor: Actor, seq: int, lamport: int) -> None:
        """Operations of one actor come in the order of their seqs."""
        runs = self._runs.get(actor)
        if runs is None:
            runs = self._runs[actor] = (array("Q"), array("Q"))
        seqs, times = runs
        if not seqs or times[-1] + (seq - seqs[-1]) != lamport:
            seqs.append(seq)
            times.append(lamport)

    def at(self, actor: Actor, seq: int) -> int:
        seqs, times = self._runs[actor]
        run = bisect_right(seqs, seq) - 1
        return times[run] + (seq - seqs[run])

    def forget_after(self, actor: Actor, seq: int) -> None:
        """Back to the value that held after operation `seq` of `actor`."""
        seqs, times = self._runs.get(actor, (array("Q"), array("Q")))
        keep = bisect_right(seqs, seq)
        del seqs[keep:], times[keep:]
