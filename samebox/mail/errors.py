"""What can be wrong with a mailbox outside: the world's fault, never ours."""

from __future__ import annotations


class MailError(Exception):
    """Root of the errors of mail formats; the message says where, what was found, what to do."""


class NotMbox(MailError):
    """The bytes do not begin as an mbox does."""


class TooManyKeywords(MailError):
    """A Maildir has letters for 26 keywords."""
