"""What waits to be sent over one link.

Acknowledgements merge into one, wants are one for each actor. Ranges are few, as the link's window
is; only what the peer asks for goes past it. Of a peer that asks and asks and reads nothing, the
ranges beyond RANGES_MAX merge into one for each actor.
"""

from __future__ import annotations

from collections import deque

from comm import Ack, LogBase, Range, Want

RANGES_MAX = 256
"""Four times a window of ranges, each of one turn."""


class Outgoing:
    def __init__(self) -> None:
        self._ack: Ack | None = None
        self._base: LogBase | None = None
        self._wants: dict[bytes, Want] = {}
        self._ranges: deque[Range] = deque()
        self._merged: dict[bytes, Range] = {}

    def __len__(self) -> int:
        ranges = len(self._ranges) + len(self._merged)
        small = (self._ack is not None) + (self._base is not None)
        return len(self._wants) + ranges + small

    @property
    def next_range(self) -> Range | None:
        """What `take` would give."""
        if self._ranges:
            return self._ranges[0]
        return next(iter(self._merged.values()), None)

    def put(self, message: Ack | Want | LogBase | Range) -> None:
        match message:
            case Ack():
                self._ack = message if self._ack is None else _merged(self._ack, message)
            case Want():
                self._wants[message.actor] = message
            case LogBase():
                self._base = message
            case Range():
                self._put_range(message)

    def take(self) -> list[Ack | Want | LogBase | Range]:
        """All small messages that wait and one range."""
        taken: list[Ack | Want | LogBase | Range] = list(self._wants.values())
        self._wants.clear()
        if self._ack is not None:
            taken.append(self._ack)
            self._ack = None
        if self._base is not None:
            taken.append(self._base)
            self._base = None
        if self._ranges:
            taken.append(self._ranges.popleft())
        elif self._merged:
            taken.append(self._merged.pop(next(iter(self._merged))))
        return taken

    def _put_range(self, span: Range) -> None:
        """What lies between merged ranges is sent though nobody asked: the peer drops it."""
        if len(self._ranges) < RANGES_MAX and not self._merged:
            self._ranges.append(span)
            return
        known = self._merged.get(span.actor, span)
        first, last = min(known.first, span.first), max(known.last, span.last)
        self._merged[span.actor] = Range(span.actor, first, last)


def _merged(earlier: Ack, later: Ack) -> Ack:
    clock = {**dict(earlier.clock), **dict(later.clock)}
    return Ack(list(clock.items()), later.missing, later.more_missing)
