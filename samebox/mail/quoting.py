"""Lines of a message that look like a From_ line.

mboxrd writes one more ">" before every line that is `>*From `, and takes one away when it reads:
exact, whatever the text. mboxo quotes only `From `, so a reader cannot know who wrote `>From `.
It does not matter which ">" of a run comes or goes: so a run may be passed on while it is read,
and nothing has to be kept but the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from samebox.mail.from_line import FROM

ARROW = ord(">")
NEWLINE = ord("\n")


class Quoting(StrEnum):
    """Which quoting a foreign mbox is read with."""

    MBOXRD = "mboxrd"
    MBOXO = "mboxo"
    NONE = "none"

    def is_quoted(self, arrows: int) -> bool:
        """Whether a line of that many ">" and "From " has one ">" too many."""
        match self:
            case Quoting.MBOXRD:
                return arrows > 0
            case Quoting.MBOXO:
                return arrows == 1
            case Quoting.NONE:
                return False


def from_lines(lines: bytes) -> Iterator[tuple[int, int]]:
    """Of every line `>*From ` in `lines`, which begin at the start of a line: where the line
    begins, and where its "From " does."""
    at = lines.find(FROM)
    while at >= 0:
        begin = at
        while begin and lines[begin - 1] == ARROW:
            begin -= 1
        if begin == 0 or lines[begin - 1] == NEWLINE:
            yield begin, at
        at = lines.find(FROM, at + len(FROM))


class Quoter:
    """Quotes one message as mboxrd does, in pieces of any size."""

    def __init__(self) -> None:
        self._held = b""
        self._midline = False

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        self._held = b""
        begin = 0
        if self._midline:
            begin = data.find(b"\n") + 1
            if not begin:
                return data
        end = data.rfind(b"\n") + 1
        return data[:begin] + _quoted(data[begin:end]) + self._partial(data[end:])

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _partial(self, line: bytes) -> bytes:
        """The begin of a line: what may become "From " waits."""
        arrows = len(line) - len(line.lstrip(b">"))
        word = line[arrows:]
        self._midline = not FROM.startswith(word) or word == FROM
        if not self._midline:
            self._held = word
            return line[:arrows]
        return _quoted(line)


def _quoted(lines: bytes) -> bytes:
    pieces, done = [], 0
    for _, at in from_lines(lines):
        pieces.append(lines[done:at])
        done = at
    return b">".join([*pieces, lines[done:]])
