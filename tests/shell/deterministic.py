"""One schedule for each seed: the only file that uses what Trio keeps private for this.

The clock is mocked and jumps when every task waits; the order of tasks is drawn from the seed.
Threads and sockets would break it, so `tests.shell.world` has neither.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import trio
from trio.abc import Instrument
from trio.testing import MockClock

T = TypeVar("T")


def run(
    main: Callable[[], Awaitable[T]], *, seed: int = 0, instruments: Sequence[Instrument] = ()
) -> T:
    """Run `main` to its end; the same seed gives the same order of tasks."""
    with _seeded(seed):
        return trio.run(main, clock=MockClock(autojump_threshold=0), instruments=instruments)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    scheduler = trio._core._run
    kept, before = scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    jitter = random.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    scheduler._r.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        scheduler._r.setstate(kept)
        random.setstate(jitter)
