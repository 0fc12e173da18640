"""R1–R3: which nodes and entries are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crdt import ROOT, Blob, Dot, Kind, Operation, Stamp
from tests.oracle.history import concurrent
from tests.oracle.remembered import Entry, Memory, Node


@dataclass
class Sight:
    """What is visible of a memory, by where it is."""

    nodes: dict[Dot, list[Node]]
    entries: dict[Dot, list[Entry]]
    containers: set[Dot]
    contents: dict[Dot, dict[Blob, Stamp]]
    """File -> the blobs that it shows, each with its greatest stamp."""


def look(memory: Memory) -> Sight:
    sight = Sight({}, {}, set(), {})
    removers = {node: list(_effective_deletes(memory, node)) for node in memory.nodes}

    for entry in memory.entries.values():
        if entry.folder is not None and memory.below(entry.folder, ROOT):
            if not _removed(entry, removers[entry.folder] + entry.expunges):
                sight.entries.setdefault(entry.folder, []).append(entry)

    below: dict[Dot | None, list[Node]] = {}
    for node in memory.nodes.values():
        below.setdefault(node.parent, []).append(node)

    def visit(node: Node) -> bool:
        """R3; what is homeless is never visited."""
        children = [child for child in below.get(node.id, []) if visit(child)]
        if children:
            sight.nodes[node.id] = children
        if node.kind is Kind.BOX or node.inbox:
            return True
        deletes = removers[node.id]
        if any(not any(delete.saw(dot) for delete in deletes) for dot in node.touch):
            if node.kind is Kind.FILE:
                sight.contents[node.id] = _content(node, deletes)
            return True
        if children or node.id in sight.entries:
            sight.containers.add(node.id)
            return True
        return False

    sight.nodes[ROOT] = [box for box in below.get(ROOT, []) if visit(box)]
    return sight


def _effective_deletes(memory: Memory, node: Dot) -> Iterator[Operation]:
    """R1."""
    for delete, listed in memory.deletes:
        if any(target == node for target, _ in listed):
            family = _with_ancestors(node, listed)
            if not any(
                concurrent(rename, delete) and family & ids for rename, ids in memory.renames
            ):
                yield delete


def _with_ancestors(node: Dot, listed: list[tuple[Dot | None, int]]) -> set[Dot]:
    """`node` and what is above it along the parents inside a delete."""
    family: set[Dot] = set()
    for position, (target, _) in enumerate(listed):
        if target == node:
            while 0 <= position < len(listed):
                above, parent = listed[position]
                if above is not None:
                    family.add(above)
                position = parent if parent < position else -1
    return family


def _removed(entry: Entry, removers: list[Operation]) -> bool:
    """R2: each remover is judged by itself."""
    return any(all(remover.saw(dot) for dot in entry.life) for remover in removers)


def _content(file: Node, deletes: list[Operation]) -> dict[Blob, Stamp]:
    """R6. The empty dictionary shows as the empty blob."""
    shown: dict[Blob, Stamp] = {}
    for dot, (stamp, blob) in file.content.items():
        if not any(delete.saw(dot) for delete in deletes):
            shown[blob] = max(stamp, shown.get(blob, stamp))
    return shown
