"""What planning reads, answered by the oracle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crdt import Address, Dot, EntryView, NodeView, Operation
from tests.histories import delete_of
from tests.oracle.history import History
from tests.oracle.names import boxes, key_below
from tests.oracle.remembered import remember
from tests.oracle.visible import look


class OracleReading:
    def __init__(self, operations: Iterable[Operation]) -> None:
        self._memory = remember(History.of(operations))
        sight = look(self._memory)
        self.boxes = boxes(sight)
        self._places = {e.id: folder for folder, entries in sight.entries.items() for e in entries}

    def find(self, address: Address) -> NodeView | None:
        found = next((box for box in self.boxes if box.name == address.box), None)
        if found is None or not address.path:
            return found
        fold = self._memory.nodes[found.ids[0]].fold
        for name in address.path.split("/"):
            key = key_below(self._memory.nodes[found.ids[0]], fold=fold)
            below = [child for child in found.children if key(child.name) == key(name)]
            if not below:
                return None
            (found,) = below
        return found

    def node_children(self, ids: Sequence[Dot]) -> list[NodeView]:
        return list(next(view.children for view in self._views() if view.ids == tuple(ids)))

    def entries(
        self, ids: Sequence[Dot], *, after: Dot | None = None, limit: int | None = None
    ) -> Iterator[EntryView]:
        assert after is None and limit is None
        for view in self._views():
            if set(ids) <= set(view.ids) and view.conflict is None:
                return (e for e in view.entries if self._places[e.id] in ids)
        raise AssertionError("entries of what is not shown")

    def entry(self, id: Dot) -> tuple[EntryView, Dot] | None:
        shown = (entry for view in self._views() for entry in view.entries)
        found = next((entry for entry in shown if entry.id == id), None)
        return None if found is None else (found, self._places[id])

    def subtree(self, ids: Sequence[Dot]) -> list[tuple[Dot, int]]:
        views = (view for view in self._views() if view.conflict is None)
        top = next(view for view in views if view.ids == tuple(ids))
        return list(delete_of(top, self._memory).nodes)

    def addresses(self) -> list[Address]:
        return [address for address, _ in self._addressed()]

    def _views(self) -> Iterator[NodeView]:
        return (view for _, view in self._addressed())

    def _addressed(self) -> Iterator[tuple[Address, NodeView]]:
        waiting = [(Address(box.name), box) for box in self.boxes]
        for address, view in waiting:
            yield address, view
            for child in view.children:
                way = f"{address.path}/{child.name}".lstrip("/")
                waiting.append((Address(address.box, way), child))
