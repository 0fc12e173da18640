"""Rows that know when the tree may have changed, so that what was read of it may be remembered;
and that put the clock once in a transaction, not for every operation."""

from __future__ import annotations

from typing import NamedTuple

from crdt.ids import ACTOR_BYTES, Actor, Clock, Dot, merge
from crdt.notes import Notes
from crdt.requests import Address
from crdt.rows import Rows
from crdt.tables import (
    CHILDREN,
    CLOCK,
    CONTENTS,
    CONTESTED,
    ENTRIES,
    ENTRY,
    FOLDED,
    ISSUES,
    NODES,
    EntryRow,
    NodeRow,
    seq_of,
    seq_value,
)
from crdt.view import NodeView

TREE = frozenset((NODES, CHILDREN, CONTESTED, CONTENTS))
"""Where names, places and contents are. A touch alone (TOUCHES) can change nothing that shows, but
that a container is one no longer."""
REMEMBERED_MAX = 10_000
"""Addresses of nodes, nodes at addresses, and folders, each: some megabytes."""


class Folder(NamedTuple):
    """A folder that is somewhere, and what the effective deletes of it have seen."""

    id: Dot
    deletes: list[dict[Actor, int]]


class WatchedRows:
    """The rows of a state, and what was read of the tree since it changed. `advanced` are the
    entries of the clock that are put when the transaction is committed, as `notes` are; `folded`
    is in the rows at once, and `caught_up` are actors that are known to have seen all of it.

    What a request is planned on, its effect need not read again: `planned_on` is the last row of an
    entry that was read, with what it says, and `unissued` the last key of an issue that was asked
    for in vain."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._put = rows.put
        self.advanced: dict[Actor, int] = {}
        self.found: dict[Address, NodeView] = {}
        self.folders: dict[bytes, Folder | None] = {}
        self.addresses: dict[bytes, Address | None] = {}
        self.mailboxes: dict[bytes, NodeRow] = {}
        self.get = rows.get
        self.scan = rows.scan
        self.begin = rows.begin
        self.fetch = rows.fetch
        self.notes = Notes(rows)
        self.folded = self._read_folded()
        self.caught_up: dict[Actor, None] = {}
        self.planned_on: tuple[bytes, EntryRow] | None = None
        self.unissued: bytes | None = None

    def entry(self, key: bytes) -> EntryRow | None:
        """The row of an entry, for one who will change it."""
        value = self.get(ENTRIES, key)
        if value is None:
            return None
        known, self.planned_on = self.planned_on, None
        return known[1] if known is not None and known[0] is value else ENTRY.decode(value)

    def issues(self, key: bytes) -> bytes | None:
        """The row of an issue, for one who will put it."""
        unissued, self.unissued = self.unissued, None
        return None if key == unissued else self.get(ISSUES, key)

    def _read_folded(self) -> dict[Actor, int]:
        rows = self._rows.scan(FOLDED, b"", b"\xff" * ACTOR_BYTES)
        return {actor: seq_of(seq) for actor, seq in rows}

    def advance_folded(self, stable: Clock) -> None:
        """From now on, who has not seen all of `stable` may need what is forgotten."""
        self.caught_up.clear()
        self.folded = merge(self.folded, stable)
        for actor, seq in self.folded.items():
            self._put(FOLDED, actor, seq_value(seq))

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
        self.notes.write()
        self._rows.commit()

    def rollback(self) -> None:
        self._forget()
        self.unissued = None
        self.advanced.clear()
        self._rows.rollback()
        self.notes.reread()
        self.folded = self._read_folded()

    def remember_node(self, address: Address, node: NodeView) -> None:
        if len(self.found) >= REMEMBERED_MAX:
            self.found.clear()
        self.found[address] = node

    def remember_folder(self, id: bytes, folder: Folder | None) -> None:
        if len(self.folders) >= REMEMBERED_MAX:
            self.folders.clear()
        self.folders[id] = folder

    def remember_address(self, id: bytes, address: Address | None) -> None:
        if len(self.addresses) >= REMEMBERED_MAX:
            self.addresses.clear()
        self.addresses[id] = address

    def remember_mailbox(self, id: bytes, row: NodeRow) -> None:
        """The row of a folder, for those who change nothing in it."""
        if len(self.mailboxes) >= REMEMBERED_MAX:
            self.mailboxes.clear()
        self.mailboxes[id] = row

    def _forget(self) -> None:
        self.found.clear()
        self.mailboxes.clear()
        self.folders.clear()
        self.addresses.clear()
