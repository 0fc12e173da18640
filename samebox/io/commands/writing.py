"""The seven operations: create, delete, append, copy, rename, store, expunge."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import click

from crdt import Address, Append, Copy, Create, Delete, Dot, Expunge, Mode, Rename, Store
from samebox.control import NO_BLOB
from samebox.io.commands.confirming import carry_out, read_file
from samebox.io.commands.options import (
    ADDRESS,
    FLAG,
    Asking,
    Site,
    at_node,
    confirmed,
    dots,
    only_entries,
)
from samebox.io.commands.showing import hint

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]

as_file = click.option(
    "--file",
    is_flag=False,
    flag_value="-",
    metavar="[PATH]",
    help="Take a file's content from PATH, or without PATH from standard input.",
)


@click.command()
@click.argument("address", type=ADDRESS)
@as_file
@click.option("--parents", is_flag=True, help="Also make the box and folders on the way.")
@click.option("--fold", is_flag=True, help="With a new box: its names ignore case, for ever.")
@at_node
@confirmed
def create(
    *, address: Address, file: str | None, parents: bool, fold: bool, site: Site, asking: Asking
) -> None:
    """Make a box, a mailbox in it, or a file.

    BOX alone makes a box; BOX:PATH makes a mailbox (a folder), or with --file a file.

    \b
    samebox create mail/alice
    samebox create mail/alice:Archive/2024 --parents
    samebox create files/team:notes.txt --file notes.txt
    """
    content = None if file is None else NO_BLOB
    request = Create(address, content, parents=parents, fold=fold)
    pieces = None if file is None else read_file(file)
    carry_out(site, request, asking, f"created {address}:", pieces)


@click.command()
@click.argument("address", type=ADDRESS)
@at_node
@confirmed
def delete(*, address: Address, site: Site, asking: Asking) -> None:
    """Delete a folder with all that is in it, or a file.

    What others put into it at the same time stays; boxes and INBOX cannot be deleted.

    \b
    samebox delete mail/alice:Archive/2019 --copies all --timeout 10
    """
    carry_out(site, Delete(address), asking, f"deleted {address}:")


@click.command(short_help="Append a message to a mailbox.")
@click.argument("address", type=ADDRESS)
@click.argument("path", default="-")
@click.option(
    "--flag", "flags", multiple=True, type=FLAG, help="A flag, as '\\Seen'; may be repeated."
)
@click.option(
    "--date",
    type=click.DateTime(DATES),
    metavar="DATE",
    help="The message's date, as 2024-02-29, '2024-02-29 18:30:00' in local time, or "
    "2024-02-29T18:30:00+0100.  [default: now]",
)
@at_node
@confirmed
def append(
    *,
    address: Address,
    path: str,
    flags: tuple[str, ...],
    date: datetime | None,
    site: Site,
    asking: Asking,
) -> None:
    """Append a message to a mailbox, from PATH or standard input.

    Prints the id of the new entry. A repetition under one --request-id has to give the --date too.

    \b
    samebox append mail/alice:INBOX message.eml --flag '\\Seen' --copies 2 --timeout 5
    fetch-mail | samebox append mail/alice:INBOX
    """
    date_s = int(date.timestamp()) if date else int(time.time())
    repeat = f"--date {datetime.fromtimestamp(date_s, UTC):{DATES[-1]}}"
    request = Append(address, NO_BLOB, flags, date_s * 1000)
    pieces = not_empty(read_file(path))
    carry_out(site, request, asking, f"appended to {address}:", pieces, repeat=repeat)


def not_empty(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Somebody may mean it, or what should have made the message has failed."""
    empty = True
    for piece in pieces:
        empty = False
        yield piece
    if empty:
        hint("note: the message is empty")


@click.command(short_help="Copy entries, or a file.")
@click.argument("source", type=ADDRESS)
@click.argument("destination", type=ADDRESS)
@only_entries
@at_node
@confirmed
def copy(
    *,
    source: Address,
    destination: Address,
    entries: tuple[Dot, ...],
    site: Site,
    asking: Asking,
) -> None:
    """Copy entries from one mailbox into another, or a file to a new name.

    Without --entry, all entries of the mailbox are copied. The copies have new ids.

    \b
    samebox copy mail/alice:INBOX mail/alice:Work --entry a1b2c3d4:17
    samebox copy files/team:notes.txt files/team:notes-2024.txt
    """
    request = Copy(source, destination, dots(entries))
    carry_out(site, request, asking, f"copied to {destination}:")


@click.command(short_help="Rename or move a folder, a file or entries.")
@click.argument("source", type=ADDRESS)
@click.argument("destination", type=ADDRESS)
@only_entries
@at_node
@confirmed
def rename(
    *,
    source: Address,
    destination: Address,
    entries: tuple[Dot, ...],
    site: Site,
    asking: Asking,
) -> None:
    """Give a folder or file a new name or place; with --entry, move entries between mailboxes.

    \b
    samebox rename mail/alice:Work mail/alice:Archive/Work
    samebox rename mail/alice:INBOX mail/alice:Work --entry a1b2c3d4:17
    """
    request = Rename(source, destination, dots(entries))
    done = "moved" if entries else "renamed"
    carry_out(site, request, asking, f"{done} to {destination}:")


@click.command(short_help="Change flags, or the content of a file.")
@click.argument("address", type=ADDRESS)
@click.option("--add", multiple=True, type=FLAG, help="Set this flag; may be repeated.")
@click.option("--remove", multiple=True, type=FLAG, help="Clear this flag; may be repeated.")
@click.option(
    "--replace",
    "replaced",
    multiple=True,
    type=FLAG,
    help="Set this flag and clear all others; may be repeated.",
)
@click.option("--clear", is_flag=True, help="Clear all flags.")
@only_entries
@as_file
@at_node
@confirmed
def store(
    *,
    address: Address,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    replaced: tuple[str, ...],
    clear: bool,
    entries: tuple[Dot, ...],
    file: str | None,
    site: Site,
    asking: Asking,
) -> None:
    """Change the flags of entries, or with --file the content of a file.

    Without --entry, all entries of the mailbox are changed. One of --add, --remove, --replace and
    --clear at a time.

    \b
    samebox store mail/alice:INBOX --add '\\Seen' --entry a1b2c3d4:17
    samebox store files/team:notes.txt --file notes.txt
    """
    kinds = [bool(add), bool(remove), bool(replaced), clear, file is not None]
    if sum(kinds) != 1:
        raise click.UsageError(
            "expected one of --add, --remove, --replace, --clear and --file, found "
            f"{'none' if not any(kinds) else 'several'}"
        )
    if file is not None:
        if entries:
            raise click.UsageError("expected --file with a file alone, found --entry")
        request = Store(address, content=NO_BLOB)
        carry_out(site, request, asking, f"stored in {address}:", read_file(file))
        return
    mode = Mode.ADD if add else Mode.REMOVE if remove else Mode.SET
    request = Store(address, dots(entries), add or remove or replaced, mode)
    carry_out(site, request, asking, f"flags stored in {address}:")


@click.command(short_help="Remove entries that show \\Deleted, or are named.")
@click.argument("address", type=ADDRESS)
@only_entries
@at_node
@confirmed
def expunge(*, address: Address, entries: tuple[Dot, ...], site: Site, asking: Asking) -> None:
    """Remove entries from a mailbox: those that show \\Deleted, or with --entry those named.

    \b
    samebox expunge mail/alice:INBOX
    samebox expunge mail/alice:INBOX --entry a1b2c3d4:17 --entry a1b2c3d4:18
    """
    carry_out(site, Expunge(address, dots(entries)), asking, f"expunged from {address}:")
