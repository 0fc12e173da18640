"""Messages out of an mbox and into one, in pieces of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from samebox.mail import Began, Content, Ended, Event, MboxReader, MboxWriter, Quoting


class Mail(NamedTuple):
    data: bytes
    flags: tuple[str, ...] = ()
    date_ms: int | None = None


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read(data: bytes, size: int = 1 << 20, quoting: Quoting = Quoting.MBOXRD) -> list[Mail]:
    reader = MboxReader(quoting)
    events = [event for piece in pieces(data, size) for event in reader.feed(piece)]
    return list(mails([*events, *reader.finish()]))


def mails(events: Iterable[Event]) -> Iterator[Mail]:
    """Checks on the way that every message begins, goes by, and ends."""
    began: Began | None = None
    data = b""
    for event in events:
        match event:
            case Began():
                assert began is None
                began, data = event, b""
            case Content():
                assert began is not None and event.data
                data += event.data
            case Ended():
                assert began is not None and event.size == len(data)
                yield Mail(data, began.flags, began.date_ms)
                began = None
    assert began is None


def write(messages: Iterable[Mail], size: int = 1 << 20) -> bytes:
    writer = MboxWriter()
    written = []
    for message in messages:
        written.append(writer.begin(message.flags, message.date_ms or 0, len(message.data)))
        written += [writer.content(piece) for piece in pieces(message.data, size)]
        written.append(writer.end())
    return b"".join(written)
