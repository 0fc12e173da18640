"""Bodies as MessagePack arrays of short ids, and back.

What an actor is called in there stands in crdt.short_ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct

from crdt.ids import ACTOR_BYTES
from crdt.names import box_problem, flag_problem, problem
from crdt.operations import (
    Blob,
    Body,
    Born,
    BoxMade,
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
)
from crdt.short_ids import IDS_MAX, Malformed, ShortDot, Table

FLAGS_MAX = 1_000
"""Flags in one operation."""
NODE_NAME_BYTES_MAX = 63
CHUNK_BYTES = 1 << 20
"""A longer blob is a sequence of chunks of this size, and names the hash of their list."""
HASH_BYTES = 32

WireBlob: TypeAlias = tuple[bytes, int, bytes | None]


class WireBorn(Struct, array_like=True, gc=False):
    node: str
    key: bytes
    previous: tuple[bytes, int, bytes] | None


class WireNamed(Struct, array_like=True, gc=False):
    parent: ShortDot
    name: str


class WireFile(Struct, array_like=True, gc=False):
    parent: ShortDot
    name: str
    blob: WireBlob


class WireBox(Struct, array_like=True, gc=False):
    name: str
    fold: bool


class WireDelete(Struct, array_like=True, gc=False):
    nodes: list[tuple[int, int, int]]


class WireAppend(Struct, array_like=True, gc=False):
    folder: ShortDot
    blob: WireBlob
    flags: tuple[str, ...]
    date_ms: int


class WireCopy(Struct, array_like=True, gc=False):
    folder: ShortDot
    source: ShortDot
    blob: WireBlob
    flags: tuple[str, ...]
    date_ms: int


class WireRename(Struct, array_like=True, gc=False):
    nodes: tuple[ShortDot, ...]
    parent: ShortDot | None
    name: str | None


class WireMove(Struct, array_like=True, gc=False):
    entries: list[int]
    folder: ShortDot


class WireStore(Struct, array_like=True, gc=False):
    folder: ShortDot
    entries: list[int]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    replace: bool
    undelete: list[int]


class WireWrite(Struct, array_like=True, gc=False):
    nodes: list[int]
    blob: WireBlob


class WireExpunge(Struct, array_like=True, gc=False):
    entries: list[int]


class Kind(NamedTuple):
    """How one kind of body is packed: its number on the wire for ever, how it is packed, what it
    is decoded as, and what makes the body of that."""

    number: int
    pack: Callable[[Any, Table], object]
    wire: type[Struct]
    unpack: Callable[[Any, Table], Body]


def _blob(wire: WireBlob) -> Blob:
    blob = Blob(*wire)
    if len(blob.hash) != HASH_BYTES or (blob.chunks is not None and len(blob.chunks) != HASH_BYTES):
        raise Malformed(f"a blob is named by {HASH_BYTES} bytes")
    if blob.size < 0 or (blob.size > CHUNK_BYTES) != (blob.chunks is not None):
        raise Malformed(f"a blob of {blob.size} bytes names chunks iff it has over {CHUNK_BYTES}")
    return blob


def _flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    if len(flags) > FLAGS_MAX:
        raise Malformed(f"{len(flags)} flags in one operation; at most {FLAGS_MAX}")
    for flag in flags:
        trouble = flag_problem(flag)
        if trouble is not None:
            raise Malformed(f"flag {flag!r}: {trouble}")
    return flags


def _name(name: str) -> str:
    _sound(problem(name), "name", name)
    return name


def _box_name(name: str) -> str:
    _sound(box_problem(name), "box name", name)
    return name


def _sound(trouble: str | None, what: str, found: str) -> None:
    if trouble is not None:
        raise Malformed(f"{what} {found!r}: {trouble}")


def _node_name(name: str) -> str:
    if not 0 < len(name.encode()) <= NODE_NAME_BYTES_MAX:
        raise Malformed(f"a node's name has 1 to {NODE_NAME_BYTES_MAX} bytes")
    return name


def _unpack_born(wire: WireBorn, table: Table) -> Born:
    previous = wire.previous
    if previous is not None and (len(previous[0]) != ACTOR_BYTES or previous[1] < 0):
        raise Malformed("a birth names a previous actor of 16 bytes and its last seq")
    if len(wire.key) > HASH_BYTES:
        raise Malformed(f"a birth names its key by at most {HASH_BYTES} bytes")
    return Born(_node_name(wire.node), wire.key, previous)


def _pack_delete(body: NodesDeleted, table: Table) -> object:
    return [[(*table.short(node), parent) for node, parent in body.nodes]]


def _unpack_delete(wire: WireDelete, table: Table) -> NodesDeleted:
    if len(wire.nodes) > IDS_MAX:
        raise Malformed(f"{len(wire.nodes)} nodes in one delete; at most {IDS_MAX}")
    for place, (_, _, parent) in enumerate(wire.nodes):
        if not -1 <= parent < place:
            raise Malformed("a delete lists parents first, by their position")
    return NodesDeleted(tuple((table.dot((a, s)), parent) for a, s, parent in wire.nodes))


KINDS: Mapping[type, Kind] = {
    Born: Kind(1, lambda b, t: (b.node, b.key, b.previous), WireBorn, _unpack_born),
    BoxMade: Kind(
        2, lambda b, t: (b.name, b.fold), WireBox, lambda w, t: BoxMade(_box_name(w.name), w.fold)
    ),
    FolderMade: Kind(
        3,
        lambda b, t: (t.short(b.parent), b.name),
        WireNamed,
        lambda w, t: FolderMade(t.dot(w.parent), _name(w.name)),
    ),
    FileMade: Kind(
        4,
        lambda b, t: (t.short(b.parent), b.name, b.blob),
        WireFile,
        lambda w, t: FileMade(t.dot(w.parent), _name(w.name), _blob(w.blob)),
    ),
    NodesDeleted: Kind(5, _pack_delete, WireDelete, _unpack_delete),
    EntryAppended: Kind(
        6,
        lambda b, t: (t.short(b.folder), b.blob, b.flags, b.date_ms),
        WireAppend,
        lambda w, t: EntryAppended(t.dot(w.folder), _blob(w.blob), _flags(w.flags), w.date_ms),
    ),
    EntryCopied: Kind(
        7,
        lambda b, t: (
            t.short(b.folder),
            t.short(b.source),
            b.blob,
            b.flags,
            b.date_ms,
        ),
        WireCopy,
        lambda w, t: EntryCopied(
            t.dot(w.folder), t.dot(w.source), _blob(w.blob), _flags(w.flags), w.date_ms
        ),
    ),
    NodesRenamed: Kind(
        8,
        lambda b, t: (
            [t.short(node) for node in b.nodes],
            b.parent and t.short(b.parent),
            b.name,
        ),
        WireRename,
        lambda w, t: NodesRenamed(
            tuple(t.dot(node) for node in w.nodes),
            None if w.parent is None else t.dot(w.parent),
            None if w.name is None else _name(w.name),
        ),
    ),
    EntriesMoved: Kind(
        9,
        lambda b, t: (t.runs(b.entries), t.short(b.folder)),
        WireMove,
        lambda w, t: EntriesMoved(t.dots(w.entries), t.dot(w.folder)),
    ),
    FlagsStored: Kind(
        10,
        lambda b, t: (
            t.short(b.folder),
            t.runs(b.entries),
            b.add,
            b.remove,
            b.replace,
            t.runs(b.undelete) if b.undelete else (),
        ),
        WireStore,
        lambda w, t: FlagsStored(
            t.dot(w.folder),
            t.dots(w.entries),
            _flags(w.add),
            _flags(w.remove),
            w.replace,
            t.dots(w.undelete),
        ),
    ),
    FileWritten: Kind(
        11,
        lambda b, t: (t.runs(b.nodes), b.blob),
        WireWrite,
        lambda w, t: FileWritten(t.dots(w.nodes), _blob(w.blob)),
    ),
    EntriesExpunged: Kind(
        12,
        lambda b, t: (t.runs(b.entries),),
        WireExpunge,
        lambda w, t: EntriesExpunged(t.dots(w.entries)),
    ),
}
"""Reserved numbers: 13 retire, 14 signed chain head, 15–17 member join, active, remove, 18 UID
assignment, 19 access rights. What is not listed here decodes as Unknown."""

KIND_BY_NUMBER: Mapping[int, Kind] = {kind.number: kind for kind in KINDS.values()}

WITH_BLOB = frozenset(
    KINDS[kind].number for kind in (FileMade, EntryAppended, EntryCopied, FileWritten)
)
"""The kinds whose body names a blob, in a field `blob`."""
