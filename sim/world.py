"""A world of integer time: what happens next, drawn from one seed, and a trace of what happened.

Nothing in a world is concurrent. What is set for one microsecond happens in the order in which it
was set, so one seed has one history, whatever the machine and the Python that run it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random
from typing import TypeAlias

Action: TypeAlias = Callable[[], None]

MILLISECOND = 1_000
SECOND = 1_000_000


class Trace:
    """Lines of what happened; `value` names the whole history. `sink` gets every line, if any."""

    def __init__(self, sink: Callable[[str], None] | None = None) -> None:
        self._lines: list[str] = []
        self._sink = sink

    def add(self, line: str) -> None:
        self._lines.append(line)
        if self._sink is not None:
            self._sink(line)

    def value(self) -> str:
        return blake2b("".join(self._lines).encode(), digest_size=16).hexdigest()


class World:
    """`now` is in microseconds since the beginning; `step` counts what happened. Once it is no
    longer hostile, no fault strikes any more."""

    def __init__(self, random: Random, trace: Trace) -> None:
        self.random = random
        self.trace = trace
        self.now = 0
        self.step = 0
        self.is_hostile = True
        self._bits = random.getrandbits
        self._order = 0
        self._queue: list[tuple[int, int, Action]] = []

    def later(self, delay_us: int, action: Action) -> None:
        self._order += 1
        heappush(self._queue, (self.now + delay_us, self._order, action))

    def run(self, until_us: int, is_done: Callable[[], bool] | None = None) -> bool:
        """Go on until that time, or until `is_done` after some step; whether it was done."""
        queue = self._queue
        while queue and queue[0][0] <= until_us:
            self.now, _, action = heappop(queue)
            self.step += 1
            action()
            if is_done is not None and is_done():
                return True
        self.now = until_us
        return False

    def say(self, who: str, what: str) -> None:
        self.trace.add(f"{self.now / SECOND:12.6f} {who:<4} {what}")

    def chance(self, of: int) -> bool:
        """True once in `of` times."""
        return self.below(of) == 0

    def below(self, count: int) -> int:
        """One of 0 … count − 1: what `random.randrange` draws, at a third of its price."""
        assert count > 0, "one of none"
        bits, length = self._bits, count.bit_length()
        drawn = bits(length)
        while drawn >= count:
            drawn = bits(length)
        return drawn

    def between(self, least: int, most: int) -> int:
        """Mostly near the lesser end: the middle is the geometric one."""
        if most <= least:
            return least
        return least + int((most - least) * self.random.random() ** 3)
