"""Forgetting nodes that do not show any more, what deletes had seen, and how nodes were moved and
named. All of it only while the shard is calm: see crdt.folding, and docs/semantics.md at "What is
forgotten, and when"."""

from __future__ import annotations

from crdt.contexts import context, widen
from crdt.deletes import SKIPPED
from crdt.entries import family_of, outlives
from crdt.folded_entries import forget_entry
from crdt.ids import Clock
from crdt.keys import ID_BYTES, stop_of, within
from crdt.limbo import Budget
from crdt.nodes import Node, effective_deletes, is_container, is_lasting, load, put_node
from crdt.notes import Note
from crdt.tables import (
    CONTENTS,
    CONTEXTS,
    COUNTS,
    FILE,
    LISTED,
    MAIL,
    MOVES,
    NODES,
    OVERWRITTEN,
    RENAMED,
    RENAMES,
    TOUCHES,
)
from crdt.uses import release
from crdt.watched import WatchedRows


class FoldedNodes:
    def __init__(self, rows: WatchedRows, stable: Clock, budget: Budget) -> None:
        self._rows = rows
        self._stable = stable
        self._budget = budget

    # Notes: each tells whether all of it is done

    def deleted(self, note: Note) -> bool:
        """What a delete lists, row by row; `note.at` is how far the entries of the first of these
        were looked at."""
        delete = note.by
        for key, id in self._rows.scan(LISTED, delete, stop_of(delete)):
            if self._budget.is_spent:
                return False
            self._budget.spend()
            node = None if id == SKIPPED else load(self._rows, id)
            if node is not None and not self._deleted(note, node, delete):
                return False
            self._rows.remove(LISTED, key)
            note.at = b""
        self._rows.remove(CONTEXTS, delete)
        return True

    def _deleted(self, note: Note, node: Node, delete: bytes) -> bool:
        if self._is_gone(node):
            return self._forget(node)
        ours = [
            listing
            for row in node.rows
            for listing in row.deletes
            if listing.key[:ID_BYTES] == delete
        ]
        if ours and not any(listing.cancelled for listing in ours):
            if not (self._forget_removed(note, node) and self._forget_deleted_contents(node)):
                return False
            if is_container(self._rows, node):
                widen(node.row.covered, context(self._rows, delete))
        for id, row in zip(node.ids, node.rows, strict=True):
            row.deletes = [one for one in row.deletes if one.key[:ID_BYTES] != delete]
            put_node(self._rows, id, row)
        return True

    def vanished(self, note: Note) -> bool:
        node = load(self._rows, note.keys[0])
        return node is None or not self._is_gone(node) or self._forget(node)

    def renamed(self, note: Note) -> bool:
        """Of names, the one that shows stays; of moves, none: what is still to come has a later
        stamp than every one of them, and is applied behind it."""
        stamp, *ids = note.keys
        while ids and not self._budget.is_spent:
            self._budget.spend()
            node = load(self._rows, ids.pop())
            if node is not None:
                self._forget_names(node)
        note.keys[1:] = ids
        if ids:
            return False
        self._rows.remove(MOVES, stamp)
        self._rows.remove(CONTEXTS, note.by)
        return True

    def _forget_names(self, node: Node) -> None:
        for id in node.ids:
            for key, value in list(self._rows.scan(RENAMES, id, stop_of(id))):
                renamed = RENAMED.decode(value)
                is_shown = key[ID_BYTES:] == node.row.labelled and renamed.name is not None
                if not is_shown and within(self._stable, key[-ID_BYTES:]):
                    self._rows.remove(RENAMES, key)

    # Nodes

    def _is_gone(self, node: Node) -> bool:
        """It does not show, and was somewhere: what is homeless may get a place still."""
        return not node.row.shown and node.row.place != b"" and not is_lasting(node)

    def _forget(self, node: Node) -> bool:
        """With all that is in it; the node itself comes last: it tells what is left."""
        for id in node.ids:
            for key, _ in self._rows.scan(MAIL, id, stop_of(id)):
                if self._budget.is_spent:
                    return False
                self._budget.spend()
                forget_entry(self._rows, family_of(self._rows, key[ID_BYTES:]))
        for id in node.ids:
            if not (self._forget_contents(id) and self._forget_overwritten(id)):
                return False
            for table in (TOUCHES, RENAMES):
                for key, _ in list(self._rows.scan(table, id, stop_of(id))):
                    self._rows.remove(table, key)
            self._rows.remove(COUNTS, id)
        for id in node.ids:
            self._rows.remove(NODES, id)
        return True

    def _forget_contents(self, id: bytes) -> bool:
        for key, _ in self._rows.scan(CONTENTS, id, stop_of(id)):
            if self._budget.is_spent:
                return False
            self._budget.spend()
            self._rows.remove(CONTENTS, key)
            release(self._rows, key[ID_BYTES:])
        return True

    def _forget_overwritten(self, id: bytes) -> bool:
        for key, _ in self._rows.scan(OVERWRITTEN, id, stop_of(id)):
            if self._budget.is_spent:
                return False
            self._budget.spend()
            self._rows.remove(OVERWRITTEN, key)
            release(self._rows, key[ID_BYTES:])
        return True

    def _forget_removed(self, note: Note, node: Node) -> bool:
        """The entries of a folder that shows which did not outlive its deletes."""
        deletes = effective_deletes(self._rows, node)
        for id in node.ids:
            if note.at and note.at[:ID_BYTES] > id:
                continue
            start = note.at if note.at[:ID_BYTES] == id else id
            for key, _ in self._rows.scan(MAIL, start, stop_of(id)):
                if self._budget.is_spent:
                    note.at = key
                    return False
                self._budget.spend()
                family = family_of(self._rows, key[ID_BYTES:])
                if not outlives(family, deletes):
                    forget_entry(self._rows, family)
        return True

    def _forget_deleted_contents(self, node: Node) -> bool:
        if node.row.kind != FILE:
            return True
        deletes = effective_deletes(self._rows, node)
        for id in node.ids:
            for key, _ in list(self._rows.scan(CONTENTS, id, stop_of(id))):
                if any(within(seen, key[ID_BYTES:]) for seen in deletes):
                    self._budget.spend()
                    self._rows.remove(CONTENTS, key)
                    release(self._rows, key[ID_BYTES:])
        return True
