"""What waits to be sent over each link: filled by the core's work, emptied at once where the link
is free, and by the sender tasks where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from comm import Ack, LogBase, Range, Want
from samebox.outgoing import Outgoing


class Outbox:
    """`say_nowait` sends what waits without a task, as much of it as it can. Its errors are those
    of the link: they are raised where that takes what it is to send."""

    def __init__(self) -> None:
        self.say_nowait: Callable[[Outgoing], None] = lambda outgoing: None
        self._outgoing = Outgoing()
        self._news = trio.Event()
        self._error: Exception | None = None

    def put(self, message: Ack | Want | LogBase | Range) -> None:
        """To be followed by `send`."""
        self._outgoing.put(message)

    def send(self) -> None:
        if not self._news.is_set():
            try:
                self.say_nowait(self._outgoing)
            except Exception as error:
                self._error = error
        if self._outgoing or self._error is not None:
            self._news.set()

    async def take(self) -> list[Ack | Want | LogBase | Range]:
        """All small messages that wait and one range; waits until there is any."""
        await self._news.wait()
        if self._error is not None:
            raise self._error
        taken = self._outgoing.take()
        if not self._outgoing:
            self._news = trio.Event()
        return taken


class Outboxes:
    """By link; what is put for a link that has gone is dropped."""

    def __init__(self) -> None:
        self._boxes: dict[int, Outbox] = {}

    def open(self, link: int) -> Outbox:
        self._boxes[link] = Outbox()
        return self._boxes[link]

    def close(self, link: int) -> None:
        self._boxes.pop(link, None)

    def send(self, messages: Sequence[tuple[int, Ack | Want | LogBase | Range]]) -> None:
        """Each over its link: now or soon."""
        filled: dict[int, Outbox] = {}
        for link, message in messages:
            box = self._boxes.get(link)
            if box is not None:
                box.put(message)
                filled[link] = box
        for box in filled.values():
            box.send()
