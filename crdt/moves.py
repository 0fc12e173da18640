"""R7: renames that carry a parent apply in the order of their stamps, whenever they arrive.

A log holds each such rename with what it replaced. One that arrives late is put at its place: the
later ones are undone on an overlay of the tree, and done again; what differs in the end is written.
After M. Kleppmann, D. Mulligan, V. Gomes and A. Beresford, "A highly-available move operation for
replicated trees", 2021.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from crdt.keys import NOWHERE, ROOT_KEY
from crdt.nodes import Dirty, acting, existing, node_row, put_node
from crdt.rows import Rows
from crdt.tables import MOVE, MOVES, Move, Undo

END = b"\xff" * 32
"""Greater than every stamp: a Lamport time is below 2^62."""

Later: TypeAlias = list[tuple[bytes, Move]]


class Place(NamedTuple):
    """Where a node is, and the stamp of the rename that put it there (empty: its making)."""

    parent: bytes
    placed: bytes


class Moves:
    def __init__(self, rows: Rows, dirty: Dirty) -> None:
        self._rows = rows
        self._dirty = dirty
        self._tree: dict[bytes, Place] = {}

    def add(self, stamp: bytes, nodes: list[bytes], parent: bytes, *, hidden: bool) -> None:
        """A rename arrives. Where it is the latest, nothing is undone."""
        later = self.rewind(stamp)
        self.replay([(stamp, Move(nodes, parent, hidden, [])), *later])

    def hide(self, stamp: bytes, *, hidden: bool) -> None:
        """A rename that is in the log becomes an alias, or is none any more."""
        found = self._rows.get(MOVES, stamp)
        if found is not None:
            (first, move), *later = self.rewind(stamp)
            assert first == stamp, "rewinding ends with the rename itself"
            move.hidden = hidden
            self.replay([(stamp, move), *later])

    def rewind(self, stamp: bytes) -> Later:
        """Undo, on the overlay, all from `stamp` on; they are returned in their order."""
        self._tree.clear()
        later: Later = []
        for key, value in self._rows.scan(MOVES, stamp, END, reverse=True):
            move = MOVE.decode(value)
            for undo in reversed(move.done):
                self._tree[undo.node] = Place(undo.place, undo.placed)
            later.append((key, move))
        later.reverse()
        return later

    def forget(self, id: bytes) -> None:
        """Of an undone id, nothing but its making is left: its row will say where that is."""
        self._tree.pop(id, None)

    def replay(self, later: Later) -> None:
        """Do them again, and write what has changed."""
        for stamp, move in later:
            move.done = []
            if not move.hidden:
                self._move(stamp, move)
            value = MOVE.encode(move)
            if value != self._rows.get(MOVES, stamp):
                self._rows.put(MOVES, stamp, value)
        self._write()

    def _move(self, stamp: bytes, move: Move) -> None:
        """All of its nodes or none: those that show as one stay together. What is forgotten (R9)
        moves no more."""
        ids = [
            acting(self._rows, node)[0]
            for node in move.nodes
            if node_row(self._rows, node) is not None
        ]
        if any(self._is_below(move.parent, id) for id in ids):
            return
        for id in ids:
            move.done.append(Undo(id, *self._place(id)))
            self._tree[id] = Place(move.parent, stamp)

    def _is_below(self, id: bytes, top: bytes) -> bool:
        """Whether `id` is `top` or below it."""
        while id not in (NOWHERE, ROOT_KEY) and node_row(self._rows, id) is not None:
            id = acting(self._rows, id)[0]
            if id == top:
                return True
            id = self._place(id).parent
        return False

    def _place(self, id: bytes) -> Place:
        found = self._tree.get(id)
        if found is None:
            row = existing(self._rows, id)
            found = Place(row.place, row.placed)
        return found

    def _write(self) -> None:
        for id, place in self._tree.items():
            row = node_row(self._rows, id)
            if row is not None and (row.place, row.placed) != place:
                row.place, row.placed = place
                put_node(self._rows, id, row)
                self._dirty.add(id)
        self._tree.clear()
