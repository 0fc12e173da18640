"""R10: the operations of one issue, and which of them stands for which.

An operation has seen none of those that arrive later; so whether two are concurrent is known when
the second one arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct

from crdt.keys import id_in, saw, stamp_key
from crdt.operations import (
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
    Issue,
    NodesDeleted,
    NodesRenamed,
    Operation,
    Unknown,
)
from crdt.tables import Issued

ACTS = -1
_PART = Struct(">QQ")

KINDS: Mapping[type, int] = {
    kind: number
    for number, kind in enumerate(
        (
            Born,
            BoxMade,
            FolderMade,
            FileMade,
            NodesDeleted,
            EntryAppended,
            EntryCopied,
            NodesRenamed,
            EntriesMoved,
            FlagsStored,
            FileWritten,
            EntriesExpunged,
            Unknown,
        )
    )
}
NODE_KINDS = tuple(KINDS[kind] for kind in (BoxMade, FolderMade, FileMade))
ENTRY_KINDS = tuple(KINDS[kind] for kind in (EntryAppended, EntryCopied))


def part_key(client: bytes, number: int, part: int) -> bytes:
    return client + _PART.pack(number, part)


def number_in(key: bytes) -> int:
    """Of the request that a part is of."""
    number: int = _PART.unpack(key[-_PART.size :])[0]
    return number


def issued(operation: Operation, issue: Issue, earlier: Sequence[Issued]) -> Issued:
    """`operation` as it is kept, behind those that arrived before it."""
    unseen: list[int] = []
    if earlier:
        unseen = [at for at, one in enumerate(earlier) if not saw(operation, id_in(one.stamp))]
    return Issued(stamp_key(operation), issue.digest, KINDS[type(operation.body)], unseen, [])


def stands_for(issues: Sequence[Issued]) -> list[int]:
    """For each operation of one issue, the position of the one it stands for, or ACTS."""
    meant = [ACTS] * len(issues)
    order = sorted(range(len(issues)), key=lambda at: issues[at].stamp)
    for rank, at in enumerate(order):
        for least in order[:rank]:
            if least in issues[at].unseen or at in issues[least].unseen:
                if issues[least].kind == issues[at].kind:
                    meant[at] = least if meant[least] == ACTS else meant[least]
                break
    return meant


def related(issues: Sequence[Issued]) -> list[Issued]:
    """Those that the last one has to do with: that it has not seen, that these have not seen or
    that have not seen these, and so on. What is not among them means what it meant before."""
    places: dict[int, None] = {len(issues) - 1: None}
    waiting = list(places)
    while waiting:
        at = waiting.pop()
        near = [*issues[at].unseen, *(i for i, one in enumerate(issues) if at in one.unseen)]
        fresh = [place for place in near if place not in places]
        places.update(dict.fromkeys(fresh))
        waiting += fresh
    order = {at: rank for rank, at in enumerate(sorted(places))}
    return [
        Issued(one.stamp, one.digest, one.kind, [order[at] for at in one.unseen], one.targets)
        for one in (issues[at] for at in order)
    ]


def families(issues: Sequence[Issued], kind: int) -> list[list[int]]:
    """Positions of the operations of one kind that mean the same, the one that acts first."""
    found: dict[int, list[int]] = {}
    meant = stands_for(issues)
    for at in sorted(range(len(issues)), key=lambda at: issues[at].stamp):
        if issues[at].kind == kind:
            found.setdefault(at if meant[at] == ACTS else meant[at], []).append(at)
    return list(found.values())
