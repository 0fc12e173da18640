"""What waits to be sent over each link: filled by the core's work, emptied by the sender tasks."""

from __future__ import annotations

import trio

from comm import Ack, Range, Want
from samebox.outgoing import Outgoing


class Outbox:
    def __init__(self) -> None:
        self._outgoing = Outgoing()
        self._news = trio.Event()

    def put(self, message: Ack | Want | Range) -> None:
        self._outgoing.put(message)
        self._news.set()

    async def take(self) -> list[Ack | Want | Range]:
        """All small messages that wait and one range; waits until there is any."""
        await self._news.wait()
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

    def put(self, link: int, message: Ack | Want | Range) -> None:
        box = self._boxes.get(link)
        if box is not None:
            box.put(message)
