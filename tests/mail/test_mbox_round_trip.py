import mailbox
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import flag_problem
from samebox.mail import MboxWriter
from tests.mail.phrases import Mail, read, write

SYSTEM = ("\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen")
DATES = st.integers(-62_135_596_800_000, 253_402_300_799_999)
KEYWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=6)
FLAGS = st.lists(
    st.sampled_from(SYSTEM)
    | KEYWORDS.filter(lambda word: word[0] != "\\" and not flag_problem(word)),
    unique_by=str.lower,
).map(lambda flags: tuple(sorted(flags)))
FROM_LINE = b"From a Thu Jan  1 00:00:00 1970"
BLOCK = b"X-Samebox-Export: 1 5 5\nStatus: O\nX-Status: \nX-Keywords: \n"
TROUBLE = st.lists(
    st.sampled_from(
        [b"From ", b">", b"\n", b"\r", b"F", FROM_LINE, BLOCK, b"Status: R", b"\0", b"\xff", b" "]
    )
).map(b"".join)
DATA = st.one_of(st.binary(max_size=40), TROUBLE)
MAILS = st.lists(st.builds(Mail, DATA, FLAGS, DATES), max_size=5)


@given(messages=MAILS, written=st.integers(1, 20), taken=st.integers(1, 20))
def test_what_was_written_is_read_byte_for_byte(
    messages: list[Mail], written: int, taken: int
) -> None:
    assert read(write(messages, written), taken) == messages


@given(messages=MAILS, size=st.integers(1, 20))
def test_what_is_written_does_not_depend_on_the_pieces(messages: list[Mail], size: int) -> None:
    assert write(messages, size) == write(messages)


@given(junk=TROUBLE, size=st.integers(1, 20))
def test_a_foreign_mailbox_read_written_and_read_again_is_the_same(junk: bytes, size: int) -> None:
    first = [
        mail._replace(
            flags=tuple(flag for flag in mail.flags if not flag_problem(flag)),
            date_ms=mail.date_ms or 0,
        )
        for mail in read(b"From b Thu Jan  1 00:00:01 1970\n" + junk, size)
    ]
    assert read(write(first)) == first


@given(messages=MAILS)
def test_line_ends_made_crlf_leave_messages_flags_and_dates_in_place(messages: list[Mail]) -> None:
    plain = [mail._replace(data=mail.data.replace(b"\r", b"x")) for mail in messages]
    known = read(write(plain).replace(b"\n", b"\r\n"))
    assert [mail[1:] for mail in known] == [mail[1:] for mail in messages]


def test_other_programs_find_flags_and_text(tmp_path: Path) -> None:
    text = b"Subject: a\n\nFrom here\n>From there\n"
    written = write([Mail(text, ("\\Answered", "\\Seen", "two"), 1_234_567_890_123)])
    (tmp_path / "out").write_bytes(written)
    with closing(mailbox.mbox(tmp_path / "out", create=False)) as box:
        (found,) = box
    assert found.get_from() == "samebox Fri Feb 13 23:31:30 2009"
    assert (found["Status"], found["X-Status"], found["X-Keywords"]) == ("RO", "A", "two")
    assert found["Subject"] == "a"
    assert found.get_payload() == ">From here\n>>From there\n"


def test_a_flag_changed_by_another_program_in_place_is_read() -> None:
    written = write([Mail(b"a: b\n\nx", ("\\Seen",), 5)])
    assert read(written.replace(b"Status: RO", b"Status: O")) == [Mail(b"a: b\n\nx", (), 5)]


def test_a_block_that_another_program_has_taken_apart_is_part_of_the_message() -> None:
    written = write([Mail(b"a: b\n\nx\n", ("\\Seen",), 5000)]).replace(b"X-Status: \n", b"")
    (mail,) = read(written)
    assert mail.flags == ("\\Seen",) and mail.date_ms == 5000
    assert mail.data.startswith(b"X-Samebox-Export: 1 5000 8\n")


def test_a_message_of_another_size_than_it_was_begun_with_is_our_mistake() -> None:
    writer = MboxWriter()
    writer.begin((), 0, 3)
    writer.content(b"four")
    with pytest.raises(AssertionError, match="1 bytes longer"):
        writer.end()
