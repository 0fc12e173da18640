"""The mailboxes of a source on disk, and where each of them goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from crdt import Address
from samebox.io.mailboxes import (
    Incoming,
    is_maildir,
    maildir_folders,
    maildir_numbers,
    mbox_numbers,
    read_maildir,
    read_mbox,
)
from samebox.mail import MailError

INBOX = "INBOX"


class Source(NamedTuple):
    """One mailbox of the source. `numbers` are those of its messages, without reading them. `done`
    says how far of `total` a message stands, given how many came before it."""

    path: Path
    mailbox: Address
    read: Callable[[], Iterator[Incoming]]
    numbers: Callable[[], Iterator[int]]
    total: int
    done: Callable[[Incoming, int], int]


def sources(path: Path, address: Address) -> list[Source]:
    """Raises MailError, OSError where the path is neither, before anything is made for it."""
    if is_maildir(path):
        return [
            maildir_source(folder, mailbox_at(address, names))
            for names, folder in maildir_folders(path)
        ]
    if path.is_dir():
        raise MailError(
            "expected an mbox file, or a Maildir with the folders cur and new; found a folder "
            "without them; name one of the two"
        )
    next(read_mbox(path), None)
    return [mbox_source(path, mailbox_at(address, (INBOX,)))]


def mailbox_at(address: Address, names: tuple[str, ...]) -> Address:
    """Where a mailbox of the source goes; below a folder, its INBOX is the folder itself."""
    if address.path:
        names = (address.path, *(() if names == (INBOX,) else names))
    return Address(address.box, "/".join(names))


def mbox_source(path: Path, mailbox: Address) -> Source:
    return Source(
        path,
        mailbox,
        lambda: read_mbox(path),
        lambda: mbox_numbers(path),
        path.stat().st_size,
        lambda message, _: message.number,
    )


def maildir_source(folder: Path, mailbox: Address) -> Source:
    total = sum(1 for part in ("cur", "new") for _ in (folder / part).iterdir())
    return Source(
        folder,
        mailbox,
        lambda: read_maildir(folder),
        lambda: maildir_numbers(folder),
        total,
        lambda _, before: before,
    )
