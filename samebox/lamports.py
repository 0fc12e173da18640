"""The Lamport time of every operation delivered, as runs that grow by one.

An operation's time must be 1 + the greatest in its context. That can be checked on every node in
the same way: the times of its actor's previous operation and of the context entries that grew.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

from crdt import ACTOR_BYTES, Actor, Rows

LAMPORTS = "lamports"
"""actor, first seq of a run -> its Lamport time."""
RUNS_MAX = 1024
"""Of one actor in memory, the latest: 16 KiB. A context names what happened lately."""
SEQ_BYTES = 8


class Lamports:
    """Rows hold all runs; they are put in the transaction that is open."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._runs: dict[Actor, tuple[array[int], array[int]]] = {}

    def begin(self, actor: Actor, seq: int, lamport: int) -> None:
        """The last operation of `actor` that the rows know of."""
        self._runs[actor] = (array("Q", [seq]), array("Q", [lamport]))

    def add(self, actor: Actor, seq: int, lamport: int, before: int) -> None:
        """Operations of one actor come in the order of their seqs; `before` is the time of the
        previous one."""
        if lamport == before + 1 and seq > 1:
            return
        self._rows.put(LAMPORTS, _key(actor, seq), lamport.to_bytes(SEQ_BYTES, "big"))
        seqs, times = self._runs.setdefault(actor, (array("Q"), array("Q")))
        seqs.append(seq)
        times.append(lamport)
        if len(seqs) > RUNS_MAX:
            del seqs[: RUNS_MAX // 2], times[: RUNS_MAX // 2]

    def at(self, actor: Actor, seq: int) -> int:
        """Of an operation that was delivered."""
        runs = self._runs.get(actor)
        if runs is not None:
            seqs, times = runs
            run = bisect_right(seqs, seq) - 1
            if run >= 0:
                return times[run] + (seq - seqs[run])
        first, stop = _key(actor, 0), _key(actor, seq + 1)
        key, time = next(self._rows.scan(LAMPORTS, first, stop, reverse=True))
        return int.from_bytes(time, "big") + (seq - int.from_bytes(key[ACTOR_BYTES:], "big"))

    def forget_after(self, actor: Actor, seq: int) -> None:
        """Back to the value that held after operation `seq` of `actor`: the rows are back."""
        seqs, times = self._runs.get(actor, (array("Q"), array("Q")))
        keep = bisect_right(seqs, seq)
        del seqs[keep:], times[keep:]


def _key(actor: Actor, seq: int) -> bytes:
    return actor + seq.to_bytes(SEQ_BYTES, "big")
