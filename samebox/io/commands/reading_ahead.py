"""Contents of many entries, in order, asked for ahead: small ones share their round trips."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from crdt import Address, EntryView
from samebox.control import Opened, Piece, Problem, Read
from samebox.io.control_client import Connection, NodeRefused

AHEAD_BYTES_MAX = 4 << 20
"""Contents under way at once, and held here; a longer one is asked for alone, and streamed."""
AHEAD_MAX = 64
"""Reads under way at once."""


class Reading(Struct):
    """One read under way; `held` came while another was being taken."""

    entry: EntryView
    call: int
    held: deque[bytes]
    ended: bool = False


class ReadingAhead:
    """The entries of one mailbox with their contents. Nothing else may use the connection."""

    def __init__(self, node: Connection, mailbox: Address, entries: Iterable[EntryView]) -> None:
        self._node = node
        self._mailbox = mailbox
        self._rest = iter(entries)
        self._next = next(self._rest, None)
        self._under_way: deque[Reading] = deque()

    def __iter__(self) -> Iterator[tuple[EntryView, Iterator[bytes]]]:
        """Each entry with its bytes, which end before the next is asked for.

        Raises NodeRefused, with the entry in its words.
        """
        while True:
            self._ask_ahead()
            if not self._under_way:
                return
            first = self._under_way[0]
            pieces = self._pieces(first)
            yield first.entry, pieces
            for _ in pieces:
                pass
            self._under_way.popleft()

    def _ask_ahead(self) -> None:
        while self._next is not None and self._has_room(self._next):
            call = self._node.send(Read(self._mailbox, self._next.id))
            self._under_way.append(Reading(self._next, call, deque()))
            self._next = next(self._rest, None)

    def _has_room(self, entry: EntryView) -> bool:
        if not self._under_way:
            return True
        asked = sum(reading.entry.blob.size for reading in self._under_way)
        return len(self._under_way) < AHEAD_MAX and asked + entry.blob.size <= AHEAD_BYTES_MAX

    def _pieces(self, first: Reading) -> Iterator[bytes]:
        while True:
            while first.held:
                yield first.held.popleft()
            if first.ended:
                return
            self._receive()

    def _receive(self) -> None:
        reply = self._node.receive()
        reading = next(one for one in self._under_way if one.call == reply.call)
        reading.ended = not reply.more
        match reply.body:
            case Opened():
                pass
            case Piece(data):
                reading.held.append(data)
            case Problem(code, message):
                raise NodeRefused(Problem(code, f"entry {reading.entry.id}: {message}"))
            case other:
                raise AssertionError(f"a read is answered by {other}")
