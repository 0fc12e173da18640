"""One message of an mbox as it goes by: its flags and date, then its bytes, in pieces."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from msgspec import Struct

from samebox.mail.from_line import FromLine
from samebox.mail.status import flags_of_header, read_block

HEADER_BYTES_MAX = 1 << 20
"""Flags are looked for this far into a message; so much of it is held until its header ends."""
TAIL_BYTES = 3
"""Held back to the end: the longest end of a line and empty line, "\\n\\r\\n"."""


class Began(Struct, frozen=True):
    """A message begins; `offset` is that of its From_ line in the file."""

    offset: int
    flags: tuple[str, ...]
    date_ms: int | None


class Content(Struct, frozen=True):
    data: bytes


class Ended(Struct, frozen=True):
    """All of the message was given: `size` bytes."""

    size: int


Event: TypeAlias = Began | Content | Ended


class Taking(Protocol):
    """What becomes of the bytes between two From_ lines, unquoted."""

    own: bool

    def take(self, data: bytes) -> list[Event]: ...

    def end(self) -> list[Event]: ...


class Skim:
    """Tells where a message began, and nothing else of it."""

    def __init__(self, offset: int, from_line: FromLine) -> None:
        self.own = from_line.own
        self._offset = offset

    def take(self, data: bytes) -> list[Event]:
        return []

    def end(self) -> list[Event]:
        return [Began(self._offset, (), None)]


class Passage:
    """Takes what stands between two From_ lines, unquoted, and gives the events of the message.

    One empty line at the end belongs to the mbox and not to the message.
    """

    def __init__(self, offset: int, from_line: FromLine) -> None:
        self.own = from_line.own
        self._offset = offset
        self._date_ms = from_line.date_ms
        self._head: bytearray | None = bytearray()
        self._size: int | None = None
        self._tail = b""
        self._given = 0

    def take(self, data: bytes) -> list[Event]:
        if self._head is None:
            return self._give(data)
        seen = max(len(self._head) - 2, 0)
        self._head += data
        if len(self._head) > HEADER_BYTES_MAX or _header_ends(self._head, seen):
            return self._settle(bytes(self._head))
        return []

    def end(self) -> list[Event]:
        events = [] if self._head is None else self._settle(bytes(self._head))
        last = self._trimmed(self._tail)
        if last:
            events.append(Content(last))
        return [*events, Ended(self._given + len(last))]

    def _settle(self, head: bytes) -> list[Event]:
        self._head = None
        block = read_block(head) if self.own else None
        if block is not None:
            self._size = block.size
            began = Began(self._offset, block.flags, block.date_ms)
            return [began, *self._give(head[block.length :])]
        flags = flags_of_header(head[: _header_length(head)])
        return [Began(self._offset, flags, self._date_ms), *self._give(head)]

    def _give(self, data: bytes) -> list[Event]:
        data = self._tail + data
        kept = max(len(data) - TAIL_BYTES, 0)
        self._tail = data[kept:]
        self._given += kept
        return [Content(data[:kept])] if kept else []

    def _trimmed(self, tail: bytes) -> bytes:
        for empty in (b"\r\n", b"\n"):
            if tail.endswith(b"\n" + empty) or (tail == empty and not self._given):
                tail = tail[: -len(empty)]
                break
        if self._size is not None and self._given + len(tail) == self._size + 1:
            tail = tail.removesuffix(b"\n")
        return tail


def _header_ends(head: bytearray, start: int) -> bool:
    if head.startswith((b"\n", b"\r\n")):
        return True
    return head.find(b"\n\n", start) >= 0 or head.find(b"\n\r\n", start) >= 0


def _header_length(head: bytes) -> int:
    if head.startswith((b"\n", b"\r\n")):
        return 0
    end = head.find(b"\n\n")
    end = len(head) if end < 0 else end
    other = head.find(b"\n\r\n", 0, end)
    return (end if other < 0 else other) + 1
