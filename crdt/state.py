"""The state of a shard: the rows, what operations do to them, and what they show.

It is incremental: an operation costs what it lists, not what the shard holds. The rows hold all
of it, the clock too, so that a transaction of the rows is one of the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from msgspec.structs import replace

from crdt.aliases import part_key
from crdt.digest import Digest
from crdt.effects import Effects
from crdt.entries import (
    Standing,
    counted,
    entry_row,
    entry_rows,
    family_of,
    outlives,
    shown_flags,
    standing,
    survivors,
)
from crdt.folding import KEPT_REQUESTS, Folding, may_need
from crdt.ids import ACTOR_BYTES, Actor, Clock, Dot, Stamp, includes
from crdt.keys import ID_BYTES, dot_of, dots_of, id_in, id_key, key_of_stamp, stamp_of, stop_of
from crdt.lookups import BOXES, Lookups
from crdt.nodes import Node, effective_deletes, load, path_up
from crdt.operations import Blob, Operation
from crdt.requests import Address
from crdt.rows import Rows
from crdt.tables import (
    CLOCK,
    CONTENT,
    CONTENTS,
    ENTRIES,
    ENTRY,
    ENTRY_BLOB,
    ISSUED,
    ISSUES,
    MAIL,
    MARKED,
    OVER,
    OVERWRITTEN,
    EntryRow,
    seq_of,
)
from crdt.uses import names_blob
from crdt.view import EntryView, Located, NodeView, View
from crdt.watched import Folder, WatchedRows

FIRST, LAST = b"", b"\xff" * (ACTOR_BYTES * 4)
"""Around every key of a table whose keys begin with an actor, or with an id."""


FETCH_FIRST, FETCH_MAX = 8, 250
"""Rows of entries that are asked for together: few at first, for many want only one or two."""


class IssuedPart(NamedTuple):
    """What was made of one part of a request; `dot` is that of the operation that acts."""

    part: int
    digest: bytes
    dot: Dot
    stamp: Stamp


class State:
    def __init__(self, rows: Rows) -> None:
        rows = self.rows = WatchedRows(rows)
        self._effects = Effects(rows)
        self._lookups = Lookups(rows)
        self._folding = Folding(rows)

    def clock(self) -> dict[Actor, int]:
        """Of the operations applied."""
        kept = {actor: seq_of(seq) for actor, seq in self.rows.scan(CLOCK, FIRST, LAST)}
        return kept | self.rows.advanced

    def apply(self, operation: Operation) -> None:
        """The effect of an operation whose context is applied, inside a transaction of `rows`.

        Every well-formed operation has one. Raises nothing but what the rows raise.
        """
        self._effects.apply(operation)

    # Forgetting (R9)

    @property
    def folded(self) -> Clock:
        """What was stable when something was forgotten last; empty if nothing was."""
        return self.rows.folded

    def fold(self, stable: Clock, things: int, *, kept_requests: int = KEPT_REQUESTS) -> int:
        """Forget what no operation can need that has all of `stable` in its context, looking at
        `things` or few more, inside a transaction; returns at how many. Shows what it showed.

        From now on, all operations that are applied have to have seen `stable`: see `lacks`.
        """
        return self._folding.fold(stable, things, kept_requests=kept_requests)

    def lacks(self, operation: Operation) -> bool:
        """Whether `operation` has not seen what is folded here, and may need what is forgotten."""
        actor, rows = operation.dot.actor, self.rows
        if not rows.folded or actor in rows.caught_up:
            return False
        if includes(operation.context(), rows.folded):
            rows.caught_up[actor] = None
            return False
        return may_need(operation, rows.folded)

    @property
    def has_unknown(self) -> bool:
        """Whether an operation of a later version was applied: beside it nothing is forgotten."""
        return self._folding.has_unknown

    def names_blob(self, dot: Dot) -> bool:
        """Whether an entry or a content of this operation, shown or not forgotten yet, names the
        blob that it came with."""
        return names_blob(self.rows, id_key(dot))

    # All of it

    def view(self) -> View:
        below: dict[int, list[NodeView]] = {}
        for depth, node in reversed(list(self._lookups.walk())):
            children = tuple(reversed(below.pop(depth + 1, [])))
            entries = () if node.conflict else tuple(self.entries(node.ids))
            whole = replace(node, children=children, entries=entries)
            below.setdefault(depth, []).append(whole)
        return View(tuple(reversed(below.get(0, []))))

    def digest(self) -> bytes:
        """SHA-256 over the view; see crdt.digest."""
        digest = Digest()
        for depth, node in self._lookups.walk():
            digest.node(depth, node)
            for entry in self.entries(node.ids):
                digest.entry(entry)
        return digest.value()

    def blobs(self) -> Iterator[tuple[Blob, Dot]]:
        """Every blob that is not forgotten yet, with the operation that names it; not in order,
        and as often as it is named."""
        for key, value in self.rows.scan(ENTRIES, FIRST, LAST):
            yield ENTRY_BLOB.decode(value).blob, dot_of(key)
        for key, value in self.rows.scan(CONTENTS, FIRST, LAST):
            yield CONTENT.decode(value).blob, dot_of(key[ID_BYTES:])
        for key, value in self.rows.scan(OVERWRITTEN, FIRST, LAST):
            yield OVER.decode(value).blob, dot_of(key[ID_BYTES:])

    # Nodes: views without children and entries

    def walk(self) -> Iterator[tuple[int, NodeView]]:
        """Everything that shows: each node with its depth, its children behind it, by name."""
        return self._lookups.walk()

    def boxes(self) -> list[NodeView]:
        return [group.view() for group in self._lookups.groups(BOXES)]

    def find(self, address: Address) -> NodeView | None:
        """By shown names, compared as R8 compares them; those with suffixes too.

        What was found is remembered until the tree changes: most requests change entries alone.
        """
        found = self.rows.found.get(address)
        if found is None:
            found = self._lookups.find(address)
            if found is not None and not found.container:
                self.rows.remember_node(address, found)
        return found

    def way(self, address: Address) -> list[NodeView]:
        """The box, and what shows under each name behind it, as far as something does."""
        return [group.view() for group in self._lookups.way(address)]

    def node_children(self, ids: Sequence[Dot]) -> list[NodeView]:
        """What shows below nodes that are one, sorted by name."""
        level = self._lookups.level(ids)
        return [] if level is None else [group.view() for group in self._lookups.groups(level)]

    def address_of(self, node: Dot) -> Address | None:
        """Where a node shows now; None if it does not. Remembered until the tree changes."""
        known, key = self.rows.addresses, id_key(node)
        if key not in known:
            self.rows.remember_address(key, self._lookups.address_of(key))
        return known[key]

    def subtree(self, ids: Sequence[Dot]) -> list[tuple[Dot, int]]:
        """What a delete of `ids` lists: these and every node that shows below, parents first,
        each with the position of its parent, or −1."""
        return self._lookups.subtree(ids)

    # Entries

    def entries(
        self,
        ids: Sequence[Dot],
        *,
        after: Stamp | Dot | None = None,
        limit: int | None = None,
    ) -> Iterator[EntryView]:
        """What shows in the folders `ids`, in the order of stamps, lazily.

        `after`: the stamp or the id of an entry; those behind it come.
        """
        ordered = self._ordered(self._folders(ids), self._behind(after))
        for some in _some_at_a_time(islice(ordered, limit)):
            keys = [one[-ID_BYTES:] for one in some]
            values = self.rows.fetch(ENTRIES, keys)
            for dot, value in zip(dots_of(keys), values, strict=True):
                assert value is not None, f"an index names the entry {dot}, which is not there"
                row = ENTRY.decode(value)
                making = row.life[0]
                if making.keep and not (row.flags or row.twins or making.hidden):
                    flags: tuple[str, ...] = ()  # as of most entries
                else:
                    flags = shown_flags(entry_rows(self.rows, row))
                yield EntryView(dot, row.blob, row.date_ms, flags)

    def marked(self, ids: Sequence[Dot]) -> Iterator[Dot]:
        """Those of them that show as \\Deleted, in the same order; the others are not read."""
        streams = (self._marked(folder) for folder in self._folders(ids))
        return (dot_of(id_in(stamp)) for stamp in merge(*streams))

    def _marked(self, folder: Node) -> Iterator[bytes]:
        deletes = effective_deletes(self.rows, folder)
        for stamp in merge(*(self._indexed(MARKED, id) for id in folder.ids)):
            if not deletes or outlives(family_of(self.rows, stamp), deletes):
                yield stamp

    def entry(self, id: Dot) -> tuple[EntryView, Dot] | None:
        """An entry that shows, and the folder where it is."""
        found = self._shown(id)
        if found is None:
            return None
        family, where, folder = found
        return _entry_view(where.stamp, family), folder

    def locate(self, id: Dot) -> Located | None:
        """The same, as far as a request that names entries has to know it."""
        found = self._shown(id)
        if found is None:
            return None
        family, where, folder = found
        shown = id if len(family) == 1 else dot_of(id_in(where.stamp))
        return Located(shown, folder, where.marked)

    def _shown(self, id: Dot) -> tuple[list[EntryRow], Standing, Dot] | None:
        """The rows of an entry that shows, where the index has it, and its folder's id."""
        value = self.rows.get(ENTRIES, id_key(id))
        if value is None:
            return None
        row = ENTRY.decode(value)
        self.rows.planned_on = value, row
        family = entry_rows(self.rows, row) if row.twins else [row]
        where = standing(self.rows, family)
        folder = None if where is None else self._folder_at(where.folder)
        if where is None or folder is None:
            return None
        if folder.deletes and not outlives(family, folder.deletes):
            return None
        return family, where, folder.id

    def _folder_at(self, key: bytes) -> Folder | None:
        """None for what is homeless. Remembered until the tree changes."""
        known = self.rows.folders
        if key not in known:
            path = path_up(self.rows, key)
            node = path[0] if path else None
            deletes = [] if node is None else effective_deletes(self.rows, node)
            folder = None if node is None else Folder(dot_of(node.id), deletes)
            self.rows.remember_folder(key, folder)
        return known[key]

    def count(self, ids: Sequence[Dot]) -> int:
        """How many entries show in the folders `ids`."""
        return sum(self._count(folder) for folder in self._folders(ids))

    def _folders(self, ids: Sequence[Dot]) -> list[Node]:
        """The different nodes among `ids` that are somewhere."""
        nodes: dict[bytes, Node] = {}
        for dot in ids:
            node = load(self.rows, id_key(dot))
            if node is not None and path_up(self.rows, node.id) is not None:
                nodes[node.id] = node
        return list(nodes.values())

    def _count(self, folder: Node) -> int:
        deletes = effective_deletes(self.rows, folder)
        if deletes:
            return sum(1 for _ in survivors(self.rows, folder.ids, deletes))
        return sum(counted(self.rows, id) for id in folder.ids)

    def _ordered(self, folders: Sequence[Node], first: bytes) -> Iterator[bytes]:
        """The stamps of what shows there, each with something in front of it or not."""
        if len(folders) == 1 and len(folders[0].ids) == 1:
            (id,) = folders[0].ids
            if not effective_deletes(self.rows, folders[0]):  # as of most folders
                return map(_KEY, self.rows.scan(MAIL, id + first, stop_of(id)))
        return merge(*(self._stamps(folder, first) for folder in folders))

    def _stamps(self, folder: Node, first: bytes) -> Iterator[bytes]:
        deletes = effective_deletes(self.rows, folder)
        if deletes:
            found = survivors(self.rows, folder.ids, deletes)
            return iter(sorted(stamp for stamp in found if stamp >= first))
        return merge(*(self._indexed(MAIL, id, first) for id in folder.ids))

    def _indexed(self, table: str, folder: bytes, first: bytes = b"") -> Iterator[bytes]:
        for key, _ in self.rows.scan(table, folder + first, stop_of(folder)):
            yield key[ID_BYTES:]

    def _behind(self, after: Stamp | Dot | None) -> bytes:
        """The least key of what is behind an entry; no entry at all is behind one that never
        was."""
        if after is None:
            return b""
        if isinstance(after, Stamp):
            return key_of_stamp(after) + b"\0"
        row = entry_row(self.rows, id_key(after))
        if row is None:
            return LAST
        return entry_rows(self.rows, row)[0].life[0].stamp + b"\0"

    # Requests

    def issued(self, client: bytes, number: int) -> list[IssuedPart]:
        """What was made of a request, in the order of its parts: 0, 1, … without holes."""
        parts: list[IssuedPart] = []
        if self.rows.is_new(client, number):
            return parts
        while True:
            value = self.rows.get(ISSUES, part_key(client, number, len(parts)))
            if value is None:
                return parts
            least = min(ISSUED.decode(value), key=lambda one: one.stamp)
            dot = dot_of(id_in(least.stamp))
            parts.append(IssuedPart(len(parts), least.digest, dot, stamp_of(least.stamp)))


_KEY = itemgetter(0)


def _some_at_a_time(stamps: Iterator[bytes]) -> Iterator[list[bytes]]:
    size = FETCH_FIRST
    while some := list(islice(stamps, size)):
        yield some
        size = FETCH_MAX


def _entry_view(stamp: bytes, family: Sequence[EntryRow]) -> EntryView:
    row = family[0]
    return EntryView(dot_of(id_in(stamp)), row.blob, row.date_ms, shown_flags(family))
