"""What is remembered of each thing, after all operations in the order of their stamps.

A stamp extends causality, so whatever an operation removes, by its context, was added before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crdt import (
    DELETED,
    ROOT,
    Blob,
    Born,
    BoxMade,
    Dot,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    Kind,
    NodesDeleted,
    NodesRenamed,
    Operation,
    Stamp,
    Unknown,
    inbox_of,
)
from tests.oracle.history import History


@dataclass
class Node:
    id: Dot
    kind: Kind
    made: Stamp
    name: str
    parent: Dot | None
    inbox: bool = False
    fold: bool = False
    named_by: Dot | None = None
    """The rename that gave the name; None where the making did."""
    placed_by: Dot | None = None
    touch: set[Dot] = field(default_factory=set)
    content: dict[Dot, tuple[Stamp, Blob]] = field(default_factory=dict)


@dataclass
class Entry:
    id: Dot
    made: Stamp
    blob: Blob
    date_ms: int
    folder: Dot | None
    life: set[Dot]
    keep: set[Dot] = field(default_factory=set)
    flags: dict[str, dict[Dot, tuple[Stamp, str]]] = field(default_factory=dict)
    """Flag without case -> the dots that hold it, each with its stamp and spelling."""
    expunges: list[Operation] = field(default_factory=list)


def flag_key(flag: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in flag)


MARK = flag_key(DELETED)


class Memory:
    """Nodes and entries by id; deletes and renames as they list nodes by what the ids mean."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.nodes: dict[Dot, Node] = {}
        self.entries: dict[Dot, Entry] = {}
        self.deletes: list[tuple[Operation, list[tuple[Dot | None, int]]]] = []
        self.renames: list[tuple[Operation, set[Dot]]] = []

    # What a target means, None where it is unknown or of the wrong kind

    def node(self, operation: Operation, target: Dot | None, *kinds: Kind) -> Node | None:
        meant = None if target is None else self.history.meaning(operation, target)
        node = None if meant is None else self.nodes.get(meant)
        return node if node is not None and node.kind in kinds else None

    def nodes_of(self, operation: Operation, targets: Iterable[Dot], *kinds: Kind) -> list[Node]:
        found = (self.node(operation, target, *kinds) for target in targets)
        return [node for node in found if node is not None and not node.inbox]

    def entries_of(self, operation: Operation, targets: Iterable[Dot]) -> list[Entry]:
        meant = (self.history.meaning(operation, target) for target in targets)
        return [self.entries[dot] for dot in meant if dot is not None and dot in self.entries]

    def below(self, node: Dot | None, top: Dot) -> bool:
        """Whether `node` is `top` or below it."""
        steps = 0
        while node is not None and node != top:
            node = self.nodes[node].parent if node in self.nodes else None
            steps += 1
            assert steps <= len(self.nodes), "the tree has a cycle"
        return node is not None

    # Makings

    def make(self, operation: Operation, kind: Kind, name: str, target: Dot | None) -> None:
        parent = self.node(operation, target, Kind.BOX, Kind.FOLDER)
        if parent is not None:
            parent.touch.add(operation.dot)
        real = self.history.stands_for.get(operation.dot)
        if real is not None:  # R10: an alias touches what it stands for, and adds content alone
            self.nodes[real].touch.add(operation.dot)
            if isinstance(operation.body, FileMade):
                self.nodes[real].content[operation.dot] = (operation.stamp, operation.body.blob)
            return
        place = ROOT if kind is Kind.BOX else parent.id if parent is not None else None
        node = Node(operation.dot, kind, operation.stamp, name, place, touch={operation.dot})
        if isinstance(operation.body, BoxMade):  # R11: there as soon as its box is
            node.fold = operation.body.fold
            inbox = inbox_of(node.id)
            self.nodes[inbox] = Node(inbox, Kind.FOLDER, node.made, "INBOX", node.id, inbox=True)
        elif isinstance(operation.body, FileMade):  # R6: its first write
            node.content[node.id] = (operation.stamp, operation.body.blob)
        self.nodes[node.id] = node

    def put(self, operation: Operation, body: EntryAppended | EntryCopied) -> None:
        folder = self.node(operation, body.folder, Kind.FOLDER)
        if folder is not None:
            folder.touch.add(operation.dot)
        if operation.dot in self.history.stands_for:
            return
        dot, place = operation.dot, None if folder is None else folder.id
        entry = Entry(dot, operation.stamp, body.blob, body.date_ms, place, life={dot})
        if MARK not in map(flag_key, body.flags):  # R4
            entry.keep.add(dot)
        self.add_flags(operation, entry, body.flags)
        self.entries[dot] = entry

    # Changes

    def rename(self, operation: Operation, body: NodesRenamed) -> None:
        """R7, and the registers of R8."""
        nodes = self.nodes_of(operation, body.nodes, Kind.FOLDER, Kind.FILE)
        self.renames.append((operation, {node.id for node in nodes}))
        parent = self.node(operation, body.parent, Kind.BOX, Kind.FOLDER)
        closes = parent is not None and any(self.below(parent.id, node.id) for node in nodes)
        for node in nodes:
            node.touch.add(operation.dot)
            if parent is not None:
                parent.touch.add(operation.dot)
            if operation.dot in self.history.stands_for:
                continue
            if body.name is not None:
                node.name, node.named_by = body.name, operation.dot
            if parent is not None and not closes:
                node.parent, node.placed_by = parent.id, operation.dot

    def delete(self, operation: Operation, body: NodesDeleted) -> None:
        def meant(target: Dot) -> Dot | None:
            nodes = self.nodes_of(operation, (target,), Kind.FOLDER, Kind.FILE)
            return nodes[0].id if nodes else None

        self.deletes.append((operation, [(meant(dot), parent) for dot, parent in body.nodes]))

    def move(self, operation: Operation, body: EntriesMoved) -> None:
        folder = self.node(operation, body.folder, Kind.FOLDER)
        for entry in self.entries_of(operation, body.entries):
            if folder is not None:
                folder.touch.add(operation.dot)
            if operation.dot not in self.history.stands_for:
                entry.life.add(operation.dot)
                entry.folder = None if folder is None else folder.id

    def write(self, operation: Operation, body: FileWritten) -> None:
        """R6."""
        for file in self.nodes_of(operation, body.nodes, Kind.FILE):
            file.touch.add(operation.dot)
            for dot in [dot for dot in file.content if operation.saw(dot)]:
                del file.content[dot]
            file.content[operation.dot] = (operation.stamp, body.blob)

    def store(self, operation: Operation, body: FlagsStored) -> None:
        removed = set(map(flag_key, body.remove))
        for entry in self.entries_of(operation, body.entries):
            for flag, dots in entry.flags.items():  # R5
                if body.replace or flag in removed:
                    for dot in [dot for dot in dots if operation.saw(dot)]:
                        del dots[dot]
            if MARK in map(flag_key, body.add):  # R4
                entry.keep = {dot for dot in entry.keep if not operation.saw(dot)}
            if operation.dot not in self.history.stands_for:
                self.add_flags(operation, entry, body.add)
        folder = self.node(operation, body.folder, Kind.FOLDER)
        for entry in self.entries_of(operation, body.undelete):
            if folder is not None:
                folder.touch.add(operation.dot)
            if operation.dot not in self.history.stands_for:
                entry.keep.add(operation.dot)
                entry.life.add(operation.dot)

    @staticmethod
    def add_flags(operation: Operation, entry: Entry, flags: Iterable[str]) -> None:
        for flag in flags:
            if flag_key(flag) != MARK:
                dots = entry.flags.setdefault(flag_key(flag), {})
                dots[operation.dot] = (operation.stamp, flag)

    def apply(self, operation: Operation) -> None:
        match operation.body:
            case BoxMade(name=name):
                self.make(operation, Kind.BOX, name, None)
            case FolderMade(parent=parent, name=name):
                self.make(operation, Kind.FOLDER, name, parent)
            case FileMade(parent=parent, name=name):
                self.make(operation, Kind.FILE, name, parent)
            case EntryAppended() | EntryCopied() as body:
                self.put(operation, body)
            case NodesRenamed() as body:
                self.rename(operation, body)
            case NodesDeleted() as body:
                self.delete(operation, body)
            case EntriesMoved() as body:
                self.move(operation, body)
            case FileWritten() as body:
                self.write(operation, body)
            case FlagsStored() as body:
                self.store(operation, body)
            case EntriesExpunged(entries=entries):
                for entry in self.entries_of(operation, entries):
                    entry.expunges.append(operation)
            case Born() | Unknown():
                pass


def remember(history: History) -> Memory:
    memory = Memory(history)
    for operation in history.operations:
        memory.apply(operation)
    return memory
