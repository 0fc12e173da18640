"""What planning reads, answered by the oracle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crdt import DELETED, Address, Dot, EntryView, Kind, Located, NodeView, Operation
from tests.histories import delete_of
from tests.oracle.history import History
from tests.oracle.names import boxes, key_of
from tests.oracle.remembered import remember
from tests.oracle.visible import look


class OracleReading:
    def __init__(self, operations: Iterable[Operation]) -> None:
        self._memory = remember(History.of(operations))
        sight = look(self._memory)
        self.boxes = boxes(sight)
        self._places = {e.id: folder for folder, entries in sight.entries.items() for e in entries}

    def find(self, address: Address) -> NodeView | None:
        names = address.path.split("/") if address.path else []
        way = self.way(address)
        return way[-1] if len(way) == 1 + len(names) else None

    def way(self, address: Address) -> list[NodeView]:
        way = [box for box in self.boxes if box.name == address.box]
        fold = bool(way) and self._memory.nodes[way[0].ids[0]].fold
        for name in address.path.split("/") if way and address.path else []:
            top = way[-1].kind is Kind.BOX
            key = key_of(name, fold=fold, top=top)
            below = [c for c in way[-1].children if key_of(c.name, fold=fold, top=top) == key]
            if not below:
                break
            way += below
        return way

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

    def marked(self, ids: Sequence[Dot]) -> Iterator[Dot]:
        return (entry.id for entry in self.entries(ids) if DELETED in entry.flags)

    def entry(self, id: Dot) -> tuple[EntryView, Dot] | None:
        shown = (entry for view in self._views() for entry in view.entries)
        found = next((entry for entry in shown if entry.id == id), None)
        return None if found is None else (found, self._places[id])

    def locate(self, id: Dot) -> Located | None:
        found = self.entry(id)
        return None if found is None else Located(id, found[1], DELETED in found[0].flags)

    def subtree(self, ids: Sequence[Dot]) -> list[tuple[Dot, int]]:
        views = (view for view in self._views() if view.conflict is None)
        top = next(view for view in views if view.ids == tuple(ids))
        return list(delete_of(top, self._memory).nodes)

    def _views(self) -> Iterator[NodeView]:
        return (view for _, view in addressed(self.boxes))


def addressed(boxes: Iterable[NodeView]) -> Iterator[tuple[Address, NodeView]]:
    """Everything that shows, with its address."""
    waiting = [(Address(box.name), box) for box in boxes]
    for address, view in waiting:
        yield address, view
        for child in view.children:
            way = f"{address.path}/{child.name}".lstrip("/")
            waiting.append((Address(address.box, way), child))
