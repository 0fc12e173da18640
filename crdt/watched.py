"""Rows that know when the tree may have changed, so that what was read of it may be remembered;
and that put the clock once in a transaction, not for every operation."""

from __future__ import annotations

from typing import NamedTuple

from crdt.ids import Actor, Dot
from crdt.requests import Address
from crdt.rows import Rows
from crdt.tables import CHILDREN, CLOCK, CONTENTS, CONTESTED, NODES, seq_value
from crdt.view import NodeView

TREE = frozenset((NODES, CHILDREN, CONTESTED, CONTENTS))
"""Where names, places and contents are. A touch alone (TOUCHES) can change nothing that shows, but
that a container is one no longer."""
REMEMBERED_MAX = 10_000
"""Addresses, and folders: some megabytes."""


class Folder(NamedTuple):
    """A folder that is somewhere, and what the effective deletes of it have seen."""

    id: Dot
    deletes: list[dict[Actor, int]]


class WatchedRows:
    """The rows of a state, and what was read of the tree since it changed. `advanced` are the
    entries of the clock that are put when the transaction is committed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._put = rows.put
        self.advanced: dict[Actor, int] = {}
        self.found: dict[Address, NodeView] = {}
        self.folders: dict[bytes, Folder | None] = {}
        self.get = rows.get
        self.scan = rows.scan
        self.begin = rows.begin

    def put(self, table: str, key: bytes, value: bytes) -> None:
        if table in TREE:
            self._forget()
        self._put(table, key, value)

    def remove(self, table: str, key: bytes) -> None:
        if table in TREE:
            self._forget()
        self._rows.remove(table, key)

    def commit(self) -> None:
        for actor, seq in self.advanced.items():
            self._put(CLOCK, actor, seq_value(seq))
        self.advanced.clear()
        self._rows.commit()

    def rollback(self) -> None:
        self._forget()
        self.advanced.clear()
        self._rows.rollback()

    def remember_node(self, address: Address, node: NodeView) -> None:
        if len(self.found) >= REMEMBERED_MAX:
            self.found.clear()
        self.found[address] = node

    def remember_folder(self, id: bytes, folder: Folder | None) -> None:
        if len(self.folders) >= REMEMBERED_MAX:
            self.folders.clear()
        self.folders[id] = folder

    def _forget(self) -> None:
        self.found.clear()
        self.folders.clear()
