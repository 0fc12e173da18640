"""Who may begin a handshake while many do: a decision over where connections come from.

There is room for a number of handshakes. Where it is full, the oldest one makes room of those from
the address that has most of them: so whoever opens connections without end displaces its own, and
a peer at another address gets through.
"""

from __future__ import annotations

from collections import Counter


class Admission:
    def __init__(self, room: int) -> None:
        self._room = room
        self._origins: dict[int, str] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._origins)

    def enter(self, origin: str) -> tuple[int, int | None]:
        """The number of a handshake that begins now, and that of the one to be ended for it."""
        self._last += 1
        self._origins[self._last] = origin
        if len(self._origins) <= self._room:
            return self._last, None
        most, _ = Counter(self._origins.values()).most_common(1)[0]
        displaced = next(number for number, found in self._origins.items() if found == most)
        self.leave(displaced)
        return self._last, displaced

    def leave(self, number: int) -> None:
        """Over, or displaced."""
        self._origins.pop(number, None)
