"""Questions to the committed state that wait until no batch is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import outcome
import trio
from msgspec import Struct

from crdt import State, StateLost

T = TypeVar("T")


class Look(Struct):
    question: Callable[[State], object]
    answered: trio.Event
    answer: outcome.Outcome[object] | None = None


class Looks:
    def __init__(self) -> None:
        self._waiting: deque[Look] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def wait(self, question: Callable[[State], T]) -> T:
        look = Look(question, trio.Event())
        self._waiting.append(look)
        await look.answered.wait()
        assert look.answer is not None
        answer: T = look.answer.unwrap()  # type: ignore[assignment]
        return answer

    def answer(self, state: State) -> None:
        """All of them. Raises StateLost: those that are left wait for another state."""
        while self._waiting:
            look = self._waiting[0]
            answer = outcome.capture(look.question, state)
            match answer:
                case outcome.Error(error=StateLost() as error):
                    raise error
                case _:
                    look.answer = answer
            self._waiting.popleft()
            look.answered.set()
