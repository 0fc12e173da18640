"""What a user expects of a request: names changed in a tree of names, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from crdt import (
    DELETED,
    Address,
    Append,
    Blob,
    Copy,
    Create,
    Delete,
    Dot,
    EntryView,
    Expunge,
    Kind,
    Mode,
    NodeView,
    Reading,
    Rename,
    Request,
    Store,
)

Letter: TypeAlias = tuple[Blob, int, frozenset[str]]
"""A message as it is compared: flags without case, no id."""


@dataclass
class Item:
    """One name; `entries` by id, those that a request makes by ids of no actor."""

    kind: Kind
    blob: Blob | None = None
    container: bool = False
    below: dict[str, Item] = field(default_factory=dict)
    entries: dict[Dot, Letter] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        self.entries[Dot(b"", len(self.entries) + 1)] = letter

    def shown(self) -> object:
        """For comparison: a container is a folder like any other."""
        below = sorted((name, item.shown()) for name, item in self.below.items())
        entries = sorted((b, d, sorted(f)) for b, d, f in self.entries.values())
        return self.kind, self.blob, below, entries

    def prune(self) -> bool:
        """Whether it still shows: a container goes with the last thing in it."""
        self.below = {name: item for name, item in self.below.items() if item.prune()}
        return not self.container or bool(self.below or self.entries)


class Tree:
    """The names that a reading shows, each on its own."""

    def __init__(self, reading: Reading, boxes: Iterable[NodeView]) -> None:
        self._reading = reading
        self.root = Item(Kind.BOX, below={box.name: _item(box) for box in boxes})

    def shown(self) -> object:
        self.root.prune()
        return self.root.shown()

    def is_plain(self) -> bool:
        """No name has a suffix: then no name may change that was not named."""
        waiting = [self.root]
        for item in waiting:
            if any("~" in name for name in item.below):
                return False
            waiting += item.below.values()
        return True

    def at(self, address: Address) -> Item:
        item = self.root
        for name in self._way(address):
            item = item.below[name]
        return item

    def put(self, address: Address, item: Item) -> None:
        above = address.path.rpartition("/")[0]
        name = address.path.rpartition("/")[2] or address.box
        parent = self.at(Address(address.box, above)) if address.path else self.root
        parent.below[name] = item
        parent.container = False

    def take(self, address: Address) -> Item:
        *way, name = self._way(address)
        item = self.root
        for step in way:
            item = item.below[step]
        return item.below.pop(name)

    def _way(self, address: Address) -> list[str]:
        """The names as they are spelled where they are shown."""
        names = address.path.split("/") if address.path else []
        way = [address.box]
        for depth in range(1, len(names) + 1):
            view = self._reading.find(Address(address.box, "/".join(names[:depth])))
            way.append(names[depth - 1] if view is None else view.name)
        return way

    def ask(self, request: Request) -> None:
        match request:
            case Create():
                self._create(request)
            case Delete():
                self.take(request.target)
            case Append():
                self.at(request.target).container = False
                flags = frozenset(map(str.lower, request.flags))
                self.at(request.target).add((request.content, request.date_ms, flags))
            case Copy() | Rename():
                self._carry(request)
            case Store():
                self._store(request)
            case Expunge():
                item = self.at(request.target)
                marked = (id for id, e in item.entries.items() if DELETED.lower() in e[2])
                for id in tuple(marked) if request.entries is None else {*request.entries}:
                    del item.entries[id]

    def _create(self, request: Create) -> None:
        target = request.target
        inbox = {"INBOX": Item(Kind.FOLDER)}
        if target.box not in self.root.below:
            self.root.below[target.box] = Item(Kind.BOX, below=inbox)
        if target.path:
            names = target.path.split("/")
            for depth in range(1, len(names)):
                way = Address(target.box, "/".join(names[:depth]))
                if self._reading.find(way) is None:
                    self.put(way, Item(Kind.FOLDER))
            made = Item(Kind.FILE, request.content) if request.content else Item(Kind.FOLDER)
            self.put(target, made)

    def _carry(self, request: Copy | Rename) -> None:
        source = self.at(request.source)
        is_copy = isinstance(request, Copy)
        if request.entries is None and is_copy and source.kind is Kind.FILE:
            self.put(request.destination, replace(source))
            return
        entries = dict(source.entries)
        if request.entries is not None:
            entries = {id: entries[id] for id in request.entries}
        if request.entries is None and not is_copy:
            if request.source.path.upper() != "INBOX":
                self.put(request.destination, self.take(request.source))
                return
            self.put(request.destination, Item(Kind.FOLDER))
        goal = self.at(request.destination)
        goal.container = goal.container and not entries
        for id, letter in entries.items():
            if not is_copy:
                del source.entries[id]
            goal.add(letter)

    def _store(self, request: Store) -> None:
        item = self.at(request.target)
        if request.content is not None:
            item.blob = request.content
            return
        given = frozenset(map(str.lower, request.flags))
        for id in item.entries if request.entries is None else request.entries:
            blob, date, flags = item.entries[id]
            if request.mode is Mode.ADD:
                flags |= given
            elif request.mode is Mode.REMOVE:
                flags -= given
            else:
                flags = given
            item.entries[id] = (blob, date, flags)


def _item(view: NodeView) -> Item:
    below = {child.name: _item(child) for child in view.children}
    entries = {entry.id: _letter(entry) for entry in view.entries}
    return Item(view.kind, view.blob, view.container, below, entries)


def _letter(entry: EntryView) -> Letter:
    return entry.blob, entry.date_ms, frozenset(map(str.lower, entry.flags))
