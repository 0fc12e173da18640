"""Operations: immutable changes, named by a dot, made in a context.

A body says what happened in terms of ids alone; paths were resolved by the origin. The effect of
every body is defined in docs/semantics.md, at the rule numbers R1–R12 used throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from crdt.ids import Actor, Dot, Stamp

DELETED = "\\Deleted"
"""The one flag with a rule of its own (R4)."""


class Blob(NamedTuple):
    """Immutable bytes, named by their SHA-256.

    `chunks` is the hash of the list of chunk hashes where `size` exceeds one chunk (1 MiB),
    else None: then the blob is its own single chunk.
    """

    hash: bytes
    size: int
    chunks: bytes | None = None


class Issue(NamedTuple):
    """The request that an operation answers: a repeated request makes no second effect (R10).

    `client` is 8 bytes, `number` counts that client's requests, `part` the operations of one
    request; `digest` (4 bytes) tells a repetition from another request under the same id.
    """

    client: bytes
    number: int
    part: int
    digest: bytes


class Born(Struct, frozen=True, gc=False):
    """Seq 1 of every actor: who it is, and which actor the same node wrote as before."""

    node: str
    key: bytes
    previous: tuple[Actor, int, bytes] | None


class BoxMade(Struct, frozen=True, gc=False):
    """The operation's dot is the id of a box; `fold` fixes for ever whether names ignore case."""

    name: str
    fold: bool


class FolderMade(Struct, frozen=True, gc=False):
    parent: Dot
    name: str


class FileMade(Struct, frozen=True, gc=False):
    parent: Dot
    name: str
    blob: Blob


class NodesDeleted(Struct, frozen=True, gc=False):
    """Every node that the delete covers, parents first, each with its parent inside the delete.

    The parent is a position in `nodes`, or -1 for those that the user named.
    """

    nodes: tuple[tuple[Dot, int], ...]


class EntryAppended(Struct, frozen=True, gc=False):
    folder: Dot
    blob: Blob
    flags: tuple[str, ...]
    date_ms: int


class EntryCopied(Struct, frozen=True, gc=False):
    """Complete by itself: it needs its source neither to be known nor to be kept."""

    folder: Dot
    source: Dot
    blob: Blob
    flags: tuple[str, ...]
    date_ms: int


class NodesRenamed(Struct, frozen=True, gc=False):
    """Two registers, either of which may be left alone (None)."""

    nodes: tuple[Dot, ...]
    parent: Dot | None
    name: str | None


class EntriesMoved(Struct, frozen=True, gc=False):
    entries: tuple[Dot, ...]
    folder: Dot


class FlagsStored(Struct, frozen=True, gc=False):
    """`folder` is where the origin saw the entries; `undelete` those it showed as \\Deleted."""

    folder: Dot
    entries: tuple[Dot, ...]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    replace: bool
    undelete: tuple[Dot, ...]


class FileWritten(Struct, frozen=True, gc=False):
    nodes: tuple[Dot, ...]
    blob: Blob


class EntriesExpunged(Struct, frozen=True, gc=False):
    entries: tuple[Dot, ...]


class Unknown(Struct, frozen=True, gc=False):
    """A kind, or an extension that must be understood, of a later version: kept, not applied."""

    kind: int


Body: TypeAlias = (
    Born
    | BoxMade
    | FolderMade
    | FileMade
    | NodesDeleted
    | EntryAppended
    | EntryCopied
    | NodesRenamed
    | EntriesMoved
    | FlagsStored
    | FileWritten
    | EntriesExpunged
    | Unknown
)


class Operation(Struct, frozen=True, gc=False):
    """One change. `others` is the context without the own actor, whose entry is seq − 1.

    `changes` lists the entries of `others` that grew since the same actor's previous operation:
    what its delivery has to wait for. `time_ms` and `principal` are for display only.
    """

    dot: Dot
    lamport: int
    others: Mapping[Actor, int]
    body: Body
    box: Dot | None = None
    issue: Issue | None = None
    principal: str = ""
    time_ms: int = 0
    changes: tuple[tuple[Actor, int], ...] = ()
    extensions: Mapping[int, bytes] = {}

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.lamport, self.dot.actor, self.dot.seq)

    @property
    def dependencies(self) -> tuple[tuple[Actor, int], ...]:
        return self.changes

    def saw(self, dot: Dot) -> bool:
        """Whether `dot` is in this operation's context."""
        actor, seq = dot
        own, next_seq = self.dot
        return seq < next_seq if actor == own else self.others.get(actor, 0) >= seq

    def context(self) -> dict[Actor, int]:
        """The full clock of what the origin had delivered."""
        clock = dict(self.others)
        if self.dot.seq > 1:
            clock[self.dot.actor] = self.dot.seq - 1
        return clock
