"""Operations as a watcher sees them: what was done, where it shows now, how to go on from it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crdt import (
    Actor,
    Address,
    Born,
    BoxMade,
    Dot,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    NodesDeleted,
    NodesRenamed,
    Operation,
    State,
    Unknown,
)
from samebox.errors import SameboxError


class ChangesGone(SameboxError):
    """The log begins behind the place that is to be gone on from: read anew what there is, and
    watch from there on."""


class Change(Struct, frozen=True):
    """One operation that became visible.

    `cursor` is the clock up to and including it: `changes(since=cursor)` goes on behind it, also
    after a restart and at another node. `box` and `path` say where its first target shows now
    (None where it shows nowhere any more); `entries` are the entries that it named or made.
    """

    cursor: Mapping[Actor, int]
    dot: Dot
    kind: str
    box: str | None
    path: str | None
    entries: tuple[Dot, ...]
    flags: tuple[str, ...]
    text: str
    time_ms: int
    principal: str


class Told(Struct, frozen=True):
    """What a body says: the kind of request behind it, its first target, and its entries."""

    kind: str
    node: Dot | None
    entries: tuple[Dot, ...] = ()
    flags: tuple[str, ...] = ()
    text: str = ""


def describe(state: State, operation: Operation, cursor: Mapping[Actor, int]) -> Change:
    told = _told(operation)
    address = _address(state, told)
    return Change(
        cursor,
        operation.dot,
        told.kind,
        None if address is None else address.box,
        None if address is None else address.path,
        told.entries,
        told.flags,
        told.text,
        operation.time_ms,
        operation.principal,
    )


def _address(state: State, told: Told) -> Address | None:
    node = told.node
    if node is None and told.entries:
        found = state.entry(told.entries[0])
        node = None if found is None else found[1]
    return None if node is None else state.address_of(node)


def _told(operation: Operation) -> Told:
    body = operation.body
    match body:
        case BoxMade(name) | FolderMade(_, name) | FileMade(_, name):
            return Told("create", operation.dot, text=name)
        case NodesDeleted(nodes):
            return Told("delete", nodes[0][0] if nodes else None)
        case EntryAppended():
            return Told("append", body.folder, (operation.dot,), body.flags)
        case EntryCopied():
            return Told("copy", body.folder, (operation.dot,), body.flags)
        case NodesRenamed(nodes, _, name):
            return Told("rename", nodes[0] if nodes else None, text=name or "")
        case EntriesMoved(entries, folder):
            return Told("rename", folder, entries)
        case FlagsStored():
            return Told("store", None, body.entries, text=_flag_words(body))
        case FileWritten(nodes, blob):
            size = "1 byte" if blob.size == 1 else f"{blob.size} bytes"
            return Told("store", nodes[0] if nodes else None, text=size)
        case EntriesExpunged(entries):
            return Told("expunge", None, entries)
        case Born(node):
            return Told("birth", None, text=node)
        case Unknown(kind):
            return Told("unknown", None, text=f"kind {kind} of a later version")


def _flag_words(body: FlagsStored) -> str:
    words = ["="] if body.replace else []
    words += [f"+{flag}" for flag in body.add] + [f"-{flag}" for flag in body.remove]
    if body.undelete:
        words.append("-\\Deleted")
    return " ".join(words)
