"""Ranges of keys in which an image is known to have no row, or none that was not removed since.

Most keys that are looked for in vain are new ones: the next request of a client, the next entry of
an actor. The first search finds the row behind such a key, and so all that lies between is answered
without another one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

GAPS_MAX = 256
"""Of one table; one for each client that is at work, say. Those who come later begin anew."""


class Gaps:
    def __init__(self) -> None:
        self._starts: list[bytes] = []
        self._stops: list[bytes] = []

    def add(self, start: bytes, stop: bytes) -> None:
        """There is no row with start <= key < stop."""
        place = bisect_right(self._starts, start)
        if place and self._stops[place - 1] >= start:
            self._stops[place - 1] = max(self._stops[place - 1], stop)
            return
        if len(self._starts) >= GAPS_MAX:
            self.clear()
            place = 0
        if place < len(self._starts) and self._starts[place] <= stop:
            self._starts[place] = start
            self._stops[place] = max(self._stops[place], stop)
            return
        self._starts.insert(place, start)
        self._stops.insert(place, stop)

    def narrowed(self, start: bytes, stop: bytes) -> tuple[bytes, bytes]:
        """The same range without the gaps in which it begins and ends; start >= stop where one
        gap holds it all."""
        if not self._starts:
            return start, stop
        place = bisect_right(self._starts, start)
        if place and self._stops[place - 1] > start:
            start = self._stops[place - 1]
        place = bisect_left(self._starts, stop)
        if place and self._stops[place - 1] >= stop:
            stop = self._starts[place - 1]
        return start, stop

    def holds(self, key: bytes) -> bool:
        place = bisect_right(self._starts, key)
        return place > 0 and self._stops[place - 1] > key

    def clear(self) -> None:
        self._starts.clear()
        self._stops.clear()
