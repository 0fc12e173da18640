"""mbox as a stream: bytes in, messages out in pieces, and back. Memory is bounded by the pieces.

Message bytes are kept exactly: line ends, NUL and 8-bit bytes, a missing last line end. What is
exported and read again has the same bytes, flags and date (samebox.mail.status tells how).
"""

from __future__ import annotations

from collections.abc import Callable

from samebox.mail.errors import NotMbox
from samebox.mail.from_line import FROM, FROM_LINE_BYTES_MAX, FromLine, own_line, parse
from samebox.mail.message import Event, Passage, Taking
from samebox.mail.quoting import Quoter, Quoting, from_lines
from samebox.mail.status import own_block

SHOWN_BYTES = 20
"""So much of a foreign file is quoted in an error."""


class MboxReader:
    """Feed bytes, take events: Began, Content …, Ended for each message; then `finish`.

    `offset` is where in the file the first byte stands; it has to be a From_ line. Raises NotMbox.
    What samebox wrote is unquoted as mboxrd, whatever `quoting` says. `passage` makes what takes
    the bytes of each message.
    """

    def __init__(
        self,
        quoting: Quoting = Quoting.MBOXRD,
        *,
        offset: int = 0,
        passage: Callable[[int, FromLine], Taking] = Passage,
    ) -> None:
        self._quoting = quoting
        self._start = offset
        self._end = offset
        self._held = b""
        self._midline = False
        self._passage = passage
        self._message: Taking | None = None

    def feed(self, data: bytes) -> list[Event]:
        self._end += len(data)
        data = self._held + data
        self._held = b""
        if self._message is None and len(data) < len(FROM):
            self._held = data
            return []
        if self._message is None and not data.startswith(FROM):
            raise self._foreign(data)
        begin = 0
        if self._midline:
            begin = data.find(b"\n") + 1
            if not begin:
                return self._text(data)
            self._midline = False
        end = data.rfind(b"\n") + 1
        events = self._text(data[:begin])
        events += self._lines(data[begin:end], self._end - len(data) + begin)
        return events + self._partial(data[end:])

    def finish(self) -> list[Event]:
        last, self._held = self._held, b""
        if self._message is None and last and not last.startswith(FROM):
            raise self._foreign(last)
        events = self._lines(last, self._end - len(last))
        return events + (self._message.end() if self._message else [])

    def _lines(self, lines: bytes, offset: int) -> list[Event]:
        """Whole lines; only the last of the file may lack its line end."""
        events: list[Event] = []
        done = 0
        for begin, at in from_lines(lines):
            if at > begin:
                if self._is_quoted(at - begin):
                    events += self._text(lines[done:begin])
                    done = begin + 1
                continue
            end = (lines.find(b"\n", at) + 1) or len(lines)
            separator = self._separator(lines[at:end])
            if separator is not None:
                events += self._text(lines[done:begin])
                events += self._message.end() if self._message else []
                self._message = self._passage(offset + begin, separator)
                done = end
        return events + self._text(lines[done:])

    def _partial(self, line: bytes) -> list[Event]:
        """The begin of a line: what may become a From_ line, or a quoted one, waits."""
        arrows = len(line) - len(line.lstrip(b">"))
        word = line[arrows:]
        may_be_quoted = arrows > 0 and self._is_quoted(arrows)
        if arrows and not may_be_quoted:
            self._midline = True
        elif FROM.startswith(word) and word != FROM:
            passed = max(arrows - 1, 0)
            self._held = line[passed:]
            return self._text(line[:passed])
        elif may_be_quoted and word.startswith(FROM):
            self._midline = True
            return self._text(line[1:])
        elif word.startswith(FROM) and len(line) <= FROM_LINE_BYTES_MAX:
            self._held = line
            return []
        else:
            self._midline = True
        if self._message is None:
            raise self._foreign(line)
        return self._text(line)

    def _text(self, data: bytes) -> list[Event]:
        if not data:
            return []
        assert self._message is not None
        return self._message.take(data)

    def _is_quoted(self, arrows: int) -> bool:
        own = self._message is not None and self._message.own
        return (Quoting.MBOXRD if own else self._quoting).is_quoted(arrows)

    def _separator(self, line: bytes) -> FromLine | None:
        """The first From_ line of a file need not have a date."""
        found = parse(line) if len(line) <= FROM_LINE_BYTES_MAX else None
        if found is None and self._message is None:
            if len(line) > FROM_LINE_BYTES_MAX:
                raise self._foreign(line)
            return FromLine(own=False, date_ms=None)
        return found

    def _foreign(self, found: bytes) -> NotMbox:
        shown = found[:SHOWN_BYTES]
        wanted = f'expected "From " and a line end at byte {self._start}, found {shown!r}'
        remedy = "name an mbox file, or a Maildir"
        return NotMbox(f"{wanted}; {remedy}")


class MboxWriter:
    """Gives the bytes of an mbox, mboxrd-quoted: `begin`, `content` …, `end` for each message."""

    def __init__(self) -> None:
        self._quoter = Quoter()
        self._left = 0
        self._last = b""

    def begin(self, flags: tuple[str, ...], date_ms: int, size: int) -> bytes:
        """`size` is that of the whole message in bytes; `date_ms` lies in the years 1 to 9999."""
        self._quoter = Quoter()
        self._left = size
        self._last = b"\n"
        return own_line(date_ms) + own_block(flags, date_ms, size)

    def content(self, data: bytes) -> bytes:
        self._left -= len(data)
        self._last = data[-1:] or self._last
        return self._quoter.feed(data)

    def end(self) -> bytes:
        assert self._left == 0, f"a message {-self._left} bytes longer than it was begun with"
        return self._quoter.finish() + (b"\n" if self._last == b"\n" else b"\n\n")
