"""Rows that count changes of the tree, so that what was read of it may be remembered meanwhile."""

from __future__ import annotations

from crdt.rows import Rows
from crdt.tables import CHILDREN, CONTENTS, CONTESTED, NODES

TREE = frozenset((NODES, CHILDREN, CONTESTED, CONTENTS))
"""Where names, places and contents are. A touch alone (TOUCHES) can change nothing that shows, but
that a container is one no longer."""


class WatchedRows:
    """The rows of a state. `tree_changes` grows whenever a row of the tree may have changed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.tree_changes = 0
        self.get = rows.get
        self.scan = rows.scan
        self.begin = rows.begin
        self.commit = rows.commit

    def put(self, table: str, key: bytes, value: bytes) -> None:
        if table in TREE:
            self.tree_changes += 1
        self._rows.put(table, key, value)

    def remove(self, table: str, key: bytes) -> None:
        if table in TREE:
            self.tree_changes += 1
        self._rows.remove(table, key)

    def rollback(self) -> None:
        self.tree_changes += 1
        self._rows.rollback()
