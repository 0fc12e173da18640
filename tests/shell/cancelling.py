"""Cancellation at every await: at the first one, at the second one, … until none is left.

A scenario gives one part of itself to `CancelAt.part`: a function that runs as a task of its own.
Each time this task, or one below it, comes to an await, that is counted; at the count asked for,
the part is cancelled as it stands there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from typing import Protocol

import trio
from trio.abc import Instrument
from typing_extensions import override

from tests.shell.deterministic import run


class Run(Protocol):
    def __call__(
        self, main: Callable[[], Awaitable[None]], *, instruments: Sequence[Instrument]
    ) -> None: ...


class CancelAt(Instrument):
    """`then` is called at the moment of the cancellation, before anything came of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.then: Callable[[], None] = lambda: None
        self.awaits = 0
        self._root: trio.lowlevel.Task | None = None
        self._scope = trio.CancelScope()

    @property
    def has_cancelled(self) -> bool:
        return self._scope.cancel_called

    async def part(self, scenario: Callable[[], Awaitable[None]]) -> None:
        """Run what is to be cancelled; returns when it has ended, either way."""

        async def root() -> None:
            self._root = trio.lowlevel.current_task()
            with self._scope:
                await scenario()
            self._root = None

        async with trio.open_nursery() as nursery:
            nursery.start_soon(root)

    @override
    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._root is not None and self._is_inside(task):
            self.awaits += 1
            if self.awaits == self.number:
                self._scope.cancel()
                self.then()

    def _is_inside(self, task: trio.lowlevel.Task) -> bool:
        above: trio.lowlevel.Task | None = task
        while above is not None and above is not self._root:
            above = None if above.parent_nursery is None else above.parent_nursery.parent_task
        return above is not None


def at_every_await(
    scenario: Callable[[CancelAt], Awaitable[None]], *, step: int = 1, run: Run = run
) -> int:
    """Run `scenario` again and again; returns how many awaits its part has.

    With a `step`, at every so-manieth await alone.

    An error names the await: `CancelAt(n)` alone repeats it.
    """
    for number in count(1, step):
        cancel = CancelAt(number)
        try:
            run(partial(scenario, cancel), instruments=[cancel])
        except BaseException as error:
            error.add_note(f"cancelled at await {number}")
            raise
        if not cancel.has_cancelled:
            return cancel.awaits
    raise AssertionError("the numbers have no end")
