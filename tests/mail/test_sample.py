import email
import re
from email import policy

from samebox.io.mailboxes import read_mbox
from tests.mail.phrases import Mail, read, write
from tests.make_sample import LETTERS, SAMPLE, message, sample


def test_the_sample_is_what_its_script_makes() -> None:
    assert SAMPLE.read_bytes() == sample(), "run python -m tests.make_sample"


def test_the_sample_is_small_and_invented() -> None:
    text = SAMPLE.read_bytes()
    assert len(text) <= 60_000
    assert {*re.findall(rb"[\w.]+@([\w.]+\w)", text)} == {b"example.org"}


def test_every_message_of_the_sample_is_read_as_it_was_made() -> None:
    found = read(SAMPLE.read_bytes())
    assert [mail.data for mail in found] == [
        message(number, letter) for number, letter in enumerate(LETTERS, start=1)
    ]
    assert len(found) == 30
    assert all(mail.date_ms for mail in found)


def test_the_sample_holds_what_mailboxes_hold() -> None:
    mails = [(Mail(b"".join(m.chunks), m.flags)) for m in read_mbox(SAMPLE)]
    flags = {flag for mail in mails for flag in mail.flags}
    assert flags == {
        *("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"),
        *("$Forwarded", "$Junk", "$Receipt", "notes"),
    }
    parsed = [email.message_from_bytes(mail.data, policy=policy.default) for mail in mails]
    kinds = {part.get_content_type() for mail in parsed for part in mail.walk()}
    assert {"text/html", "image/png", "message/rfc822", "multipart/alternative"} <= kinds
    assert not any(part.defects for mail in parsed for part in mail.walk())


def test_the_sample_survives_import_export_import() -> None:
    first = read(SAMPLE.read_bytes())
    assert read(write(first)) == first
