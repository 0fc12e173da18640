"""What waits to be sent over each link: filled by the core's work, emptied by the sender tasks.

Acknowledgements merge into one. Ranges are bounded by the link's window, wants by the number of
actors; so an outbox stays small behind a peer that reads nothing.
"""

from __future__ import annotations

from collections import deque

import trio

from comm import Ack, Range, Want


class Outbox:
    def __init__(self) -> None:
        self._ack: Ack | None = None
        self._wants: dict[bytes, Want] = {}
        self._ranges: deque[Range] = deque()
        self._news = trio.Event()

    def put(self, message: Ack | Want | Range) -> None:
        match message:
            case Ack():
                self._ack = message if self._ack is None else _merged(self._ack, message)
            case Want():
                self._wants[message.actor] = message
            case Range():
                self._ranges.append(message)
        self._news.set()

    async def take(self) -> list[Ack | Want | Range]:
        """All small messages that wait and one range; waits until there is any."""
        await self._news.wait()
        taken: list[Ack | Want | Range] = list(self._wants.values())
        self._wants.clear()
        if self._ack is not None:
            taken.append(self._ack)
            self._ack = None
        if self._ranges:
            taken.append(self._ranges.popleft())
        if not self._ranges:
            self._news = trio.Event()
        return taken


def _merged(earlier: Ack, later: Ack) -> Ack:
    clock = {**dict(earlier.clock), **dict(later.clock)}
    return Ack(list(clock.items()), later.missing, later.more_missing)


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
