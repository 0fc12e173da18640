"""R1: which deletes are cancelled for which nodes.

A rename cancels the deletes that are concurrent with it, for the nodes that it lists and for all
below these inside the delete. What a delete lists is kept under its parents' positions, so that
the cancelled part is walked and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from crdt.contexts import context, remember_context
from crdt.ids import Dot
from crdt.keys import ID_BYTES, id_in, id_key, saw, stop_of, within
from crdt.nodes import Dirty, Node, changeable, existing, load, put_node, with_twins
from crdt.operations import NodesDeleted, Operation
from crdt.rows import Rows
from crdt.tables import LISTED, RENAMES, Listing

POSITION_BYTES = 4
SKIPPED = b""
"""In place of a target that is unknown or may not be deleted."""


class Listed(NamedTuple):
    """One row of a delete: `node` may be SKIPPED; the parent's position is −1 for none."""

    key: bytes
    node: bytes
    position: int
    parent: int


def _row_key(delete: bytes, parent: int, position: int) -> bytes:
    places = (parent + 1, position)
    return delete + b"".join(place.to_bytes(POSITION_BYTES, "big") for place in places)


def _below(rows: Rows, delete: bytes, position: int) -> Iterator[Listed]:
    """What the delete lists directly below a position of it."""
    prefix = delete + (position + 1).to_bytes(POSITION_BYTES, "big")
    for key, node in rows.scan(LISTED, prefix, stop_of(prefix)):
        yield _listed(key, node)


def _listed(key: bytes, node: bytes) -> Listed:
    places = key[ID_BYTES:]
    parent = int.from_bytes(places[:POSITION_BYTES], "big") - 1
    return Listed(key, node, int.from_bytes(places[POSITION_BYTES:], "big"), parent)


def delete_nodes(rows: Rows, dirty: Dirty, operation: Operation, body: NodesDeleted) -> None:
    delete = id_key(operation.dot)
    cancelled: list[bool] = []
    for position, (dot, above) in enumerate(body.nodes):
        parent = above if 0 <= above < position else -1
        id = id_key(dot)
        row = changeable(rows, operation, id)
        verdict = parent >= 0 and cancelled[parent]
        key = _row_key(delete, parent, position)
        if row is not None:
            verdict = verdict or _is_renamed(operation, with_twins(rows, id, row))
            row.deletes.append(Listing(key, verdict))
            put_node(rows, id, row)
            dirty.add(id)
        rows.put(LISTED, key, SKIPPED if row is None else id)
        cancelled.append(verdict)
    remember_context(rows, operation)


def _is_renamed(delete: Operation, node: Node) -> bool:
    """Whether a rename is here that the delete has not seen. (None that is here saw the delete.)"""
    renames = (Dot(*rename) for row in node.rows for rename in row.renamed.items())
    return any(not delete.saw(rename) for rename in renames)


def cancel_by(rows: Rows, dirty: Dirty, rename: Operation, node: Node) -> None:
    """A rename that lists `node` arrives."""
    for row in node.rows:
        for listing in row.deletes:
            if not saw(rename, listing.key[:ID_BYTES]):
                _cancel(rows, dirty, listing.key)


def _cancel(rows: Rows, dirty: Dirty, key: bytes) -> None:
    """At one position of a delete, and below it; what is cancelled already was so below it too."""
    waiting = [_listed(key, rows.get(LISTED, key) or SKIPPED)]
    while waiting:
        listed = waiting.pop()
        if listed.node == SKIPPED or _mark(rows, dirty, listed, cancelled=True):
            waiting += _below(rows, listed.key[:ID_BYTES], listed.position)


def _mark(rows: Rows, dirty: Dirty, listed: Listed, *, cancelled: bool) -> bool:
    """Whether the mark at this position was another one."""
    row = existing(rows, listed.node)
    listing = next(one for one in row.deletes if one.key == listed.key)
    if listing.cancelled == cancelled:
        return False
    listing.cancelled = cancelled
    put_node(rows, listed.node, row)
    dirty.add(listed.node)
    return True


def judge_again(rows: Rows, dirty: Dirty, delete: bytes) -> None:
    """Everything of one delete, after ids have got another meaning."""
    seen = context(rows, delete)
    listed = [_listed(key, node) for key, node in rows.scan(LISTED, delete, stop_of(delete))]
    cancelled: dict[int, bool] = {-1: False}
    for one in sorted(listed, key=lambda one: one.position):
        verdict = cancelled[one.parent]
        if one.node != SKIPPED:
            node = load(rows, one.node)
            assert node is not None, "a delete lists nodes that are there"
            verdict = verdict or _is_concurrently_renamed(rows, node, delete, seen)
            _mark(rows, dirty, one, cancelled=verdict)
        cancelled[one.position] = verdict


def _is_concurrently_renamed(rows: Rows, node: Node, delete: bytes, seen: dict[bytes, int]) -> bool:
    for id in node.ids:
        for key, _ in rows.scan(RENAMES, id, stop_of(id)):
            rename = id_in(key[ID_BYTES:])
            if not within(seen, rename) and not within(context(rows, rename), delete):
                return True
    return False
