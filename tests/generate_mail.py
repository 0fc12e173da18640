"""Mail that nobody wrote: seeded, with what real mail does to programs.

Multipart messages and attachments, 8-bit text, NUL, lines of every length with every line end,
"From " at the beginning of lines, messages that are there twice. Most are small, a few large, as in
real mailboxes. Here also is a second, plain reading of what an export wrote.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import NamedTuple

START_S = 1_700_000_000
SIZES = ((0.90, 1_000, 2_500), (0.09, 2_500, 10_000), (0.01, 10_000, 50_000))
"""(share, least bytes, most bytes)"""
REPEATED = 0.01
LINE_ENDS = (b"\n", b"\n", b"\n", b"\r\n", b"\r\n")
WORDS = (
    b"harbour choir rehearsal Saturday accompanist ledger ferry From from >From draft "
    b"caf\xc3\xa9 na\xefve \xe6\x97\xa5\xe6\x9c\xac \x00 \x0c \t = . .. -- ="
).split(b" ")
ODD_LINES = (
    b"From here on it is downhill",
    b"From ada@example.org Wed Mar  6 08:52:16 2024",
    b">From a reply",
    b">>From a reply to a reply",
    b"From ",
    b".",
    b"",
    b"bare\rreturn",
    b"x" * 1200,
)
FLAGS = {
    "\\Seen": ("Status", "R"),
    "\\Answered": ("X-Status", "A"),
    "\\Flagged": ("X-Status", "F"),
    "\\Draft": ("X-Status", "T"),
    "\\Deleted": ("X-Status", "D"),
    "work": ("X-Keywords", "work"),
    "$Forwarded": ("X-Keywords", "$Forwarded"),
}
MAILDIR_LETTERS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}


class Mail(NamedTuple):
    data: bytes
    flags: tuple[str, ...]
    date_ms: int


class Fingerprint(NamedTuple):
    """What has to be the same on every node."""

    sha256: str
    flags: tuple[str, ...]
    date_ms: int


def fingerprint(mail: Mail) -> Fingerprint:
    return Fingerprint(sha256(mail.data).hexdigest(), mail.flags, mail.date_ms)


def generated(seed: int, count: int) -> Iterator[Mail]:
    random = Random(seed)
    recent: list[Mail] = []
    for number in range(count):
        date_ms = (START_S + number * 61) * 1000
        if recent and random.random() < REPEATED:
            again = random.choice(recent)
            yield again._replace(date_ms=date_ms)
            continue
        mail = _mail(random, number, date_ms)
        recent = [*recent[-50:], mail]
        yield mail


def _mail(random: Random, number: int, date_ms: int) -> Mail:
    flags = tuple(sorted(flag for flag in FLAGS if random.random() < 0.3))
    end = random.choice(LINE_ENDS)
    head = [
        b"From: Ada Holm <ada@example.org>",
        b"Subject: message %d" % number,
        b"Message-ID: <%d.%08x@example.org>" % (number, random.getrandbits(32)),
        *_flag_lines(flags),
    ]
    size = _size(random)
    if random.random() < 0.3:
        head.append(b'Content-Type: multipart/mixed; boundary="=_%d"' % number)
        body = _multipart(random, number, size, end)
    else:
        body = _text(random, size, end)
    data = end.join(head) + end + end + body
    return Mail(data if data.endswith(b"\n") else data + end, flags, date_ms)


def _flag_lines(flags: tuple[str, ...]) -> list[bytes]:
    lines = []
    for header in ("Status", "X-Status", "X-Keywords"):
        values = [FLAGS[flag][1] for flag in flags if FLAGS[flag][0] == header]
        if values:
            joined = (" " if header == "X-Keywords" else "").join(values)
            lines.append(f"{header}: {joined}".encode())
    return lines


def _size(random: Random) -> int:
    drawn = random.random()
    for share, least, most in SIZES:
        drawn -= share
        if drawn < 0:
            return random.randint(least, most)
    return SIZES[-1][2]


def _text(random: Random, size: int, end: bytes) -> bytes:
    lines: list[bytes] = []
    left = size
    while left > 0:
        if random.random() < 0.05:
            line = random.choice(ODD_LINES)
        else:
            line = b" ".join(random.choices(WORDS, k=random.randint(1, 14)))
        lines.append(line + (random.choice(LINE_ENDS) if random.random() < 0.02 else end))
        left -= len(lines[-1])
    return b"".join(lines)


def _multipart(random: Random, number: int, size: int, end: bytes) -> bytes:
    boundary = b"--=_%d" % number
    attachment = encodebytes(random.randbytes(size // 2)).replace(b"\n", end)
    parts = [
        boundary + end + b"Content-Type: text/plain; charset=utf-8" + end + end,
        _text(random, size // 3, end),
        boundary + end + b"Content-Transfer-Encoding: base64" + end + end,
        attachment,
        boundary + b"--" + end,
    ]
    return b"".join(parts)


def mbox(mails: Iterable[Mail]) -> Iterator[bytes]:
    """An mbox in the quoting mboxrd, as any other program would write it, in pieces."""
    for mail in mails:
        date = datetime.fromtimestamp(mail.date_ms // 1000, UTC)
        yield f"From ada@example.org {date:%a %b %e %H:%M:%S %Y}\n".encode()
        yield re.sub(rb"(?m)^(>*From )", rb">\1", mail.data) + b"\n"


# --- Reading exports, without the product's own readers ---------------------------------------


def in_mbox(path: Path) -> Iterator[Fingerprint]:
    """What samebox exported as mbox: four lines of its own before each message."""
    for part in re.split(rb"(?m)^(?=From samebox )", path.read_bytes())[1:]:
        _, own, status, x_status, keywords, rest = part.split(b"\n", 5)
        date_ms, size = map(int, own.split()[-2:])
        data = re.sub(rb"(?m)^>(>*From )", rb"\1", rest)
        assert data[size:] in (b"\n", b"\n\n"), f"{len(data)} bytes for a message of {size}"
        words = keywords.decode().split()[1:]
        flags = [flag for flag, (header, letter) in FLAGS.items() if flag in words]
        for line, header in ((status, "Status"), (x_status, "X-Status")):
            letters = line.decode().partition(":")[2]
            flags += [
                flag for flag, (h, letter) in FLAGS.items() if h == header and letter in letters
            ]
        yield Fingerprint(sha256(data[:size]).hexdigest(), tuple(sorted(flags)), date_ms)


def in_maildir(folder: Path) -> Iterator[Fingerprint]:
    words = {}
    for line in (folder / "dovecot-keywords").read_text().splitlines():
        number, word = line.split()
        words[chr(ord("a") + int(number))] = word
    for path in (folder / "cur").iterdir():
        letters = path.name.partition(":2,")[2]
        flags = tuple(sorted((MAILDIR_LETTERS | words)[letter] for letter in letters))
        yield Fingerprint(
            sha256(path.read_bytes()).hexdigest(), flags, path.stat().st_mtime_ns // 1_000_000
        )
