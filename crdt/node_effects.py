"""The effects of makings, renames and writes on nodes. Each returns where it added its dot.

`hidden`: the operation is an alias (R10). What it adds is kept and does not count, but for
contents; it touches.
"""

from __future__ import annotations

from collections.abc import Iterable

from crdt import notes
from crdt.contexts import remember_context, widen
from crdt.deletes import cancel_by
from crdt.ids import Dot
from crdt.keys import ID_BYTES, NOWHERE, ROOT_KEY, id_key, inbox_key, saw, stamp_key, stop_of
from crdt.moves import Moves
from crdt.nodes import Dirty, changeable, existing, known_node, load, put_node, touch
from crdt.notes import Notes
from crdt.operations import (
    Blob,
    BoxMade,
    FileMade,
    FileWritten,
    FolderMade,
    NodesRenamed,
    Operation,
)
from crdt.rows import Rows
from crdt.tables import (
    BOX,
    CONTENT,
    CONTENTS,
    FILE,
    FOLDER,
    OVER,
    OVERWRITTEN,
    RENAMED,
    RENAMES,
    Content,
    NodeRow,
    Overwritten,
    Renamed,
)
from crdt.uses import write

INBOX = "INBOX"


class NodeEffects:
    def __init__(self, rows: Rows, dirty: Dirty, moves: Moves, notes: Notes) -> None:
        self._rows = rows
        self._dirty = dirty
        self._moves = moves
        self._notes = notes

    # Makings

    def make_box(self, operation: Operation, body: BoxMade, *, hidden: bool) -> list[bytes]:
        id, stamp = id_key(operation.dot), stamp_key(operation)
        self._make(inbox_key(id), _made(FOLDER, stamp, id, INBOX), hidden=hidden)
        self._make(id, _made(BOX, stamp, ROOT_KEY, body.name, fold=body.fold), hidden=hidden)
        return [id]

    def make_folder(self, operation: Operation, body: FolderMade, *, hidden: bool) -> list[bytes]:
        id, parent = id_key(operation.dot), self._touched_parent(operation, body.parent)
        self._make(id, _made(FOLDER, stamp_key(operation), parent, body.name), hidden=hidden)
        touch(self._rows, operation, id)
        return [id]

    def make_file(self, operation: Operation, body: FileMade, *, hidden: bool) -> list[bytes]:
        id, parent = id_key(operation.dot), self._touched_parent(operation, body.parent)
        self._make(id, _made(FILE, stamp_key(operation), parent, body.name), hidden=hidden)
        touch(self._rows, operation, id)
        self._add_content(operation, id, body.blob)
        return [id]

    def _make(self, id: bytes, row: NodeRow, *, hidden: bool) -> None:
        """A hidden one is looked at when it has got its twins."""
        put_node(self._rows, id, row)
        if not hidden:
            self._dirty.add(id)

    def _touched_parent(self, operation: Operation, parent: Dot) -> bytes:
        id = self._parent(operation, parent)
        if id != NOWHERE:
            self._touch(operation, id)
        return id

    def _parent(self, operation: Operation, parent: Dot) -> bytes:
        """NOWHERE if it is unknown, or neither box nor folder."""
        id = id_key(parent)
        row = known_node(self._rows, operation, id)
        return NOWHERE if row is None or row.kind == FILE else id

    def _touch(self, operation: Operation, id: bytes) -> None:
        touch(self._rows, operation, id)
        self._dirty.add(id)

    # Renames

    def rename(self, operation: Operation, body: NodesRenamed, *, hidden: bool) -> list[bytes]:
        ids = self._changeable(operation, body.nodes)
        if not ids:
            return []
        stamp = stamp_key(operation)
        remember_context(self._rows, operation)
        for id in ids:
            self._rename(operation, id, stamp, Renamed(body.name, hidden))
        parent = NOWHERE if body.parent is None else self._touched_parent(operation, body.parent)
        if parent != NOWHERE:
            self._moves.add(stamp, ids, parent, hidden=hidden)
        self._notes.note(notes.RENAMED, [stamp, *ids])
        self._notes.takes_away()
        return ids

    def _changeable(self, operation: Operation, nodes: Iterable[Dot]) -> list[bytes]:
        ids = map(id_key, nodes)
        return [id for id in ids if changeable(self._rows, operation, id) is not None]

    def _rename(self, operation: Operation, id: bytes, stamp: bytes, renamed: Renamed) -> None:
        self._touch(operation, id)
        row = existing(self._rows, id)
        row.renamed[operation.dot.actor] = operation.dot.seq
        put_node(self._rows, id, row)
        self._rows.put(RENAMES, id + stamp, RENAMED.encode(renamed))
        node = load(self._rows, id)
        assert node is not None, "a node that was renamed is there"
        cancel_by(self._rows, self._dirty, operation, node)
        if renamed.name is not None and not renamed.hidden:
            self._label(node.id, stamp, renamed.name)

    def _label(self, id: bytes, stamp: bytes, name: str) -> None:
        row = existing(self._rows, id)
        if stamp > row.labelled:
            row.label, row.labelled = name, stamp
            put_node(self._rows, id, row)

    def hide_rename(self, stamp: bytes, ids: Iterable[bytes], *, hidden: bool) -> None:
        for id in ids:
            key = id + stamp
            renamed = RENAMED.decode(self._rows.get(RENAMES, key) or b"")
            renamed.hidden = hidden
            self._rows.put(RENAMES, key, RENAMED.encode(renamed))
            self.name_again(id)
        self._moves.hide(stamp, hidden=hidden)

    def name_again(self, id: bytes) -> None:
        """The name that is left when some renames are hidden."""
        node = load(self._rows, id)
        assert node is not None, "a node that was renamed is there"
        best = (b"", node.row.name)
        for twin in node.ids:
            for key, value in self._rows.scan(RENAMES, twin, stop_of(twin)):
                renamed = RENAMED.decode(value)
                if renamed.name is not None and not renamed.hidden:
                    best = max(best, (key[ID_BYTES:], renamed.name))
        row = existing(self._rows, node.id)
        row.labelled, row.label = best
        put_node(self._rows, node.id, row)
        self._dirty.add(node.id)

    # Contents

    def write(self, operation: Operation, body: FileWritten) -> None:
        ids = self._changeable(operation, body.nodes)
        ids = [id for id in ids if existing(self._rows, id).kind == FILE]
        for id in ids:
            self._touch(operation, id)
            self._overwrite(operation, id)
            self._add_content(operation, id, body.blob)
        if ids:
            self._notes.note(notes.OVERWRITTEN, ids)

    def _overwrite(self, operation: Operation, id: bytes) -> None:
        """What it has seen goes, of this id; of twins too, but these may change: so the context
        stays."""
        row = existing(self._rows, id)
        widen(row.written, operation.context())
        put_node(self._rows, id, row)
        for key, value in self._rows.scan(CONTENTS, id, stop_of(id)):
            if saw(operation, key[ID_BYTES:]):
                self._rows.remove(CONTENTS, key)
                over = Overwritten(CONTENT.decode(value).blob, id_key(operation.dot))
                self._rows.put(OVERWRITTEN, key, OVER.encode(over))

    def _add_content(self, operation: Operation, id: bytes, blob: Blob) -> None:
        content = Content(stamp_key(operation), blob)
        dot = id_key(operation.dot)
        write(self._rows, dot)
        self._rows.put(CONTENTS, id + dot, CONTENT.encode(content))


def _made(kind: int, stamp: bytes, parent: bytes, name: str, *, fold: bool = False) -> NodeRow:
    return NodeRow(kind, stamp, parent, name, fold, [], parent, b"", name, b"", b"", [], {}, {})
