"""How long to wait before dialing again: exponential, with full jitter.

Before attempt n+1 the wait is drawn evenly from 0 to min(most, least · 2ⁿ): nodes that lost each
other at one instant do not meet again at one instant.
"""

from __future__ import annotations

from collections.abc import Callable

LEAST_S = 0.25
MOST_S = 30.0


class Backoff:
    """`random` gives numbers from 0 up to 1."""

    def __init__(
        self, random: Callable[[], float], *, least_s: float = LEAST_S, most_s: float = MOST_S
    ) -> None:
        self._random = random
        self._least_s = least_s
        self._most_s = most_s
        self._ceiling_s = least_s

    def next_s(self) -> float:
        """The wait after one more failure."""
        wait_s = self._random() * self._ceiling_s
        self._ceiling_s = min(self._ceiling_s * 2, self._most_s)
        return wait_s

    def reset(self) -> None:
        """It worked, for a while at least."""
        self._ceiling_s = self._least_s
