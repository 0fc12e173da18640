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
        self.waiting: deque[Look] = deque()

    async def wait(self, question: Callable[[State], T]) -> T:
        look = Look(question, trio.Event())
        self.waiting.append(look)
        await look.answered.wait()
        assert look.answer is not None
        answer: T = look.answer.unwrap()  # type: ignore[assignment]
        return answer

    def answer(self, state: State) -> None:
        """All of them. Raises StateLost: those that are left wait for another state."""
        while self.waiting:
            look = self.waiting[0]
            answer = outcome.capture(look.question, state)
            match answer:
                case outcome.Error(error=StateLost() as error):
                    raise error
                case _:
                    look.answer = answer
            self.waiting.popleft()
            look.answered.set()
