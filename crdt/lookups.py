"""Reading a state by what it shows: names, children, places. What is not asked for is not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crdt.ids import Dot
from crdt.keys import ROOT_KEY, dot_of, id_key, stop_of
from crdt.naming import SUFFIXED, Group, Level, Namesake, grouped, named
from crdt.nodes import (
    Node,
    child_key,
    children,
    is_container,
    load,
    named_children,
    path_up,
    shown_contents,
)
from crdt.requests import Address
from crdt.rows import Rows
from crdt.tables import BOX, CONTESTED, FILE
from crdt.view import NodeView

BOXES = Level((ROOT_KEY,), fold=False, is_top=False)


class Lookups:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    # Levels: the nodes below parents that are one

    def level(self, ids: Sequence[Dot]) -> Level | None:
        """Below the nodes `ids`; None where these are nowhere, or files."""
        nodes = [node for node in (load(self._rows, id_key(dot)) for dot in ids) if node]
        path = path_up(self._rows, nodes[0].id) if nodes else None
        if not path or nodes[0].row.kind == FILE:
            return None
        return _below(nodes, fold=path[-1].row.fold)

    def below(self, level: Level, group: Group) -> Level:
        """One step down."""
        nodes = [self._load(node.id) for node in group.members]
        is_box = group.first.kind == BOX
        return _below(nodes, fold=group.first.fold if is_box else level.fold)

    def groups(self, level: Level) -> list[Group]:
        """All that shows, sorted by name."""
        nodes = map(self._namesake, children(self._rows, level.parents))
        found = named(level, nodes, _free)
        return sorted(found, key=lambda group: (group.name, group.first.id))

    def group(self, level: Level, name: str) -> Group | None:
        """What shows under a name."""
        bare = self._holder(level, name)
        if bare is not None or not SUFFIXED.search(name):
            return bare
        key = level.key(name)
        return next((one for one in self._contest(level) if level.key(one.name) == key), None)

    def group_of(self, level: Level, id: bytes, label: str) -> Group | None:
        """The one that holds the node `id`, which is called `label`."""
        holder = self._holder(level, label)
        if holder is None or any(node.id == id for node in holder.members):
            return holder
        groups = self._contest(level)
        mine = (group for group in groups if any(node.id == id for node in group.members))
        return next(mine, None)

    def _holder(self, level: Level, name: str) -> Group | None:
        """Who holds a bare name (R8.2)."""
        groups = grouped(level, self._called(level, name))
        if not groups:
            return None
        groups[0].name = groups[0].first.name
        return groups[0]

    def _called(self, level: Level, name: str) -> Iterator[Namesake]:
        """The nodes that are called so, whatever they show as."""
        key = level.key(name)
        for parent in level.parents:
            for id in named_children(self._rows, child_key(parent, name)):
                node = self._namesake(id)
                if level.key(node.name) == key:
                    yield node

    def _contest(self, level: Level) -> list[Group]:
        """Everything that shows under a suffix is among these."""
        if len(level.parents) > 1:
            return named(level, map(self._namesake, children(self._rows, level.parents)), _free)
        parent = level.parents[0]
        ids: dict[bytes, None] = {}
        for row, _ in self._rows.scan(CONTESTED, parent, stop_of(parent)):
            ids.update(dict.fromkeys(named_children(self._rows, row)))
        return named(level, map(self._namesake, ids), lambda name: self._is_bare(level, name))

    def _is_bare(self, level: Level, name: str) -> bool:
        return next(self._called(level, name), None) is not None

    # Nodes

    def _load(self, id: bytes) -> Node:
        node = load(self._rows, id)
        assert node is not None, f"the index names {id.hex()}, which is not there"
        return node

    def _namesake(self, id: bytes) -> Namesake:
        node = self._load(id)
        row = node.row
        return Namesake(
            id,
            row.stamp,
            row.kind,
            row.label,
            row.labelled,
            row.placed,
            row.fold,
            is_container(self._rows, node),
            shown_contents(self._rows, node) if row.kind == FILE else {},
        )

    # What is asked

    def find(self, address: Address) -> NodeView | None:
        way = self.way(address)
        return way[-1].view() if len(way) == 1 + len(_names(address)) else None

    def way(self, address: Address) -> list[Group]:
        """The box, and what shows under each name behind it, as far as something does."""
        found: list[Group] = []
        level = BOXES
        for name in (address.box, *_names(address)):
            if found and found[-1].first.kind == FILE:
                break
            level = self.below(level, found[-1]) if found else level
            group = self.group(level, name)
            if group is None:
                break
            found.append(group)
        return found

    def address_of(self, id: bytes) -> Address | None:
        path = path_up(self._rows, id)
        if path is None or not path[0].row.shown:
            return None
        level, names = BOXES, []
        for node in reversed(path):
            group = self.group_of(level, node.id, node.row.label)
            assert group is not None, f"{node.id.hex()} is visible, and nothing shows it"
            names.append(group.name)
            level = self.below(level, group)
        return Address(names[0], "/".join(names[1:]))

    def subtree(self, ids: Sequence[Dot]) -> list[tuple[Dot, int]]:
        """`ids` and every visible node below, parents first, each with its parent's position."""
        positions: dict[bytes, int] = {}
        parents: list[int] = []
        above: dict[bytes, int] = {}
        waiting = list(dict.fromkeys(self._acting(ids)))
        for id in waiting:
            if id in positions:
                continue
            node = self._load(id)
            positions[id] = len(positions)
            parents.append(above.get(node.row.place, -1))
            above.update((twin, positions[id]) for twin in node.ids)
            waiting += children(self._rows, node.ids)
        return [(dot_of(id), parent) for id, parent in zip(positions, parents, strict=True)]

    def _acting(self, ids: Iterable[Dot]) -> Iterator[bytes]:
        for dot in ids:
            node = load(self._rows, id_key(dot))
            if node is not None:
                yield node.id

    def walk(self) -> Iterator[tuple[int, NodeView]]:
        """Everything that shows: each node with its depth, its children behind it, by name."""
        waiting = [(0, BOXES, group) for group in reversed(self.groups(BOXES))]
        while waiting:
            depth, level, group = waiting.pop()
            yield depth, group.view()
            if group.first.kind != FILE:
                inner = self.below(level, group)
                below = reversed(self.groups(inner))
                waiting += [(depth + 1, inner, child) for child in below]


def _names(address: Address) -> Sequence[str]:
    return address.path.split("/") if address.path else ()


def _free(name: str) -> bool:
    return False


def _below(nodes: Sequence[Node], *, fold: bool) -> Level:
    parents = tuple(id for node in nodes for id in node.ids)
    return Level(parents, fold, nodes[0].row.kind == BOX)
