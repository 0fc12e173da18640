"""Nodes: what their rows say together, which are visible (R1, R3, R6), and the index of children.

An effect changes rows and marks the nodes concerned as `dirty`; `settle` then brings the index up
to date, from below upwards: whether a node is visible depends on what is directly below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from crdt.contexts import context, widen
from crdt.entries import has_survivor
from crdt.ids import Actor
from crdt.keys import ID_BYTES, NOWHERE, ROOT_KEY, is_inbox_key, saw, stop_of, within
from crdt.names import key
from crdt.notes import VANISHED, Notes
from crdt.operations import Blob, Operation
from crdt.rows import Rows
from crdt.tables import (
    BOX,
    CHILDREN,
    CONTENT,
    CONTENTS,
    CONTESTED,
    FILE,
    MAIL,
    NODE,
    NODES,
    TOUCHES,
    NodeRow,
    seq_of,
    seq_value,
)

Clock: TypeAlias = Mapping[Actor, int]


class Node(NamedTuple):
    """A node that may have twins: `row` is that of `id`, the one that acts."""

    id: bytes
    row: NodeRow
    ids: Sequence[bytes]
    rows: Sequence[NodeRow]


def node_row(rows: Rows, id: bytes) -> NodeRow | None:
    found = rows.get(NODES, id)
    return None if found is None else NODE.decode(found)


def put_node(rows: Rows, id: bytes, row: NodeRow) -> None:
    rows.put(NODES, id, NODE.encode(row))


def known_node(rows: Rows, operation: Operation, id: bytes) -> NodeRow | None:
    """The row of a node that `operation` knows; None for whatever it does not, or is no node."""
    return node_row(rows, id) if saw(operation, id) else None


def changeable(rows: Rows, operation: Operation, id: bytes) -> NodeRow | None:
    """The same, where it may be a target of a rename or delete."""
    row = known_node(rows, operation, id)
    return None if row is None or row.kind == BOX or is_inbox_key(id) else row


def load(rows: Rows, id: bytes) -> Node | None:
    row = node_row(rows, id)
    return None if row is None else with_twins(rows, id, row)


def with_twins(rows: Rows, id: bytes, row: NodeRow) -> Node:
    if not row.twins:
        return Node(id, row, (id,), (row,))
    family = [row if twin == id else existing(rows, twin) for twin in row.twins]
    return Node(row.twins[0], family[0], row.twins, family)


def existing(rows: Rows, id: bytes) -> NodeRow:
    row = node_row(rows, id)
    assert row is not None, f"the node {id.hex()} is named by a row, and is not there"
    return row


def acting(rows: Rows, id: bytes) -> tuple[bytes, NodeRow]:
    """The id that `id` stands for, and its row."""
    row = existing(rows, id)
    if row.twins and row.twins[0] != id:
        return row.twins[0], existing(rows, row.twins[0])
    return id, row


def effective_deletes(rows: Rows, node: Node) -> list[dict[Actor, int]]:
    """What those deletes of it have seen that no rename cancels (R1)."""
    verdicts: dict[bytes, bool] = {}
    for row in node.rows:
        for listing in row.deletes:
            delete = listing.key[:ID_BYTES]
            verdicts[delete] = verdicts.get(delete, False) or listing.cancelled
    return [context(rows, delete) for delete, cancelled in verdicts.items() if not cancelled]


def touch(rows: Rows, operation: Operation, id: bytes) -> None:
    rows.put(TOUCHES, id + operation.dot.actor, seq_value(operation.dot.seq))


def is_touched(rows: Rows, node: Node, deletes: Sequence[Clock]) -> bool:
    """Whether some touch is covered by none of `deletes`. Contexts have no holes, so that of
    each actor's touches the last one tells."""
    for id in node.ids:
        for row, value in rows.scan(TOUCHES, id, stop_of(id)):
            actor, seq = row[ID_BYTES:], seq_of(value)
            if all(seq > delete.get(actor, 0) for delete in deletes):
                return True
    return False


def is_lasting(node: Node) -> bool:
    """Boxes and INBOXes are always there."""
    return node.row.kind == BOX or is_inbox_key(node.id)


def is_visible(rows: Rows, node: Node) -> bool:
    """R3, of a node that is not homeless itself."""
    if is_lasting(node):
        return True
    deletes = effective_deletes(rows, node)
    covers = _covers(node, deletes)
    if not covers or is_touched(rows, node, covers):
        return True
    if any(has_row(rows, CHILDREN, id) for id in node.ids):
        return True
    if not deletes:
        return any(has_row(rows, MAIL, id) for id in node.ids)
    return node.row.kind != FILE and has_survivor(rows, node.ids, deletes)


def is_container(rows: Rows, node: Node) -> bool:
    """Of a node that is visible: whether it is for what is below it alone."""
    if is_lasting(node):
        return False
    covers = _covers(node, effective_deletes(rows, node))
    return bool(covers) and not is_touched(rows, node, covers)


def _covers(node: Node, deletes: Sequence[Clock]) -> list[Clock]:
    """What covers the touches of a node: of the deletes that are forgotten, too. Of its entries,
    those which they had not outlived were forgotten with them."""
    return [*deletes, *(row.covered for row in node.rows if row.covered)]


def has_row(rows: Rows, table: str, prefix: bytes) -> bool:
    return next(rows.scan(table, prefix, stop_of(prefix)), None) is not None


def shown_contents(rows: Rows, node: Node) -> dict[Blob, bytes]:
    """R6: the blobs that a file shows, each with its greatest stamp."""
    deletes = effective_deletes(rows, node)
    written: dict[Actor, int] = {}
    for row in node.rows:
        widen(written, row.written)
    shown: dict[Blob, bytes] = {}
    for id in node.ids:
        for row_key, value in rows.scan(CONTENTS, id, stop_of(id)):
            content, dot = CONTENT.decode(value), row_key[ID_BYTES:]
            removed = within(written, dot) or any(within(seen, dot) for seen in deletes)
            if not removed:
                shown[content.blob] = max(content.stamp, shown.get(content.blob, b""))
    return shown


class Dirty:
    """The nodes whose place in the index of children has to be looked at again."""

    def __init__(self, rows: Rows, notes: Notes) -> None:
        self._rows = rows
        self._notes = notes
        self._nodes: dict[bytes, None] = {}

    def clear(self) -> None:
        self._nodes.clear()

    def add(self, id: bytes) -> None:
        if id and id != ROOT_KEY:
            self._nodes[id] = None

    def settle(self) -> None:
        """The last marked first: deletes list parents before what is below them."""
        while self._nodes:
            id, _ = self._nodes.popitem()
            node = load(self._rows, id)
            if node is not None:  # or it is forgotten (R9)
                self._settle(node)

    def _settle(self, node: Node) -> None:
        row = node.row
        shown = b""
        if row.place and is_visible(self._rows, node):
            shown = child_key(row.place, row.label) + node.id
        if shown == row.shown:
            if shown and row.kind == FILE:
                contest(self._rows, shown[:-ID_BYTES])
            return
        before, row.shown = row.shown, shown
        put_node(self._rows, node.id, row)
        if shown:
            self._rows.put(CHILDREN, shown, b"")
            contest(self._rows, shown[:-ID_BYTES])
            self.add(row.place)
        else:
            self._notes.note(VANISHED, [node.id])
        self.unindex(before)

    def unindex(self, shown: bytes) -> None:
        """Take a row out of the index of children, if there is one."""
        if shown:
            self._rows.remove(CHILDREN, shown)
            contest(self._rows, shown[:-ID_BYTES])
            self.add(shown[:ID_BYTES])


def child_key(parent: bytes, name: str) -> bytes:
    """Children are found by folded names in every box: so a move into another box is one row."""
    return parent + key(name, fold=True).encode() + b"\0"


def contest(rows: Rows, prefix: bytes) -> None:
    """Note whether R8 may give any child with this key another name than its own."""
    children = [id for _, id in zip(range(2), named_children(rows, prefix), strict=False)]
    contested = len(children) > 1
    if len(children) == 1:
        node = load(rows, children[0])
        assert node is not None, "a child in the index is a node"
        contested = node.row.kind == FILE and len(shown_contents(rows, node)) > 1
    if contested:
        rows.put(CONTESTED, prefix, b"")
    else:
        rows.remove(CONTESTED, prefix)


def named_children(rows: Rows, prefix: bytes) -> Iterator[bytes]:
    """Ids of the visible children with one key, as made by `child_key`."""
    for row, _ in rows.scan(CHILDREN, prefix, stop_of(prefix)):
        if len(row) == len(prefix) + ID_BYTES:
            yield row[-ID_BYTES:]


def children(rows: Rows, parents: Iterable[bytes]) -> Iterator[bytes]:
    """Ids of the visible children."""
    for parent in parents:
        for row, _ in rows.scan(CHILDREN, parent, stop_of(parent)):
            yield row[-ID_BYTES:]


def path_up(rows: Rows, id: bytes) -> list[Node] | None:
    """The node and what is above it, up to its box; None for what is homeless."""
    found: list[Node] = []
    while id != ROOT_KEY:
        node = None if id == NOWHERE else load(rows, id)
        if node is None:
            return None
        found.append(node)
        id = node.row.place
    return found
