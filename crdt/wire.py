"""Bodies as MessagePack arrays of short ids, and back.

Inside a record an actor is a position in a table: 0 is the record's own actor, the others follow
in the order in which that actor's contexts first named them. A dot is [position, seq]; a list of
ids is a flat list of runs [position, first seq, count, …].

Every id has to lie in the operation's context; what does not is ill-formed. So whether a target
is known never depends on the order of delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from crdt.ids import ACTOR_BYTES, ROOT, Actor, Dot
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

IDS_MAX = 100_000
"""Ids in one operation: a few bytes may name a long run, so the run is bounded, not the bytes."""
FLAGS_MAX = 1_000
"""Flags in one operation."""
NODE_NAME_BYTES_MAX = 63
CHUNK_BYTES = 1 << 20
"""A longer blob is a sequence of chunks of this size, and names the hash of their list."""
HASH_BYTES = 32

ShortDot: TypeAlias = tuple[int, int]
WireBlob: TypeAlias = tuple[bytes, int, bytes | None]


class Malformed(Exception):
    """A record that no honest node writes. Its actor stops here; nothing else does."""


class Table(NamedTuple):
    """The actors that a record may name by position, with the context that ids must lie in."""

    actors: Sequence[Actor]
    context: Mapping[Actor, int]
    positions: Mapping[Actor, int]

    def short(self, dot: Dot) -> ShortDot:
        if dot == ROOT:
            return (0, 0)
        return (self.positions[dot.actor], dot.seq)

    def dot(self, short: ShortDot) -> Dot:
        position, seq = short
        if seq == 0 and position == 0:
            return ROOT
        if not 0 <= position < len(self.actors):
            raise Malformed(f"actor {position} named, but the table has {len(self.actors)}")
        actor = self.actors[position]
        if seq == 0 or abs(seq) > self.context.get(actor, 0):
            raise Malformed(f"id {actor.hex()[:8]}:{seq} is outside the operation's context")
        return Dot(actor, seq)

    def runs(self, dots: Iterable[Dot]) -> list[int]:
        """Ids grouped by actor, as runs of consecutive seqs; the order of ids has no meaning."""
        flat: list[int] = []
        for position, seq in sorted(self.short(dot) for dot in dots):
            if flat and flat[-3] == position and seq == flat[-2] + flat[-1]:
                flat[-1] += 1
            else:
                flat += (position, seq, 1)
        return flat

    def dots(self, flat: Sequence[int]) -> tuple[Dot, ...]:
        if len(flat) % 3 or any(count < 1 for count in flat[2::3]):
            raise Malformed("a list of ids is not made of runs [actor, first, count]")
        if sum(flat[2::3]) > IDS_MAX:
            raise Malformed(f"{sum(flat[2::3])} ids in one operation; at most {IDS_MAX}")
        return tuple(
            self.dot((flat[i], flat[i + 1] + n))
            for i in range(0, len(flat), 3)
            for n in range(flat[i + 2])
        )


class WireBorn(Struct, array_like=True):
    node: str
    key: bytes
    previous: tuple[bytes, int, bytes] | None


class WireNamed(Struct, array_like=True):
    parent: ShortDot
    name: str


class WireFile(Struct, array_like=True):
    parent: ShortDot
    name: str
    blob: WireBlob


class WireBox(Struct, array_like=True):
    name: str
    fold: bool


class WireDelete(Struct, array_like=True):
    nodes: list[tuple[int, int, int]]


class WireAppend(Struct, array_like=True):
    folder: ShortDot
    blob: WireBlob
    flags: tuple[str, ...]
    date_ms: int


class WireCopy(Struct, array_like=True):
    folder: ShortDot
    source: ShortDot
    blob: WireBlob
    flags: tuple[str, ...]
    date_ms: int


class WireRename(Struct, array_like=True):
    nodes: tuple[ShortDot, ...]
    parent: ShortDot | None
    name: str | None


class WireMove(Struct, array_like=True):
    entries: list[int]
    folder: ShortDot


class WireStore(Struct, array_like=True):
    folder: ShortDot
    entries: list[int]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    replace: bool
    undelete: list[int]


class WireWrite(Struct, array_like=True):
    nodes: list[int]
    blob: WireBlob


class WireExpunge(Struct, array_like=True):
    entries: list[int]


class Kind(NamedTuple):
    """How one kind of body is packed: its number on the wire for ever, and the two directions."""

    number: int
    pack: Callable[[Any, Table], object]
    unpack: Callable[[bytes, Table], Body]


def _kind(
    number: int,
    wire: type[Struct],
    pack: Callable[[Any, Table], object],
    unpack: Callable[[Any, Table], Body],
) -> Kind:
    decoder = msgspec.msgpack.Decoder(wire)
    return Kind(number, pack, lambda raw, table: unpack(decoder.decode(raw), table))


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
        _sound(flag_problem(flag), "flag", flag)
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
    Born: _kind(1, WireBorn, lambda b, t: (b.node, b.key, b.previous), _unpack_born),
    BoxMade: _kind(
        2, WireBox, lambda b, t: (b.name, b.fold), lambda w, t: BoxMade(_box_name(w.name), w.fold)
    ),
    FolderMade: _kind(
        3,
        WireNamed,
        lambda b, t: (t.short(b.parent), b.name),
        lambda w, t: FolderMade(t.dot(w.parent), _name(w.name)),
    ),
    FileMade: _kind(
        4,
        WireFile,
        lambda b, t: (t.short(b.parent), b.name, b.blob),
        lambda w, t: FileMade(t.dot(w.parent), _name(w.name), _blob(w.blob)),
    ),
    NodesDeleted: _kind(5, WireDelete, _pack_delete, _unpack_delete),
    EntryAppended: _kind(
        6,
        WireAppend,
        lambda b, t: (t.short(b.folder), b.blob, b.flags, b.date_ms),
        lambda w, t: EntryAppended(t.dot(w.folder), _blob(w.blob), _flags(w.flags), w.date_ms),
    ),
    EntryCopied: _kind(
        7,
        WireCopy,
        lambda b, t: (
            t.short(b.folder),
            t.short(b.source),
            b.blob,
            b.flags,
            b.date_ms,
        ),
        lambda w, t: EntryCopied(
            t.dot(w.folder), t.dot(w.source), _blob(w.blob), _flags(w.flags), w.date_ms
        ),
    ),
    NodesRenamed: _kind(
        8,
        WireRename,
        lambda b, t: (
            [t.short(node) for node in b.nodes],
            b.parent and t.short(b.parent),
            b.name,
        ),
        lambda w, t: NodesRenamed(
            tuple(t.dot(node) for node in w.nodes),
            None if w.parent is None else t.dot(w.parent),
            None if w.name is None else _name(w.name),
        ),
    ),
    EntriesMoved: _kind(
        9,
        WireMove,
        lambda b, t: (t.runs(b.entries), t.short(b.folder)),
        lambda w, t: EntriesMoved(t.dots(w.entries), t.dot(w.folder)),
    ),
    FlagsStored: _kind(
        10,
        WireStore,
        lambda b, t: (
            t.short(b.folder),
            t.runs(b.entries),
            b.add,
            b.remove,
            b.replace,
            t.runs(b.undelete),
        ),
        lambda w, t: FlagsStored(
            t.dot(w.folder),
            t.dots(w.entries),
            _flags(w.add),
            _flags(w.remove),
            w.replace,
            t.dots(w.undelete),
        ),
    ),
    FileWritten: _kind(
        11,
        WireWrite,
        lambda b, t: (t.runs(b.nodes), b.blob),
        lambda w, t: FileWritten(t.dots(w.nodes), _blob(w.blob)),
    ),
    EntriesExpunged: _kind(
        12,
        WireExpunge,
        lambda b, t: (t.runs(b.entries),),
        lambda w, t: EntriesExpunged(t.dots(w.entries)),
    ),
}
"""Reserved numbers: 13 retire, 14 signed chain head, 15–17 member join, active, remove, 18 UID
assignment, 19 access rights. What is not listed here decodes as Unknown."""

KIND_BY_NUMBER: Mapping[int, Kind] = {kind.number: kind for kind in KINDS.values()}

WITH_BLOB: Mapping[int, msgspec.msgpack.Decoder[Any]] = {
    KINDS[FileMade].number: msgspec.msgpack.Decoder(WireFile),
    KINDS[EntryAppended].number: msgspec.msgpack.Decoder(WireAppend),
    KINDS[EntryCopied].number: msgspec.msgpack.Decoder(WireCopy),
    KINDS[FileWritten].number: msgspec.msgpack.Decoder(WireWrite),
}
"""The kinds whose body names a blob, in a field `blob`."""
