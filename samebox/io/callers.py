"""Who waits for the answer of a shard: each under a token, which the core answers to."""

from __future__ import annotations

import trio

from samebox.events import Abandoned, Failure, Outcome
from samebox.io.call import Reply
from samebox.io.inbox import Inbox
from samebox.leftover import TOO_LATE


class Callers:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._replies: dict[int, Reply] = {}
        self._token = 0

    def __len__(self) -> int:
        return len(self._replies)

    def expect(self, reply: Reply | None) -> int:
        """The token of a new caller; without a reply, it does not want to know."""
        self._token += 1
        if reply is not None:
            self._replies[self._token] = reply
        return self._token

    def answer(self, token: int, outcome_: Outcome) -> None:
        reply = self._replies.pop(token, None)
        if reply is not None:
            reply.give(outcome_)

    def refuse_all(self, why: str) -> None:
        """Those whose request no step has taken yet, and none would before there is room."""
        for token in self._inbox.withdraw_all():
            self.answer(token, Failure(why))

    def abandon(self, token: int) -> None:
        """Who waits for that answer is gone. What was asked already is not undone."""
        if not self._inbox.withdraw(token):
            self._inbox.tell(Abandoned(token))
        self.forget(token)

    def forget(self, token: int) -> None:
        self._replies.pop(token, None)

    async def settle(self, token: int, reply: Reply, timeout_s: float | None) -> Outcome:
        """The answer, or what holds at the deadline. Who leaves is answered to no more."""
        try:
            if timeout_s is not None:
                with trio.move_on_after(timeout_s) as deadline:
                    return await reply.wait()
                assert deadline.cancelled_caught
                if self._inbox.withdraw(token):
                    self.forget(token)
                    return TOO_LATE
                self._inbox.tell(Abandoned(token))
            return await reply.wait()
        except trio.Cancelled:
            self.abandon(token)
            raise
