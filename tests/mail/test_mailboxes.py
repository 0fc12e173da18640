import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from samebox.io.mailboxes import (
    Incoming,
    Outgoing,
    is_maildir,
    maildir_folder,
    maildir_folders,
    maildir_numbers,
    mbox_numbers,
    read_maildir,
    read_mbox,
    write_maildir,
    write_mbox,
)
from samebox.mail import MailError, NotMbox, TooManyKeywords
from tests.mail.phrases import Mail

BIG = b"a: b\n\n" + b"x" * (3 << 20)
FROM_LINE = b"From me Fri Feb 13 23:31:30 2009\n"
MESSAGES = [
    Mail(b"Subject: a\n\nFrom x\n", ("\\Seen", "work"), 1_700_000_000_123),
    Mail(b"", (), 0),
    Mail(BIG, ("$Forwarded", "\\Deleted"), -5001),
    Mail(b"\r\n\xff no end", ("home",), 1_700_000_001_000),
]


def outgoing(messages: list[Mail]) -> Iterator[Outgoing]:
    for place, (data, flags, date_ms) in enumerate(messages):
        half = len(data) // 2
        yield Outgoing(f"k{place}", flags, date_ms or 0, len(data), [data[:half], data[half:]])


def taken(messages: Iterator[Incoming]) -> list[Mail]:
    return [Mail(b"".join(m.chunks), m.flags, m.date_ms) for m in messages]


def test_an_mbox_written_is_read_back(tmp_path: Path) -> None:
    assert write_mbox(tmp_path / "out", outgoing(MESSAGES)) == 4
    assert taken(read_mbox(tmp_path / "out")) == MESSAGES
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["out"]


def test_no_piece_of_an_mbox_is_long(tmp_path: Path) -> None:
    write_mbox(tmp_path / "out", outgoing(MESSAGES))
    lengths = [len(chunk) for m in read_mbox(tmp_path / "out") for chunk in m.chunks]
    assert max(lengths) <= (2 << 20) and sum(lengths) == sum(len(m.data) for m in MESSAGES)


def test_what_is_not_taken_of_a_message_is_skipped(tmp_path: Path) -> None:
    write_mbox(tmp_path / "out", outgoing(MESSAGES))
    assert [m.flags for m in read_mbox(tmp_path / "out")] == [m.flags for m in MESSAGES]


def test_an_interrupted_reading_goes_on_at_a_message(tmp_path: Path) -> None:
    write_mbox(tmp_path / "out", outgoing(MESSAGES))
    numbers = [m.number for m in read_mbox(tmp_path / "out")]
    rest = read_mbox(tmp_path / "out", start=numbers[2])
    assert [(m.number, m.flags) for m in rest] == [
        (numbers[2], MESSAGES[2].flags),
        (numbers[3], MESSAGES[3].flags),
    ]


def test_numbers_are_told_without_the_messages(tmp_path: Path) -> None:
    write_mbox(tmp_path / "out", outgoing(MESSAGES))
    write_maildir(tmp_path / "Mail", outgoing(MESSAGES))
    (tmp_path / "foreign").write_bytes(
        b"From x\n\n>From y\nFrom here on\n\n" + FROM_LINE + b"\nz\n"
    )
    for name in ("out", "foreign"):
        numbers = [m.number for m in read_mbox(tmp_path / name)]
        assert list(mbox_numbers(tmp_path / name)) == numbers and len(numbers) > 1
    numbers = [m.number for m in read_maildir(tmp_path / "Mail")]
    assert list(maildir_numbers(tmp_path / "Mail")) == numbers and len(numbers) == 4


def test_a_reading_that_goes_on_where_no_message_begins_is_refused(tmp_path: Path) -> None:
    write_mbox(tmp_path / "out", outgoing(MESSAGES))
    with pytest.raises(NotMbox, match="at byte 3, found"):
        next(read_mbox(tmp_path / "out", start=3))


def test_messages_added_to_an_mbox_leave_the_numbers_of_the_others(tmp_path: Path) -> None:
    write_mbox(tmp_path / "one", outgoing(MESSAGES[:2]))
    write_mbox(tmp_path / "two", outgoing(MESSAGES))
    before = [m.number for m in read_mbox(tmp_path / "one")]
    assert [m.number for m in read_mbox(tmp_path / "two")][:2] == before


def test_flags_that_cannot_be_held_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(
        b"From a Thu Jan  1 00:00:00 1970\nStatus: R\nX-Keywords: fine Caf\xc3\xa9 \\Odd\n\nx\n"
    )
    (found,) = read_mbox(tmp_path / "in")
    assert (found.flags, found.unfit) == (("\\Seen", "fine"), ("Café", "\\Odd"))


def test_an_export_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"precious")
    with pytest.raises(MailError, match="expected nothing there"):
        write_mbox(tmp_path / "out", outgoing(MESSAGES))
    assert (tmp_path / "out").read_bytes() == b"precious"
    with pytest.raises(MailError, match="found a folder"):
        write_mbox(tmp_path, outgoing(MESSAGES))
    with pytest.raises(MailError, match="expected a Maildir or nothing there, found a file"):
        write_maildir(tmp_path / "out", outgoing(MESSAGES))
    with pytest.raises(MailError, match="or nothing there, found a folder with out; name a new"):
        write_maildir(tmp_path, outgoing(MESSAGES))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(MailError, match="found none; make it first"):
        write_mbox(tmp_path / "not" / "there", outgoing(MESSAGES))
    with pytest.raises(MailError, match="found none; make it first"):
        write_maildir(tmp_path / "not" / "there", outgoing(MESSAGES))
    assert not (tmp_path / "not").exists()


def test_an_export_that_fails_leaves_no_mailbox(tmp_path: Path) -> None:
    def failing() -> Iterator[Outgoing]:
        yield from outgoing(MESSAGES[:1])
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_mbox(tmp_path / "out", failing())
    assert not (tmp_path / "out").exists()


def by_flags(mails: list[Mail]) -> list[Mail]:
    return sorted(mails, key=lambda mail: mail.flags)


def test_a_maildir_written_is_read_back(tmp_path: Path) -> None:
    assert write_maildir(tmp_path, outgoing(MESSAGES)) == 4
    assert is_maildir(tmp_path)
    assert by_flags(taken(read_maildir(tmp_path))) == by_flags(MESSAGES)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_maildir_written_again_has_every_message_once_with_its_new_flags(tmp_path: Path) -> None:
    write_maildir(tmp_path, outgoing(MESSAGES[:2]))
    changed = [MESSAGES[0]._replace(flags=("\\Flagged", "home")), *MESSAGES[1:]]
    assert write_maildir(tmp_path, outgoing(changed)) == 2
    assert by_flags(taken(read_maildir(tmp_path))) == by_flags(changed)


def test_messages_of_a_maildir_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    write_maildir(tmp_path, [])
    (tmp_path / "new" / "20.new").write_bytes(b"new")
    (tmp_path / "cur" / "9.old:2,S").write_bytes(b"old")
    (tmp_path / "cur" / "10.mid:2,").write_bytes(b"mid")
    (tmp_path / "cur" / ".hidden").write_bytes(b"no message")
    found = [(m.data, m.flags) for m in taken(read_maildir(tmp_path))]
    assert found == [(b"old", ("\\Seen",)), (b"mid", ()), (b"new", ())]


def test_a_message_of_a_maildir_keeps_its_number_when_its_flags_change(tmp_path: Path) -> None:
    write_maildir(tmp_path, outgoing(MESSAGES[:1]))
    (before,) = [m.number for m in read_maildir(tmp_path)]
    (file,) = (tmp_path / "cur").iterdir()
    file.rename(file.with_name(file.name + "T"))
    assert [m.number for m in read_maildir(tmp_path)] == [before]


def test_a_message_renamed_while_the_maildir_is_read_is_found(tmp_path: Path) -> None:
    write_maildir(tmp_path, [])
    for name in ("1.a:2,", "2.b:2,", "3.c:2,"):
        (tmp_path / "cur" / name).write_bytes(name.encode())
    reading = read_maildir(tmp_path)
    next(reading)
    (tmp_path / "cur" / "2.b:2,").rename(tmp_path / "cur" / "2.b:2,F")
    (tmp_path / "cur" / "3.c:2,").unlink()
    assert [(m.data, m.flags) for m in taken(reading)] == [(b"2.b:2,", ("\\Flagged",))]


def test_folders_of_a_maildir(tmp_path: Path) -> None:
    for names in (("INBOX",), ("Work",), ("Work", "Entwürfe")):
        write_maildir(maildir_folder(tmp_path, names), outgoing(MESSAGES[:1]))
    (tmp_path / ".no-maildir").mkdir()
    assert [names for names, _ in maildir_folders(tmp_path)] == [
        ("INBOX",),
        ("Work",),
        ("Work", "Entwürfe"),
    ]
    assert (tmp_path / ".Work" / "maildirfolder").exists()
    assert not (tmp_path / "maildirfolder").exists()


def test_what_is_no_maildir_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MailError, match="expected a Maildir with the folders cur, new and tmp"):
        next(read_maildir(tmp_path))


def test_a_maildir_that_cannot_hold_a_keyword_says_so(tmp_path: Path) -> None:
    many = [Mail(b"x", (f"k{n}",), 0) for n in range(27)]
    with pytest.raises(TooManyKeywords):
        write_maildir(tmp_path, outgoing(many))
