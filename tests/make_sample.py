"""Writes examples/sample.mbox: a small choir's invented mail, with what real mailboxes hold.

    python -m tests.make_sample

Several kinds of body and header, 8-bit text declared and not, attachments, CRLF, "From " in a
body, and flags as other programs keep them. The bytes depend on this file alone.
"""

from __future__ import annotations

import quopri
from base64 import b64encode, encodebytes
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

SAMPLE = Path(__file__).parent.parent / "examples" / "sample.mbox"
BEGIN = datetime(2024, 3, 4, 8, 15, 5, tzinfo=UTC)

PEOPLE = {
    "ada": "Ada Holm",
    "bo": "Bo Lindqvist",
    "cleo": "Cleo Okafor",
    "dörte": "Dörte Weiß",
    "emil": "Emil Sørensen",
    "choir": "Harbour Choir",
    "shop": "Notes & Scores",
}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63"
    "64f8cf500f0003860180348dbe2b0000000049454e44ae426082"
)


class Body(NamedTuple):
    kind: str
    text: bytes
    encoding: str = "7bit"


class Letter(NamedTuple):
    sender: str
    to: str
    subject: str
    body: Body
    status: str = "RO"
    x_status: str = ""
    keywords: str = ""
    line_end: str = "\n"


def plain(text: str) -> Body:
    return Body("text/plain; charset=us-ascii", text.encode("ascii"))


def utf8(text: str) -> Body:
    return Body("text/plain; charset=utf-8", text.encode(), "8bit")


def latin(text: str) -> Body:
    return Body("text/plain; charset=iso-8859-1", text.encode("latin-1"), "8bit")


def quoted(text: str) -> Body:
    coded = quopri.encodestring(text.encode())
    return Body("text/plain; charset=utf-8", coded, "quoted-printable")


def html(text: str) -> Body:
    return Body("text/html; charset=utf-8", text.encode(), "8bit")


def attached(kind: str, name: str, data: bytes) -> Body:
    return Body(f'{kind}; name="{name}"', encodebytes(data), "base64")


def parts(which: str, *bodies: Body) -> Body:
    edge = f"=-{which}-{len(bodies)}-{sum(len(body.text) for body in bodies)}"
    text = b"".join(b"--%s\n%s\n%s\n" % (edge.encode(), _described(b), b.text) for b in bodies)
    kind = f'multipart/{which}; boundary="{edge}"'
    return Body(kind, b"%s--%s--\n" % (text, edge.encode()), "8bit")


def _described(body: Body) -> bytes:
    lines = [f"Content-Type: {body.kind}", f"Content-Transfer-Encoding: {body.encoding}"]
    if "name=" in body.kind:
        name = body.kind.partition("name=")[2]
        lines.append(f"Content-Disposition: attachment; filename={name}")
    return "".join(line + "\n" for line in lines).encode()


def _word(text: str) -> str:
    return text if text.isascii() else f"=?utf-8?B?{b64encode(text.encode()).decode()}?="


def _address(person: str) -> str:
    local = person.replace("ö", "oe")
    return f"{_word(PEOPLE[person])} <{local}@example.org>"


SONGS = "song,minutes,soprano,alto,tenor,bass\n" + "".join(
    f"Song {n},{2 + n % 4},{n % 3},{n % 2},{(n + 1) % 3},{n % 4}\n" for n in range(1, 25)
)
FORWARDED = b"""From: Notes & Scores <shop@example.org>
To: Bo Lindqvist <bo@example.org>
Subject: Your order 4711
Date: Fri, 1 Mar 2024 10:00:00 +0000

Twelve copies of "Evening on the Quay" are on their way.
"""

LETTERS = (
    Letter("ada", "choir", "Spring concert: first thoughts", plain(
        "Dear all,\n\nthe hall is ours on the last Saturday of May. We have ten weeks.\n"
        "Who can look for an accompanist?\n\nAda\n"), x_status="A"),
    Letter("bo", "ada", "Re: Spring concert: first thoughts", plain(
        "I know two pianists and will ask both.\n\n> Who can look for an accompanist?\n\nBo\n")),
    Letter("cleo", "choir", "Re: Spring concert: first thoughts", quoted(
        "Ten weeks is not much. Could we keep three pieces from the winter — “Snø”, "
        "“Évening” and the canon — and learn only four new ones? That would leave every second "
        "rehearsal for the old ones.\n\nCleo\n"), x_status="AF"),
    Letter("dörte", "choir", "Grüße aus Lübeck", utf8(
        "Liebe alle,\n\nich bin bis Ostern in Lübeck und übe hier für mich. Schickt mir bitte die "
        "Noten!\n\nHerzlich\nDörte\n")),
    Letter("emil", "choir", "Noder", latin(
        "Kære alle,\n\nnoderne ligger på flygelet. Tag ét sæt hver.\n\nEmil\n"), keywords="notes"),
    Letter("ada", "choir", "List of songs", parts("mixed",
        plain("The list as a table is attached. Please mark where you are unsure.\n"),
        attached("text/csv", "songs.csv", SONGS.encode())), x_status="F", keywords="notes"),
    Letter("shop", "bo", "Your order 4711", plain(
        "Twelve copies of \"Evening on the Quay\" are on their way.\n\nNotes & Scores\n"),
        keywords="$Receipt"),
    Letter("bo", "ada", "Fwd: Your order 4711", parts("mixed",
        plain("Paid from the till, see below.\n"),
        Body("message/rfc822", FORWARDED)), keywords="$Forwarded $Receipt"),
    Letter("cleo", "ada", "A verse for the programme", plain(
        "How about this on the back page:\n\n"
        "From harbour wall to harbour light\n"
        "the gulls go home, and so we sing.\n\n"
        ">From far away a bell says night,\n"
        "and none of us hears anything.\n"), x_status="F"),
    Letter("choir", "ada", "Reminder: rehearsal on Tuesday", parts("alternative",
        plain("Tuesday, 19:00, school hall. Bring a pencil.\n"),
        html("<p><b>Tuesday, 19:00</b>, school hall. Bring a pencil.</p>\n"))),
    Letter("emil", "choir", "Sick", plain("No voice today. Sing for me.\n"), x_status="D"),
    Letter("bo", "ada", "Pianist found", plain(
        "Ines will play, for the price of a dinner. She needs the scores by Friday.\n"),
        x_status="A"),
    Letter("ada", "bo", "Re: Pianist found", plain("Wonderful! I will send them tonight.\n")),
    Letter("ada", "bo", "Scores for Ines", parts("mixed",
        utf8("Hier sind die ersten Seiten. The rest follows.\n"),
        attached("image/png", "page-1.png", PIXEL),
        attached("image/png", "page-2.png", PIXEL),
        attached("application/octet-stream", "breath marks.bin", bytes(range(256)))),
        keywords="notes"),
    Letter("cleo", "choir", "Minutes of the meeting", plain(
        "".join(f"{n}. Point {n} was discussed and put off until the next meeting.\n"
                for n in range(1, 31)))),
    Letter("dörte", "ada", "Zug verspätet", quoted(
        "Ich komme eine halbe Stunde später. Fangt ohne mich an — ich kenne den Anfang "
        "ja schon.\n"), status="O"),
    Letter("emil", "choir", "Re: Sick", plain("Better. Thank you for the honey.\n")),
    Letter("shop", "bo", "Invoice 2024-118", parts("mixed",
        plain("Please find the invoice attached.\r\n"),
        attached("text/plain", "invoice.txt", b"12 x 4.50 = 54.00\r\n")),
        keywords="$Receipt", line_end="\r\n"),
    Letter("choir", "ada", "No rehearsal over Easter", plain(
        "The school is closed. We meet again on the 9th.\n")),
    Letter("bo", "choir", "Poster, first draft", parts("related",
        html('<p>What do you think? <img src="cid:poster"></p>\n'),
        attached("image/png", "poster.png", PIXEL)), x_status="F"),
    Letter("cleo", "bo", "Re: Poster, first draft", plain("More blue. Less of everything else.\n")),
    Letter("ada", "bo", "Re: Poster, first draft", plain("I like it as it is.\n"), x_status="D"),
    Letter("emil", "ada", "", plain("(forgot the subject, sorry: who has the key?)\n")),
    Letter("ada", "emil", "Re:", plain("I have. See you at seven.\n")),
    Letter("dörte", "choir", "Aufnahme", utf8(
        "Die Aufnahme vom Dienstag ist da. 4:33 ist am besten 🎵\n"), status="O", x_status="F"),
    Letter("bo", "ada", "An empty one", plain(""), status="O"),
    Letter("cleo", "ada", "Draft: thank-you note", plain(
        "Dear Ines,\n\nwithout you\n"), x_status="T"),
    Letter("choir", "ada", "Who brings what", plain(
        "Ada: cups\nBo: cake\nCleo: coffee\nEmil: chairs\n\n\n\n"), status="O"),
    Letter("shop", "ada", "25% off all hymnals!!!", html(
        "<html><body><h1>25% off</h1><p>Only this week.</p></body></html>\n"),
        status="O", keywords="$Junk"),
    Letter("ada", "choir", "Tomorrow", utf8(
        "Black below, any colour above. Be there at five; we sing at seven.\n\n"
        "From the bottom of my heart: thank you.\n\n— Ada\n"), status="O"),
)  # fmt: skip


def message(number: int, letter: Letter) -> bytes:
    """Complete but for quoting; a letter with CRLF has it in every line."""
    date = _date(number)
    lines = [
        f"Return-Path: <{letter.sender.replace('ö', 'oe')}@example.org>",
        f"From: {_address(letter.sender)}",
        f"To: {_address(letter.to)}",
        f"Subject: {_word(letter.subject)}",
        f"Date: {date:%a, %d %b %Y %H:%M:%S} +0000",
        f"Message-ID: <{number:03}.{letter.sender.replace('ö', 'oe')}@example.org>",
        "MIME-Version: 1.0",
    ]
    if letter.to == "choir":
        lines += ["List-Id: Harbour Choir <choir.example.org>", "Precedence: list"]
    if letter.subject == "Aufnahme":
        lines += ["X-Ort: Lübeck"]
    flags = [
        f"Status: {letter.status}",
        *([f"X-Status: {letter.x_status}"] if letter.x_status else []),
        *([f"X-Keywords: {letter.keywords}"] if letter.keywords else []),
    ]
    head = "".join(f"{line}\n" for line in (*lines, *flags)).encode()
    data = head + _described(letter.body) + b"\n" + letter.body.text
    return data.replace(b"\r\n", b"\n").replace(b"\n", letter.line_end.encode())


def sample() -> bytes:
    mbox = b""
    for number, letter in enumerate(LETTERS, start=1):
        sender = letter.sender.replace("ö", "oe")
        mbox += f"From {sender}@example.org {_date(number):%a %b %e %H:%M:%S %Y}\n".encode()
        for line in message(number, letter).splitlines(keepends=True):
            mbox += b">" + line if line.lstrip(b">").startswith(b"From ") else line
        mbox += b"\n"
    return mbox


def _date(number: int) -> datetime:
    return BEGIN + timedelta(days=2 * number, minutes=37 * number, seconds=11 * number)


if __name__ == "__main__":
    SAMPLE.parent.mkdir(exist_ok=True)
    SAMPLE.write_bytes(sample())
