import pytest

from samebox.mail import Began, MboxReader, NotMbox, Quoting
from tests.mail.phrases import Mail, pieces, read

FROM = b"From alice@example.org Thu Jan  1 00:00:05 1970\n"
SIZES = (1, 2, 3, 7, 1 << 20)


def test_an_empty_file_is_an_empty_mailbox() -> None:
    assert read(b"") == []


@pytest.mark.parametrize("size", SIZES)
def test_messages_lie_between_from_lines(size: int) -> None:
    mbox = FROM + b"Subject: a\n\none\n\n" + FROM + b"Subject: b\n\ntwo\n\n"
    assert read(mbox, size) == [
        Mail(b"Subject: a\n\none\n", (), 5000),
        Mail(b"Subject: b\n\ntwo\n", (), 5000),
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("between", "message"),
    [
        (b"", b""),
        (b"\n", b""),
        (b"\r\n", b""),
        (b"\n\n", b"\n"),
        (b"a: b\n\nx\n\n", b"a: b\n\nx\n"),
        (b"a: b\n\nx\n", b"a: b\n\nx\n"),
        (b"a: b\r\n\r\nx\r\n\r\n", b"a: b\r\n\r\nx\r\n"),
        (b"a: b\r\n\r\nx\r\n", b"a: b\r\n\r\nx\r\n"),
        (b"a: b\n\nx\n\n\n", b"a: b\n\nx\n\n"),
        (b"no header at all\n", b"no header at all\n"),
        (b"a: b\n\n\x00\xff\r\r\n\x80\n\n", b"a: b\n\n\x00\xff\r\r\n\x80\n"),
        (b"a: b\n\n From x\nX From y\n\n", b"a: b\n\n From x\nX From y\n"),
    ],
)
def test_bytes_are_kept_but_for_one_empty_line(size: int, between: bytes, message: bytes) -> None:
    mbox = FROM + between + FROM + between
    assert [mail.data for mail in read(mbox, size)] == [message, message]


@pytest.mark.parametrize("size", SIZES)
def test_the_last_message_may_lack_its_line_end(size: int) -> None:
    assert read(FROM + b"a: b\n\nx", size) == [Mail(b"a: b\n\nx", (), 5000)]
    assert read(FROM[:-1], size) == [Mail(b"", (), 5000)]


@pytest.mark.parametrize("size", SIZES)
def test_a_body_line_without_a_date_separates_nothing(size: int) -> None:
    body = b"a: b\n\nFrom here on, at 10:30 in 2024,\n\nFrom \nall is well.\n"
    assert read(FROM + body, size) == [Mail(body, (), 5000)]


def test_the_first_from_line_needs_no_date() -> None:
    assert read(b"From nobody\na: b\n\n" + FROM) == [Mail(b"a: b\n"), Mail(b"", (), 5000)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("quoting", "found"),
    [
        (Quoting.MBOXRD, b"From a\n>From b\n>>From c\n> From d\n"),
        (Quoting.MBOXO, b"From a\n>>From b\n>>>From c\n> From d\n"),
        (Quoting.NONE, b">From a\n>>From b\n>>>From c\n> From d\n"),
    ],
)
def test_quoted_lines(size: int, quoting: Quoting, found: bytes) -> None:
    mbox = FROM + b"x: y\n\n>From a\n>>From b\n>>>From c\n> From d\n"
    assert [mail.data for mail in read(mbox, size, quoting)] == [b"x: y\n\n" + found]


@pytest.mark.parametrize(
    ("line", "date_ms"),
    [
        (b"From a@example.org Fri Feb 13 23:31:30 2009", 1_234_567_890_000),
        (b"From Fri Feb 13 23:31:30 2009", 1_234_567_890_000),
        (b"From - Fri Feb 13 23:31 2009", 1_234_567_860_000),
        (b"From a@example.org  Fri Feb 13 23:31:30 UTC 2009", 1_234_567_890_000),
        (b"From a b c Sat Feb 14 01:31:30 +0200 2009", 1_234_567_890_000),
        (b"From a@example.org Fri Feb 13 18:31:30 2009 -0500", 1_234_567_890_000),
        (b"From a Fri Feb 13 23:31:30 2009 remote from b\r", 1_234_567_890_000),
        (b"From a Thu Jan  1 00:00:00 1970", 0),
        (b"From a Mon Jan  1 00:00:00 0001", -62_135_596_800_000),
        (b"From a Mon Feb 31 00:00:00 2009", None),
        (b"From a Mon Jan  1 00:00:00 0000", None),
    ],
)
def test_dates_of_from_lines(line: bytes, date_ms: int | None) -> None:
    assert read(FROM + b"\n" + line + b"\nx\n")[1:] == [Mail(b"x\n", (), date_ms)]


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (b"Status: RO\n", ("\\Seen",)),
        (b"status: ro\r\nX-STATUS: AFTD\r\n", "\\Answered \\Deleted \\Draft \\Flagged \\Seen"),
        (b"Status: O\nX-Keywords: b  a \n\tc\n", "a b c"),
        (b"X-Keywords: $Forwarded Caf\xc3\xa9 Caf\xe9\n", ("$Forwarded", "Café")),
        (b"Subject: Status: R\nX-Status-Of: F\n", ()),
        (b"\nStatus: R\n", ()),
    ],
)
def test_flags_of_other_programs(header: bytes, flags: str | tuple[str, ...]) -> None:
    wanted = tuple(flags.split()) if isinstance(flags, str) else flags
    (mail,) = read(FROM + b"From: a@example.org\n" + header + b"\nX-Status: D\n")
    assert mail.flags == wanted
    assert header in mail.data


def test_a_message_is_placed_by_the_offset_of_its_from_line() -> None:
    mbox = FROM + b"a: b\n\n>>From x\n\n" + FROM + b"\n" + FROM
    for size in SIZES:
        reader = MboxReader()
        events = [event for piece in pieces(mbox, size) for event in reader.feed(piece)]
        offsets = [e.offset for e in [*events, *reader.finish()] if isinstance(e, Began)]
        assert offsets == [0, len(FROM) + 16, 2 * len(FROM) + 17]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "data", [b"x", b">>>", b"Fro", b"Subject: a\n", b"\nFrom a", b">From a\n", b"From" * 1000]
)
def test_what_is_no_mbox_is_refused(size: int, data: bytes) -> None:
    with pytest.raises(NotMbox, match=r'expected "From " and a line end at byte 0, found b'):
        read(data, size)


def test_a_first_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    reader = MboxReader(offset=7)
    with pytest.raises(NotMbox, match="at byte 7"):
        for piece in pieces(b"From " + b"x" * 5000, 100):
            reader.feed(piece)


def test_a_message_goes_by_in_pieces_however_long_it_or_its_lines_are() -> None:
    reader = MboxReader()
    reader.feed(FROM + b"a: b\n\n")
    piece = b">" * 1000
    for _ in range(5000):
        assert sum(len(getattr(event, "data", b"")) for event in reader.feed(piece)) >= 900
    ends = [*reader.feed(b"From x\n"), *reader.finish()]
    assert getattr(ends[-1], "size", 0) == 6 + 5_000_000 - 1 + len(b"From x\n")


def test_a_header_without_end_is_passed_on_at_its_bound() -> None:
    reader = MboxReader()
    events = reader.feed(FROM + b"Status: R\n")
    for _ in range(1 + (1 << 20) // 1000):
        events += reader.feed(b"x" * 999 + b"\n")
    assert events[0] == Began(0, ("\\Seen",), 5000)


@pytest.mark.parametrize("pieces_", [(b"a: b\n", b"\nx"), (b"a: b\r\n\r", b"\nx"), (b"\r", b"\nx")])
def test_a_message_begins_when_its_header_has_ended(pieces_: tuple[bytes, bytes]) -> None:
    reader = MboxReader()
    assert reader.feed(FROM + pieces_[0]) == []
    assert reader.feed(pieces_[1])[0] == Began(0, (), 5000)
