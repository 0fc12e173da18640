"""Nodes that turn out to be one, or not to be, because of what stands for what (R10).

Rare, so plain: everything that depends on what ids mean is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence

from crdt.deletes import judge_again
from crdt.keys import ID_BYTES, inbox_key
from crdt.moves import Moves
from crdt.node_effects import NodeEffects
from crdt.nodes import Dirty, existing, put_node
from crdt.rows import Rows
from crdt.tables import BOX


class NodeTwins:
    def __init__(self, rows: Rows, dirty: Dirty, moves: Moves, effects: NodeEffects) -> None:
        self._rows = rows
        self._dirty = dirty
        self._moves = moves
        self._effects = effects

    def twin(self, families: Sequence[Sequence[bytes]]) -> None:
        """These makings of one issue are the same nodes from now on, the first one acting."""
        first = existing(self._rows, families[0][0])
        if first.kind == BOX:
            families = [*families, *(list(map(inbox_key, family)) for family in families)]
        ids = [id for family in families for id in family]
        later = self._moves.rewind(min(existing(self._rows, id).stamp for id in ids))
        for id in ids:
            self._unplace(id)
        for family in families:
            self._join(family)
        for family in families:
            self._effects.name_again(family[0])
        for delete in dict.fromkeys(
            listing.key[:ID_BYTES] for id in ids for listing in existing(self._rows, id).deletes
        ):
            judge_again(self._rows, self._dirty, delete)
        self._moves.replay(later)

    def _unplace(self, id: bytes) -> None:
        row = existing(self._rows, id)
        shown, row.shown = row.shown, b""
        put_node(self._rows, id, row)
        self._dirty.unindex(shown)
        self._moves.forget(id)

    def _join(self, family: Sequence[bytes]) -> None:
        for id in family:
            row = existing(self._rows, id)
            row.twins = list(family) if len(family) > 1 else []
            row.place, row.placed = row.parent, b""
            put_node(self._rows, id, row)
            self._dirty.add(id)
