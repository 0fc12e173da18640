"""The last records appended, kept in memory: what peers are sent is nearly always among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from crdt import Record

RECORD_OVERHEAD_BYTES = 300
"""Memory of a record beside its data, about: tuple, chain, seq and two places in a deque."""


class Recent:
    """At most `bytes_max` of records; per actor they are consecutive."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._order: deque[deque[Record]] = deque()
        self._actors: dict[bytes, deque[Record]] = {}

    def add(self, records: Sequence[Record]) -> None:
        """In the order of the log; a record that does not follow its actor's last is left out."""
        for record in records:
            line = self._actors.get(record[0])
            if line is None:
                line = self._actors[record[0]] = deque()
            if line and line[-1][1] + 1 != record[1]:
                continue
            line.append(record)
            self._order.append(line)
            self._bytes += len(record[3]) + RECORD_OVERHEAD_BYTES
        while self._bytes > self._bytes_max:
            self._bytes -= len(self._order.popleft().popleft()[3]) + RECORD_OVERHEAD_BYTES

    def clear(self) -> None:
        self._order.clear()
        self._actors.clear()
        self._bytes = 0

    def run(self, actor: bytes, first: int, last: int) -> Sequence[Record]:
        """The records `first` to `last` at most, from `first` on; empty where that is not here."""
        line = self._actors.get(actor)
        if not line or first < line[0].seq:
            return ()
        start = first - line[0].seq
        return tuple(islice(line, start, start + last - first + 1))
