"""Request ids of an import: the same when it is run again, so that nothing is added twice.

The client stands for source and destination, the number for the message in the source: in an mbox
the offset of its From_ line, in a Maildir a hash of the unique part of its file name. So messages
may be added to the source between two runs, and an mbox may not change otherwise.
"""

from __future__ import annotations

from hashlib import sha256

CLIENT_BYTES = 8
NUMBER_BITS = 63


def import_client(source: str, box: str, mailbox: str) -> bytes:
    """`source` is an absolute path."""
    parts = (part.encode("utf-8", "surrogateescape") for part in (source, box, mailbox))
    return sha256(b"\0".join((b"samebox import", *parts))).digest()[:CLIENT_BYTES]


def number_of(unique: str) -> int:
    hashed = sha256(unique.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(hashed[:8], "big") >> (64 - NUMBER_BITS)
