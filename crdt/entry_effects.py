"""The effects of operations on entries. Each returns where it added its dot.

`hidden`: the operation is an alias (R10). What it adds is kept and does not count; it touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from crdt import notes
from crdt.aliases import part_key
from crdt.contexts import remember_context, widen
from crdt.entries import (
    Standing,
    enter,
    entry_row,
    entry_rows,
    put_entry,
    relocate,
    standing,
)
from crdt.ids import Dot
from crdt.keys import NOWHERE, id_in, id_key, saw, stamp_key
from crdt.names import flag_key
from crdt.nodes import Dirty, node_row, touch
from crdt.notes import Notes
from crdt.operations import (
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    FlagsStored,
    Operation,
)
from crdt.rows import Rows
from crdt.shadows import add_flags, add_life, any_flag, bring_back, bring_back_lives
from crdt.tables import ALL, FOLDER, KEEP, EntryRow, Flag, Life, NodeRow
from crdt.watched import WatchedRows

Mailbox: TypeAlias = tuple[bytes, NodeRow]
"""A folder's id and row."""


class EntryEffects:
    def __init__(self, rows: WatchedRows, dirty: Dirty, notes: Notes) -> None:
        self._rows = rows
        self._dirty = dirty
        self._notes = notes

    def make(
        self, operation: Operation, body: EntryAppended | EntryCopied, *, hidden: bool
    ) -> list[bytes]:
        into = self._mailbox(operation, body.folder)
        self._touch(operation, into)
        folder = _id_of(into)
        stamp, id = stamp_key(operation), id_key(operation.dot)
        flags = _spelled(body.flags)
        keep = flags.pop(KEEP, None) is None
        life = [Life(stamp, folder, keep, hidden)]
        dots = [Flag(flag, stamp, hidden) for flag in flags.values()]
        issue = operation.issue
        row = EntryRow(body.blob, body.date_ms, life, dots)
        if issue is not None:
            row.issue = part_key(issue.client, issue.number, issue.part)
        put_entry(self._rows, id, row)
        if folder and not hidden:
            enter(self._rows, folder, stamp, marked=not keep)
        return [id]

    def move(self, operation: Operation, body: EntriesMoved, *, hidden: bool) -> list[bytes]:
        into = self._mailbox(operation, body.folder)
        life = Life(stamp_key(operation), _id_of(into), False, hidden)
        ids = self._live(operation, body.entries, life)
        if ids:
            self._touch(operation, into)
            self._notes.takes_away()
        return ids

    def store(self, operation: Operation, body: FlagsStored, *, hidden: bool) -> list[bytes]:
        stamp = stamp_key(operation)
        add = _spelled(body.add) if body.add else {}
        mark = add.pop(KEEP, None) is not None
        removes = mark or body.remove or body.replace
        removal = _removal(operation, body, mark=mark) if removes else None
        changed: list[bytes] = []
        shadowing: list[bytes] = []
        if add or removal is not None:
            for id, row in self._rows_of(operation, body.entries):
                before = self._standing(row) if mark else None
                if removal is not None:
                    removal.take(self._rows, id, row)
                if not (row.flags and row.flags[-1].stamp == stamp):
                    dots = [Flag(flag, stamp, hidden) for flag in add.values()]
                    if add_flags(self._rows, id, row, dots):
                        shadowing.append(id)
                put_entry(self._rows, id, row)
                if mark:
                    relocate(self._rows, before, self._standing(row))
                changed.append(id)
        if shadowing:
            self._notes.shadowed(shadowing)
        if not add:
            changed.clear()
        if body.undelete:
            undeleted = self._live(operation, body.undelete, Life(stamp, None, True, hidden))
            if undeleted:
                self._touch(operation, self._mailbox(operation, body.folder))
                self._notes.takes_away()
            changed += undeleted
        return changed

    def expunge(self, operation: Operation, body: EntriesExpunged) -> None:
        key = id_key(operation.dot)
        listed: list[bytes] = []
        for id, row in self._rows_of(operation, body.entries):
            if not listed:
                remember_context(self._rows, operation)
            listed.append(id)
            if key not in row.expunges:
                before = self._standing(row)
                row.expunges.append(key)
                put_entry(self._rows, id, row)
                if before is not None and all(saw(operation, dot) for dot in before.lives):
                    self._relocate(before, None)
        if listed:
            self._notes.note(notes.EXPUNGED, listed)
            self._notes.takes_away()

    def hide(self, stamp: bytes, ids: Iterable[bytes], *, hidden: bool) -> None:
        """The operation with this stamp becomes an alias, or is none any more."""
        for id in ids:
            if entry_row(self._rows, id) is None:
                continue  # forgotten (R9)
            row, before = self._begin(id)
            self._bring_back(id, row)
            dots: Sequence[Life | Flag] = [*row.life, *row.flags]
            for dot in dots:
                if dot.stamp == stamp:
                    dot.hidden = hidden
            self._end(id, row, before)

    def twin(self, families: Sequence[Sequence[bytes]]) -> None:
        """These makings of one issue are the same entries from now on, the first one acting."""
        rows = {id: self._begin(id)[0] for family in families for id in family}
        before: dict[bytes, Standing | None] = {}
        for id, row in rows.items():
            known = row.twins[0] if row.twins else id
            if known not in before:
                before[known] = self._standing(row)
        for family in families:
            for id in family:
                row = rows[id]
                row.twins = list(family) if len(family) > 1 else []
                row.crowded = True
                self._bring_back(id, row)
                self._hide_making(row, hidden=id != family[0])
                put_entry(self._rows, id, row)
        for old in before.values():
            self._relocate(old, None)
        for family in families:
            self._relocate(None, self._standing(rows[family[0]]))

    def crowd(self, ids: Iterable[bytes]) -> None:
        """There are several operations of the issue that these were made for. Also where none of
        them is an alias, one that is still to come may make twins of them: and a removal that
        lists the one takes from the other what it had seen there."""
        for id in ids:
            row = entry_row(self._rows, id)
            if row is not None and not row.crowded:  # else it is forgotten (R9), or known to be
                self._bring_back(id, row)
                row.crowded = True
                put_entry(self._rows, id, row)

    @staticmethod
    def _hide_making(row: EntryRow, *, hidden: bool) -> None:
        making = row.life[0]
        making.hidden = hidden
        for flag in row.flags:
            if flag.stamp == making.stamp:
                flag.hidden = hidden

    # Targets

    def _mailbox(self, operation: Operation, folder: Dot) -> Mailbox | None:
        """None if it is unknown, or no folder."""
        id = id_key(folder)
        row = self._rows.mailboxes.get(id)
        if row is None:
            row = node_row(self._rows, id)
            if row is None or row.kind != FOLDER:
                return None
            self._rows.remember_mailbox(id, row)
        return (id, row) if saw(operation, id) else None

    def _touch(self, operation: Operation, mailbox: Mailbox | None) -> None:
        """A folder that nothing ever deleted shows as before."""
        if mailbox is not None:
            id, row = mailbox
            touch(self._rows, operation, id)
            if row.deletes or row.twins or row.covered:
                self._dirty.add(id)

    def _rows_of(
        self, operation: Operation, entries: Iterable[Dot]
    ) -> Iterable[tuple[bytes, EntryRow]]:
        for entry in entries:
            id = id_key(entry)
            row = self._rows.entry(id) if operation.saw(entry) else None
            if row is not None:
                yield id, row

    # Life

    def _live(self, operation: Operation, entries: Iterable[Dot], life: Life) -> list[bytes]:
        """Returns the ids to which `life` was added, each once."""
        ids: list[bytes] = []
        shadowing: list[bytes] = []
        for id, row in self._rows_of(operation, entries):
            if row.life[-1].stamp != life.stamp:
                before = self._standing(row)
                if add_life(self._rows, id, row, operation, life):
                    shadowing.append(id)
                self._end(id, row, before)
                ids.append(id)
        if shadowing:
            self._notes.shadowed(shadowing)
        return ids

    def _begin(self, id: bytes) -> tuple[EntryRow, Standing | None]:
        row = entry_row(self._rows, id)
        assert row is not None, f"the entry {id.hex()} was there"
        return row, self._standing(row)

    def _bring_back(self, id: bytes, row: EntryRow) -> None:
        bring_back(self._rows, id, row, any_flag)
        bring_back_lives(self._rows, id, row)

    def _end(self, id: bytes, row: EntryRow, before: Standing | None) -> None:
        put_entry(self._rows, id, row)
        self._relocate(before, self._standing(row))

    def _standing(self, row: EntryRow) -> Standing | None:
        return standing(self._rows, entry_rows(self._rows, row))

    def _relocate(self, before: Standing | None, after: Standing | None) -> None:
        relocate(self._rows, before, after)
        for one in (before, after):
            if one is not None:
                self._dirty.add(one.folder)


class _Removal:
    """What a FlagsStored removes from each entry: flags by key (or ALL), and with `mark`, keeps."""

    def __init__(self, operation: Operation, flags: list[str], *, mark: bool) -> None:
        self._operation = operation
        self._flags = flags
        self._mark = mark

    def take(self, rows: Rows, id: bytes, row: EntryRow) -> None:
        seen = self._operation
        bring_back(rows, id, row, self._concerns)
        if self._flags and row.flags:
            row.flags = [
                flag
                for flag in row.flags
                if not (self._concerns(flag.flag) and saw(seen, id_in(flag.stamp)))
            ]
        if self._mark:
            for life in row.life:
                if life.keep and saw(seen, id_in(life.stamp)):
                    life.keep = False
        if row.crowded:
            for flag in [*self._flags, *([KEEP] if self._mark else [])]:
                widen(row.removed.setdefault(flag, {}), seen.context())

    def _concerns(self, flag: str) -> bool:
        return ALL in self._flags or flag_key(flag) in self._flags


def _id_of(mailbox: Mailbox | None) -> bytes:
    return NOWHERE if mailbox is None else mailbox[0]


def _removal(operation: Operation, body: FlagsStored, *, mark: bool) -> _Removal | None:
    """None where nothing is removed. In `remove`, \\Deleted does nothing (R5)."""
    remove = _spelled(body.remove)
    remove.pop(KEEP, None)
    if not (remove or mark or body.replace):
        return None
    return _Removal(operation, [ALL] if body.replace else list(remove), mark=mark)


def _spelled(flags: Sequence[str]) -> dict[str, str]:
    """By key; of several spellings, the last."""
    if len(flags) == 1:  # mostly
        return {flag_key(flags[0]): flags[0]}
    return {flag_key(flag): flag for flag in flags}
