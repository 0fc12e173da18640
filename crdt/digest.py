"""The digest of a view: equal views have equal digests, on every node.

It is SHA-256 over the views of nodes, each with its depth, in the order in which they show, each
followed by its entries; as MessagePack arrays, a node's of eight parts, an entry's of five.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import msgspec

from crdt.view import EntryView, NodeView, View

SEMANTICS_VERSION = 1
"""Of docs/semantics.md: where it differs, views of the same operations may differ."""

_encode = msgspec.msgpack.Encoder().encode


class Digest:
    def __init__(self) -> None:
        self._hash = sha256(_encode(("samebox view", SEMANTICS_VERSION)))

    def node(self, depth: int, view: NodeView) -> None:
        """`view` without what is below it."""
        parts = (view.kind, view.name, view.ids, view.container, view.blob, view.conflict)
        self._hash.update(_encode(("node", depth, *parts)))

    def entry(self, view: EntryView) -> None:
        self._hash.update(_encode(("entry", view.id, view.blob, view.date_ms, view.flags)))

    def value(self) -> bytes:
        return self._hash.digest()


def digest_of(view: View) -> bytes:
    """The digest that a state has which shows this view."""
    digest = Digest()
    for depth, node in _walk(view):
        digest.node(depth, node)
        for entry in node.entries:
            digest.entry(entry)
    return digest.value()


def _walk(view: View) -> Iterator[tuple[int, NodeView]]:
    waiting = [(0, box) for box in reversed(view.boxes)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting += [(depth + 1, child) for child in reversed(node.children)]
