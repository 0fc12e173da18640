"""Why a request is refused at its origin, before it becomes an operation (docs/requests.md)."""

from __future__ import annotations

from enum import StrEnum

from crdt.requests import Address


class Code(StrEnum):
    """What programs may rely on; the message is for people."""

    NO_SUCH_BOX = "no-such-box"
    NO_SUCH_NAME = "no-such-name"
    NO_SUCH_MAILBOX = "no-such-mailbox"
    NO_SUCH_FILE = "no-such-file"
    NO_SUCH_ENTRY = "no-such-entry"
    NAME_TAKEN = "name-taken"
    BAD_NAME = "bad-name"
    BAD_FLAG = "bad-flag"
    BAD_DATE = "bad-date"
    BAD_BLOB = "bad-blob"
    NOT_A_MAILBOX = "not-a-mailbox"
    NOT_A_FILE = "not-a-file"
    IS_BOX = "is-box"
    IS_INBOX = "is-inbox"
    INTO_ITSELF = "into-itself"
    CONFLICT_COPY = "conflict-copy"
    TOO_LARGE = "too-large"
    UNCLEAR = "unclear"


class Refused(Exception):
    """The request cannot be done on what the origin shows; nothing has changed."""

    def __init__(self, code: Code, address: Address, message: str) -> None:
        super().__init__(f"{address}: {message}")
        self.code = code
        self.address = address

    @property
    def message(self) -> str:
        """Where, what was expected, what was found, what to do."""
        return str(self.args[0])
