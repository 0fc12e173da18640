"""export: mailboxes as mbox files or as a Maildir, with flags and dates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from crdt import Address, Kind
from samebox.io.commands.looking import entries_of, look, walk
from samebox.io.commands.mail_sources import INBOX
from samebox.io.commands.options import (
    ADDRESS,
    Misused,
    Refused,
    Site,
    as_json,
    at_node,
    connected,
)
from samebox.io.commands.progress import Advance, progress
from samebox.io.commands.reading_ahead import ReadingAhead
from samebox.io.commands.showing import hint, say, say_json
from samebox.io.control_client import Connection
from samebox.io.mailboxes import Outgoing, maildir_folder, write_maildir, write_mbox
from samebox.mail import MailError
from samebox.spelling import plural


class Mailbox(NamedTuple):
    """`names` is its path below what is exported; the exported mailbox itself is INBOX."""

    names: tuple[str, ...]
    address: Address
    entries: int


@click.command(short_help="Export mailboxes as an mbox file or a Maildir.")
@click.argument("address", type=ADDRESS)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["mbox", "maildir"]),
    required=True,
    help="mbox: one mailbox as one file. maildir: a folder, with the mailboxes below in it.",
)
@as_json
@at_node
def export(*, address: Address, path: Path, form: str, json: bool, site: Site) -> None:
    """Export mailboxes to PATH, as an mbox file or as a Maildir, with flags and dates.

    As a Maildir, BOX alone exports all its mailboxes, BOX:FOLDER that one and those below it. Into
    a Maildir that is there already, what is missing is added, and flags are brought up to date; a
    folder of other files is refused. As an mbox, BOX alone exports its INBOX; the file must not be
    there yet. The folder that PATH is in must be there.

    \b
    samebox export mail/alice:Archive/2024 archive.mbox --format mbox
    samebox export mail/alice ~/Maildir --format maildir
    """
    counts: dict[str, int] = {}
    try:
        with connected(site) as listing, connected(site) as reading:
            found, files = mailboxes(listing, address)
            if form == "mbox":
                found, files = found[:1], 0
            for mailbox in found:
                write = writer(path, form, mailbox)
                with progress(str(mailbox.address), mailbox.entries) as advance:
                    messages = outgoing(listing, reading, mailbox.address, advance)
                    counts[str(mailbox.address)] = write(messages)
    except (MailError, OSError) as error:
        done = f"stopped after {plural(len(counts), 'mailbox', 'mailboxes')}: " if counts else ""
        raise Refused(f"{done}{error}") from None
    if files:
        left = plural(files, "file is", "files are")
        hint(f"note: {left} left out, as a Maildir holds messages alone; samebox cat writes one")
    tell(counts, path, json=json)


def mailboxes(node: Connection, address: Address) -> tuple[list[Mailbox], int]:
    """The mailbox at the address, for a box its INBOX, and then those below it; and how many files
    stand among them."""
    top = look(node, address)[0]
    if top.node.kind is Kind.FILE:
        raise Misused(f"expected a box or mailbox at {address}, found a file; use samebox cat")
    files = 0
    found = [] if top.node.kind is Kind.BOX else [Mailbox((INBOX,), address, top.entries)]
    for where, listed in walk(node, address):
        if listed.node.kind is Kind.FOLDER:
            names = tuple(where.path.removeprefix(address.path).strip("/").split("/"))
            found.append(Mailbox(names, where, listed.entries))
        else:
            files += 1
    inboxes = [mailbox for mailbox in found if mailbox.names == (INBOX,)]
    if len(inboxes) != 1:
        both = " and ".join(str(mailbox.address) for mailbox in inboxes)
        raise Refused(f"expected one INBOX in what is exported, found {both}; rename one")
    return inboxes + [mailbox for mailbox in found if mailbox.names != (INBOX,)], files


def writer(path: Path, form: str, mailbox: Mailbox) -> Callable[[Iterator[Outgoing]], int]:
    if form == "mbox":
        return partial(write_mbox, path)
    return partial(write_maildir, maildir_folder(path, mailbox.names))


def outgoing(
    listing: Connection, reading: Connection, mailbox: Address, advance: Advance
) -> Iterator[Outgoing]:
    ahead = ReadingAhead(reading, mailbox, entries_of(listing, mailbox))
    for count, (entry, pieces) in enumerate(ahead):
        advance(count)
        key = f"{entry.id.actor.hex()}-{entry.id.seq}"
        yield Outgoing(key, entry.flags, entry.date_ms, entry.blob.size, pieces)


def tell(counts: dict[str, int], path: Path, *, json: bool) -> None:
    if json:
        say_json(path=str(path), exported=sum(counts.values()), mailboxes=counts)
        return
    where = next(iter(counts)) if len(counts) == 1 else plural(len(counts), "mailbox", "mailboxes")
    say(f"exported {plural(sum(counts.values()), 'message')} of {where} to {path}")
