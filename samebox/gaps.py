"""Ranges of keys in which an image is known to have no row.

Most keys that are looked for in vain are new ones: the next request of a client, the next entry of
an actor. The first search finds the row behind such a key, and so all that lies between is answered
without another one.
"""

from __future__ import annotations

from bisect import bisect_right

GAPS_MAX = 256
"""Of one table; one for each client that is at work, say. Those who come later begin anew."""


class Gaps:
    def __init__(self) -> None:
        self._starts: list[bytes] = []
        self._stops: list[bytes] = []

    def add(self, start: bytes, stop: bytes) -> None:
        """There is no row with start <= key < stop."""
        if len(self._starts) >= GAPS_MAX:
            self.clear()
        place = bisect_right(self._starts, start)
        self._starts.insert(place, start)
        self._stops.insert(place, stop)

    def cover(self, start: bytes, stop: bytes) -> bool:
        """Whether one gap holds all keys from `start` to `stop`."""
        place = bisect_right(self._starts, start)
        return place > 0 and self._stops[place - 1] >= stop

    def holds(self, key: bytes) -> bool:
        place = bisect_right(self._starts, key)
        return place > 0 and self._stops[place - 1] > key

    def clear(self) -> None:
        self._starts.clear()
        self._stops.clear()
