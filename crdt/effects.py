"""The effect of every operation on the rows of a state: total, and the same in every order that
causality allows (docs/semantics.md)."""

from __future__ import annotations

from collections.abc import Sequence

from crdt import notes
from crdt.aliases import (
    ACTS,
    ENTRY_KINDS,
    KINDS,
    NODE_KINDS,
    families,
    issued,
    part_key,
    related,
    stands_for,
)
from crdt.deletes import delete_nodes
from crdt.entry_effects import EntryEffects
from crdt.keys import id_in
from crdt.moves import Moves
from crdt.node_effects import NodeEffects
from crdt.node_twins import NodeTwins
from crdt.nodes import Dirty
from crdt.operations import (
    Born,
    BoxMade,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    Issue,
    NodesDeleted,
    NodesRenamed,
    Operation,
    Unknown,
)
from crdt.tables import ISSUED, ISSUES, Issued
from crdt.watched import WatchedRows


class Effects:
    """Keeps nothing from one operation to the next but its tools, which begin empty."""

    def __init__(self, rows: WatchedRows) -> None:
        self._rows = rows
        self._notes = rows.notes
        self._dirty = Dirty(rows, rows.notes)
        self._moves = Moves(rows, self._dirty)
        self._nodes = NodeEffects(rows, self._dirty, self._moves, rows.notes)
        self._entries = EntryEffects(rows, self._dirty, rows.notes)
        self._twins = NodeTwins(rows, self._dirty, self._moves, self._nodes)

    def apply(self, operation: Operation) -> None:
        self._dirty.clear()
        actor, seq = operation.dot
        self._rows.advanced[actor] = seq
        self._notes.begin(operation)
        if operation.issue is None:
            self._add(operation, hidden=False)
        else:
            self._add_issued(operation, operation.issue)
        self._dirty.settle()

    def _add_issued(self, operation: Operation, issue: Issue) -> None:
        key = part_key(issue.client, issue.number, issue.part)
        is_new = self._rows.is_new(issue.client, issue.number)
        value = None if is_new else self._rows.get(ISSUES, key)
        issues = [] if value is None else ISSUED.decode(value)
        own = issued(operation, issue, issues)
        issues.append(own)
        if own.unseen:
            self._join(operation, own, related(issues))
        else:
            own.targets = self._add(operation, hidden=False)
        self._rows.put_issue(issue.client, issue.number, key, ISSUED.encode(issues))
        if len(issues) > 1:
            self._entries.crowd([id_in(one.stamp) for one in issues if one.kind in ENTRY_KINDS])
            is_of_nodes = any(one.kind in NODE_KINDS for one in issues)
            self._notes.join(key, nodes=is_of_nodes and own.unseen != [])
        if own.kind not in ENTRY_KINDS:  # it is remembered as long as its entry is there
            self._notes.issued(key)

    def _add(self, operation: Operation, *, hidden: bool) -> list[bytes]:
        """The effect of one operation by itself: returns where its dot was added."""
        match operation.body:
            case FlagsStored() as body:
                return self._entries.store(operation, body, hidden=hidden)
            case EntryAppended() | EntryCopied() as body:
                return self._entries.make(operation, body, hidden=hidden)
            case EntriesMoved() as body:
                return self._entries.move(operation, body, hidden=hidden)
            case EntriesExpunged() as body:
                self._entries.expunge(operation, body)
            case BoxMade() as body:
                return self._nodes.make_box(operation, body, hidden=hidden)
            case FolderMade() as body:
                return self._nodes.make_folder(operation, body, hidden=hidden)
            case FileMade() as body:
                return self._nodes.make_file(operation, body, hidden=hidden)
            case FileWritten() as body:
                self._nodes.write(operation, body)
            case NodesRenamed() as body:
                return self._nodes.rename(operation, body, hidden=hidden)
            case NodesDeleted() as body:
                delete_nodes(self._rows, self._dirty, operation, body)
                self._notes.note(notes.DELETED, [])
                self._notes.takes_away()
            case Unknown():
                self._notes.unknown()
            case Born():
                pass
        return []

    def _join(self, operation: Operation, own: Issued, issues: Sequence[Issued]) -> None:
        """There are others with this issue: which of them act may be another question now."""
        *earlier, _ = issues
        self._notes.takes_away()
        before, after = stands_for(earlier), stands_for(issues)
        own.targets = self._add(operation, hidden=after[-1] != ACTS)
        for one, was, now in zip(earlier, before, after, strict=False):
            if (was == ACTS) != (now == ACTS):
                self._hide(one, hidden=now != ACTS)
        for kind in dict.fromkeys(one.kind for one in issues):
            if kind in NODE_KINDS and families(earlier, kind) != families(issues, kind):
                self._twins.twin(_ids(issues, kind))
            if kind in ENTRY_KINDS:
                self._entries.twin(_ids(issues, kind))

    def _hide(self, one: Issued, *, hidden: bool) -> None:
        """What removes has nothing to hide; what makes is hidden as a twin."""
        if one.kind == KINDS[NodesRenamed]:
            self._nodes.hide_rename(one.stamp, one.targets, hidden=hidden)
        elif one.kind in (KINDS[EntriesMoved], KINDS[FlagsStored]):
            self._entries.hide(one.stamp, one.targets, hidden=hidden)


def _ids(issues: Sequence[Issued], kind: int) -> list[list[bytes]]:
    """The ids that were made, family by family."""
    return [[id_in(issues[at].stamp) for at in family] for family in families(issues, kind)]
