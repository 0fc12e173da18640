"""A request for the channel of a node, and the answer to it."""

from __future__ import annotations

from collections.abc import Callable

import trio
from msgspec import Struct
from typing_extensions import override

from crdt import Request, RequestId
from samebox.events import Carried, Outcome


class Reply:
    """The answer to one call: given once, awaited by at most one task."""

    __slots__ = ("_outcome", "_task")

    def __init__(self) -> None:
        self._outcome: Outcome | None = None
        self._task: trio.lowlevel.Task | None = None

    def give(self, outcome_: Outcome) -> None:
        self._outcome = outcome_
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    async def wait(self) -> Outcome:
        """The outcome; a wait that was cancelled may be taken up again."""
        if self._outcome is None:
            assert self._task is None, "one task waits for a reply"
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        else:
            await trio.lowlevel.checkpoint()
        assert self._outcome is not None
        return self._outcome

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Told(Reply):
    """An answer that no task waits for: `then` is told of it in the turn in which it is given, and
    must not raise."""

    __slots__ = ("_then",)

    def __init__(self, then: Callable[[Outcome], None]) -> None:
        super().__init__()
        self._then = then

    @override
    def give(self, outcome_: Outcome) -> None:
        self._then(outcome_)


class Call(Struct, frozen=True):
    """A request for the channel. Without `reply`, the caller does not want to know."""

    request: Request
    reply: Reply | None = None
    id: RequestId | None = None
    copies: int = 1
    carried: tuple[Carried, ...] = ()
    principal: str = ""


def check_seconds(timeout_s: float | None) -> None:
    """Before anything is kept for a call that its deadline would end with an error."""
    if timeout_s is not None and not timeout_s >= 0:
        raise ValueError(f"expected a timeout of 0 s or more, found {timeout_s}")
