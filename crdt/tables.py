"""The rows of a state: names of tables, and the values in them.

A node or entry has one row for each operation that made it: where a repeated request made it twice
(R10), the rows of its *twins* together are the one thing that shows, under the id of the first.
What an alias adds is kept, marked `hidden`. So who stands for whom may change with what arrives,
and nothing has to be moved. Where a thing is *shown* is an index on top, made anew from its rows.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from crdt.ids import Actor
from crdt.operations import Blob

CLOCK = "clock"  # actor -> seq applied
CONTEXTS = "contexts"  # delete, rename, expunge -> its context
ISSUES = "issues"  # client, number, part -> [Issued]

NODES = "nodes"  # id -> NodeRow
TOUCHES = "touches"  # node, actor -> the greatest seq that touched it
RENAMES = "renames"  # node, stamp -> Renamed
MOVES = "moves"  # stamp -> Move
LISTED = "listed"  # delete, parent's position + 1, position -> node
CHILDREN = "children"  # parent, folded name, NUL, node: the visible ones
CONTESTED = "contested"  # parent, folded name: several children, or a file with several contents
CONTENTS = "contents"  # file, dot -> Content
OVERWRITTEN = "overwritten"  # file, dot -> Overwritten, of contents that a write removed (R9)

ENTRIES = "entries"  # id -> EntryRow
SHADOWED = "shadowed"  # entry, stamp, flag's key -> Flag: see crdt.shadows
SHADOWED_LIVES = "shadowed lives"  # entry, stamp -> Life: the same
MAIL = "mail"  # folder, stamp of the entry: unless an expunge took it
MARKED = "marked"  # folder, stamp of the entry: those of them that show as \Deleted
LIVES = "lives"  # folder, life dot, stamp of the entry: all that are in MAIL
COUNTS = "counts"  # folder -> rows in MAIL

WRITTEN = "written"  # operation -> how many contents bear its dot, overwritten ones too

FOLDED = "folded"  # actor -> seq: whatever is still to come has seen all of these
FOLDABLE = "foldable"  # queue, number -> notes of what may be forgotten: see crdt.notes
TAKERS = "takers"  # actor -> its last operation that may have taken something away
JOINED = "joined"  # client, number, part: see crdt.notes.Notes.join
UNKNOWN = "unknown"  # operation of a later version

BOX, FOLDER, FILE = 0, 1, 2

Row = TypeVar("Row")


class Kind(Generic[Row]):
    """How the values of one table are encoded."""

    __slots__ = ("decode", "encode")

    def __init__(self, type_: type[Row]) -> None:
        self.decode = msgspec.msgpack.Decoder(type_).decode
        self.encode = _encode


_encode = msgspec.msgpack.Encoder().encode


class Listing(Struct, array_like=True, gc=False):
    """A delete that lists this node: `key` is its row in LISTED."""

    key: bytes
    cancelled: bool


class NodeRow(Struct, array_like=True, gc=False):
    """`parent`, `name`, `stamp`: of the making. Keys as in crdt.keys.

    `twins`: all ids of the same thing, by stamp; empty where there is one. In the row of the
    first (or only) of them: `place` and `label` are where the node is and how it is called now,
    `placed` and `labelled` the stamps of the renames that said so (empty: the making), `shown`
    the row in CHILDREN (empty: not visible). `renamed` and `written`: of the renames and writes
    that list this id, the greatest seqs, and the union of the contexts. `covered` is the union of
    what deletes had seen that are forgotten, where the node is a container since.
    """

    kind: int
    stamp: bytes
    parent: bytes
    name: str
    fold: bool
    twins: list[bytes]
    place: bytes
    placed: bytes
    label: str
    labelled: bytes
    shown: bytes
    deletes: list[Listing]
    renamed: dict[Actor, int]
    written: dict[Actor, int]
    covered: dict[Actor, int] = {}


class Renamed(Struct, array_like=True, gc=False):
    name: str | None
    hidden: bool


class Undo(Struct, array_like=True, gc=False):
    """A node that a rename moved, and where it was before."""

    node: bytes
    place: bytes
    placed: bytes


class Move(Struct, array_like=True, gc=False):
    """A rename that carries a parent (R7); `done` is empty where it is ignored."""

    nodes: list[bytes]
    parent: bytes
    hidden: bool
    done: list[Undo]


class Content(Struct, array_like=True, gc=False):
    stamp: bytes
    blob: Blob


class Overwritten(Struct, array_like=True, gc=False):
    """`by` is the write."""

    blob: Blob
    by: bytes


class Life(Struct, array_like=True, gc=False):
    """A making, move or undelete of an entry.

    `folder` is where it puts the entry (NOWHERE: homeless; None: it is no move). `under`: as in
    Flag.
    """

    stamp: bytes
    folder: bytes | None
    keep: bool
    hidden: bool
    under: bytes = b""


class Flag(Struct, array_like=True, gc=False):
    """One dot of a flag, as it was spelled. It shadows the dots in `below`, and those with rows of
    their own, whose stamps stand in `under`, one behind the other."""

    flag: str
    stamp: bytes
    hidden: bool
    under: bytes = b""
    below: list[Flag] = []


class EntryRow(Struct, array_like=True, gc=False):
    """`life[0]` is the making. `expunges` are the ids of those that list this id.

    `crowded`: there is more than one operation with the issue of the making. What removes flags
    or keeps from this id is then remembered too (flag's key -> union of the contexts; ALL and
    KEEP are no keys): it might concern twins that are found later. `issue` is the row in ISSUES of
    the making: it stays as long as the entry does.
    """

    blob: Blob
    date_ms: int
    life: list[Life]
    flags: list[Flag] = []
    expunges: list[bytes] = []
    twins: list[bytes] = []
    crowded: bool = False
    removed: dict[str, dict[Actor, int]] = {}
    issue: bytes = b""


class EntryBlob(Struct, array_like=True, gc=False):
    """An EntryRow as far as it names a blob: to decode the rest takes as long again."""

    blob: Blob


ALL = ""
KEEP = "\\deleted"


class Issued(Struct, array_like=True, gc=False):
    """One operation of an issue: which earlier ones it did not see, and where it added its dot."""

    stamp: bytes
    digest: bytes
    kind: int
    unseen: list[int]
    targets: list[bytes]


NODE = Kind(NodeRow)
RENAMED = Kind(Renamed)
MOVE = Kind(Move)
CONTENT = Kind(Content)
OVER = Kind(Overwritten)
ENTRY = Kind(EntryRow)
ENTRY_BLOB = Kind(EntryBlob)
FLAG = Kind(Flag)
LIFE = Kind(Life)
CONTEXT: Kind[dict[Actor, int]] = Kind(dict[Actor, int])
ISSUED: Kind[list[Issued]] = Kind(list[Issued])

SEQ_BYTES = 8


def seq_value(seq: int) -> bytes:
    return seq.to_bytes(SEQ_BYTES, "big")


def seq_of(value: bytes) -> int:
    return int.from_bytes(value, "big")
