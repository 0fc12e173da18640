"""Flags of a message inside an mbox.

Other programs keep them in headers: `Status: R` is \\Seen; `X-Status` has A for \\Answered, F for
\\Flagged, T for \\Draft, D for \\Deleted; `X-Keywords` lists all others. Such headers are read and
stay part of the message's bytes. What samebox writes is four lines between the From_ line and the
message, which are no part of it:

    X-Samebox-Export: 1 DATE_MS SIZE
    Status: RO
    X-Status: AF
    X-Keywords: work $Forwarded

The first gives what an mbox cannot: the date in milliseconds, and the size of the message, which
tells whether the line end before the next From_ line is its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

STATUS = {"R": "\\Seen"}
X_STATUS = {"A": "\\Answered", "F": "\\Flagged", "T": "\\Draft", "D": "\\Deleted"}
LETTERS = STATUS | X_STATUS

OWN_BLOCK = re.compile(
    rb"X-Samebox-Export: 1 (-?\d{1,18}) (\d{1,18})\r?\n"
    rb"Status: ([A-Z]*) *\r?\n"
    rb"X-Status: ([A-Z]*) *\r?\n"
    rb"X-Keywords: ([^\r\n]*)\r?\n"
)
HEADERS = re.compile(
    rb"^(?:(?:x-)?status:[ \t]*([A-Z]*)|x-keywords:([^\n]*(?:\n[ \t]+[^\n]*)*))", re.I | re.M
)


class Block(NamedTuple):
    """The four lines of an export; `length` of them in bytes, `size` of the message."""

    flags: tuple[str, ...]
    date_ms: int
    size: int
    length: int


def own_block(flags: tuple[str, ...], date_ms: int, size: int) -> bytes:
    """`flags` are such as samebox holds: printable ASCII, no spaces."""
    known = {flag.lower(): letter for letter, flag in LETTERS.items()}
    letters = {known[flag.lower()] for flag in flags if flag.lower() in known}
    keywords = " ".join(flag for flag in flags if flag.lower() not in known)
    return b"".join(
        (
            b"X-Samebox-Export: 1 %d %d\n" % (date_ms, size),
            b"Status: %sO\n" % _letters(STATUS, letters),
            b"X-Status: %s\n" % _letters(X_STATUS, letters),
            b"X-Keywords: %s\n" % keywords.encode("ascii"),
        )
    )


def read_block(head: bytes) -> Block | None:
    """The block that `head`, the bytes after a From_ line, begins with."""
    found = OWN_BLOCK.match(head)
    if found is None:
        return None
    date_ms, size, status, x_status, keywords = found.groups()
    flags = _flags(status + x_status, map(_text, keywords.split()))
    return Block(flags, int(date_ms), int(size), found.end())


def flags_of_header(header: bytes) -> tuple[str, ...]:
    """What the headers of other programs say."""
    letters, keywords = b"", list[str]()
    for found in HEADERS.finditer(header):
        letters += found[1] or b""
        keywords += map(_text, (found[2] or b"").split())
    return _flags(letters, keywords)


def _flags(letters: bytes, keywords: Iterable[str]) -> tuple[str, ...]:
    known = (LETTERS[letter] for letter in letters.decode().upper() if letter in LETTERS)
    return tuple(sorted({*known, *keywords}))


def _letters(table: dict[str, str], letters: set[str]) -> bytes:
    return "".join(letter for letter in table if letter in letters).encode()


def _text(word: bytes) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        return word.decode("latin-1")
