"""Rows that know when the tree may have changed, so that what was read of it may be remembered;
and that put the clock once in a transaction, not for every operation."""

from __future__ import annotations

from typing import NamedTuple

from crdt.aliases import number_in
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
"""Addresses of nodes, nodes at addresses, folders, and clients, each: some megabytes."""
LOOKS = 8
"""Of a client that asks a few times only, it is not worth a scan to know where its issues end."""
NUMBERS_END = b"\xff"
"""Behind every number of a request."""


class Folder(NamedTuple):
    """A folder that is somewhere, and what the effective deletes of it have seen."""

    id: Dot
    deletes: list[dict[Actor, int]]


class WatchedRows:
    """The rows of a state, and what was read of the tree since it changed. `advanced` are the
    entries of the clock that are put when the transaction is committed, as `notes` are; `folded`
    is in the rows at once, and `caught_up` are actors that are known to have seen all of it.

    What a request is planned on, its effect need not read again: `planned_on` is the last row of an
    entry that was read, with what it says.

    Clients count their requests upwards, so what is new need not be looked for: of those that have
    asked LOOKS times, `_issues_end` has a number from which on no request is known (of the others,
    less than 0, how many looks are left). Where operations are taken back it stays as it is: then
    one more is looked for in vain."""

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
        self._issues_end: dict[bytes, int] = {}

    def entry(self, key: bytes) -> EntryRow | None:
        """The row of an entry, for one who will change it."""
        value = self.get(ENTRIES, key)
        if value is None:
            return None
        known, self.planned_on = self.planned_on, None
        return known[1] if known is not None and known[0] is value else ENTRY.decode(value)

    def is_new(self, client: bytes, number: int) -> bool:
        """Whether it is known that there is no row of this request, nor of a later one."""
        end = self._issues_end.get(client, -LOOKS)
        if end < 0:
            if len(self._issues_end) >= REMEMBERED_MAX:
                self._issues_end.clear()
            end = self._issues_end[client] = self._end_of(client) if end == -1 else end + 1
        return 0 <= end <= number

    def _end_of(self, client: bytes) -> int:
        rows = self.scan(ISSUES, client, client + NUMBERS_END, reverse=True)
        last = next((key for key, _ in rows), None)
        return 0 if last is None else 1 + number_in(last)

    def put_issue(self, client: bytes, number: int, key: bytes, value: bytes) -> None:
        self._put(ISSUES, key, value)
        if 0 <= self._issues_end.get(client, -LOOKS) <= number:
            self._issues_end[client] = number + 1

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
