"""What waits to be sent over one link.

Acknowledgements merge into one. Ranges are bounded by the link's window, wants by the number of
actors; so little waits for a peer that reads nothing.
"""

from __future__ import annotations

from collections import deque

from comm import Ack, Range, Want


class Outgoing:
    def __init__(self) -> None:
        self._ack: Ack | None = None
        self._wants: dict[bytes, Want] = {}
        self._ranges: deque[Range] = deque()

    def __len__(self) -> int:
        return len(self._wants) + len(self._ranges) + (self._ack is not None)

    def put(self, message: Ack | Want | Range) -> None:
        match message:
            case Ack():
                self._ack = message if self._ack is None else _merged(self._ack, message)
            case Want():
                self._wants[message.actor] = message
            case Range():
                self._ranges.append(message)

    def take(self) -> list[Ack | Want | Range]:
        """All small messages that wait and one range."""
        taken: list[Ack | Want | Range] = list(self._wants.values())
        self._wants.clear()
        if self._ack is not None:
            taken.append(self._ack)
            self._ack = None
        if self._ranges:
            taken.append(self._ranges.popleft())
        return taken


def _merged(earlier: Ack, later: Ack) -> Ack:
    clock = {**dict(earlier.clock), **dict(later.clock)}
    return Ack(list(clock.items()), later.missing, later.more_missing)
