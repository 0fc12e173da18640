"""What a node shows: ls and cat."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from shlex import quote

import click

from crdt import Address, Dot, EntryView, Kind, NodeView
from samebox import spelling
from samebox.control import Boxes, Entries, EntryPage, Listed, Look, Nodes, Opened, Piece, Read
from samebox.io.commands.options import (
    ADDRESS,
    ENTRY,
    Misused,
    Site,
    as_json,
    at_node,
    connected,
)
from samebox.io.commands.showing import answering, escaped, hint, say, say_json, size_words, when
from samebox.io.control_client import Connection
from samebox.spelling import plural


@click.command(short_help="List boxes, folders and files, or entries.")
@click.argument("address", type=ADDRESS, required=False)
@click.option("--entries", is_flag=True, help="The entries of the mailbox instead of its folders.")
@click.option("--recursive", "-r", is_flag=True, help="Everything below, too.")
@as_json
@at_node
def ls(*, address: Address | None, entries: bool, recursive: bool, json: bool, site: Site) -> None:
    """List boxes; the folders and files in a box or folder; or the entries of a mailbox.

    \b
    samebox ls
    samebox ls mail/alice --recursive
    samebox ls mail/alice:INBOX --entries --json
    """
    if entries and (address is None or recursive):
        raise click.UsageError("expected --entries with one mailbox, as mail/alice:INBOX")
    with connected(site) as node:
        if address is None:
            show_boxes(node, json=json, recursive=recursive)
        elif entries:
            show_entries(node, address, json=json)
        else:
            show_address(node, address, json=json, recursive=recursive)


def show_boxes(node: Connection, *, json: bool, recursive: bool) -> None:
    found = boxes(node)
    if not found and not json:
        hint("there is no box yet; make one: samebox create mail/alice")
    for listed in found:
        show_node(Address(listed.node.name), listed, json=json)
        if recursive:
            show_below(node, Address(listed.node.name), json=json)


def show_entries(node: Connection, address: Address, *, json: bool) -> None:
    found = False
    for entry in entries_of(node, address):
        found = True
        show_entry(entry, json=json)
    if not found and not json:
        hint(f"no entry is in {address}")


def show_address(node: Connection, address: Address, *, json: bool, recursive: bool) -> None:
    place, *inside_it = look(node, address)
    if not inside_it and place.node.kind is not Kind.FILE and not json:
        hint(about_no_folders(address, place))
    for position, listed in enumerate([place, *inside_it]):
        if position == 0 and listed.node.kind is not Kind.FILE:
            continue
        where = address if position == 0 else inside(address, listed.node.name)
        show_node(where, listed, json=json)
        if recursive and listed.node.kind is not Kind.FILE:
            show_below(node, where, json=json)


def about_no_folders(address: Address, place: Listed) -> str:
    """An empty answer about a full mailbox would be misunderstood."""
    if place.entries:
        held = plural(place.entries, "entry", "entries")
        return f"no folders or files in it, and {held}: samebox ls --entries {quote(str(address))}"
    return f"nothing is in {address} yet"


def show_below(node: Connection, address: Address, *, json: bool) -> None:
    for where, listed in walk(node, address):
        show_node(where, listed, json=json)


def boxes(node: Connection) -> list[Listed]:
    return listed_in(node.call(Boxes()))


def look(node: Connection, address: Address) -> list[Listed]:
    """What stands at the address, then what is in it."""
    return listed_in(node.call(Look(address)))


def walk(node: Connection, address: Address) -> Iterator[tuple[Address, Listed]]:
    """All that is below, depth first."""
    for listed in look(node, address)[1:]:
        where = inside(address, listed.node.name)
        yield where, listed
        if listed.node.kind is Kind.FOLDER:
            yield from walk(node, where)


def listed_in(bodies: Iterator[object]) -> list[Listed]:
    found: list[Listed] = []
    for body in bodies:
        assert isinstance(body, Nodes), f"a look is answered by {body}"
        found += body.nodes
    return found


def entries_of(node: Connection, address: Address) -> Iterator[EntryView]:
    for body in node.call(Entries(address)):
        assert isinstance(body, EntryPage), f"entries are answered by {body}"
        yield from body.entries


def inside(address: Address, name: str) -> Address:
    return Address(address.box, f"{address.path}/{name}".lstrip("/"))


def show_node(where: Address, listed: Listed, *, json: bool) -> None:
    node = listed.node
    if json:
        say_json(
            address=str(where),
            kind=str(node.kind),
            name=node.name,
            ids=[str(id) for id in node.ids],
            entries=listed.entries if node.kind is Kind.FOLDER else None,
            size=None if node.kind is not Kind.FILE else node.blob.size if node.blob else 0,
            sha256=None if node.blob is None else node.blob.hash.hex(),
            container=node.container,
            conflict=None if node.conflict is None else str(node.conflict),
        )
    else:
        say(f"{node.kind:<6}  {amount(listed):>15}  {where}{remark(node)}")


def amount(listed: Listed) -> str:
    match listed.node.kind:
        case Kind.BOX:
            return ""
        case Kind.FOLDER:
            return plural(listed.entries, "entry", "entries")
        case Kind.FILE:
            return size_words(listed.node.blob.size if listed.node.blob else 0)


def remark(node: NodeView) -> str:
    if node.conflict is not None:
        return "  (written at the same time as another content of the file)"
    if node.container:
        return "  (deleted; kept for what is in it)"
    return ""


def show_entry(entry: EntryView, *, json: bool) -> None:
    if json:
        say_json(
            id=spelling.shown_entry(entry.id),
            size=entry.blob.size,
            sha256=entry.blob.hash.hex(),
            date_ms=entry.date_ms,
            flags=list(entry.flags),
        )
    else:
        size = size_words(entry.blob.size)
        flags = " ".join(entry.flags)
        id = spelling.shown_entry(entry.id)
        say(f"{id:<16}  {when(entry.date_ms)}  {size:>9}  {flags}".rstrip())


@click.command(short_help="Write out a file, or one entry of a mailbox.")
@click.argument("address", type=ADDRESS)
@click.argument("entry", type=ENTRY, required=False)
@at_node
def cat(*, address: Address, entry: Dot | None, site: Site) -> None:
    """Write the bytes of a file, or of one entry of a mailbox, to standard output.

    Bytes that are not at this node yet are fetched from a peer; that may take until one is there.

    \b
    samebox cat files/team:notes.txt
    samebox cat mail/alice:INBOX a1b2c3d4:17 > message.eml
    """
    if sys.stdout is None:
        raise Misused("expected standard output to write to, found it closed")
    with connected(site) as node:
        for data in contents(node, address, entry):
            with answering():
                sys.stdout.buffer.write(data)
        with answering():
            sys.stdout.buffer.flush()


def contents(node: Connection, address: Address, entry: Dot | None) -> Iterator[bytes]:
    """Every byte that the node announced; anything less is an error there."""
    for body in node.call(Read(address, entry)):
        match body:
            case Opened():
                pass
            case Piece(data):
                yield data
            case _:
                raise AssertionError(f"a read is answered by {escaped(repr(body))}")
