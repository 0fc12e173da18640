"""A state that shows what a test writes down, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from crdt.ids import Dot, inbox_of
from crdt.operations import DELETED, Blob
from crdt.requests import Address
from crdt.view import EntryView, Kind, Located, NodeView

ACTOR = b"a" * 16


def dot(seq: int) -> Dot:
    return Dot(ACTOR, seq)


def content(text: str) -> Blob:
    return Blob(sha256(text.encode()).digest(), len(text))


@dataclass
class Shown:
    """A name, and what is below it or in it; entries are given by folder id."""

    kind: Kind
    ids: tuple[Dot, ...]
    blob: Blob | None = None
    conflict: Dot | None = None
    below: dict[str, Shown] = field(default_factory=dict)
    entries: dict[Dot, list[EntryView]] = field(default_factory=dict)


def box(id: Dot, below: dict[str, Shown], *messages: EntryView) -> Shown:
    inbox = Shown(Kind.FOLDER, (inbox_of(id),), entries={inbox_of(id): list(messages)})
    return Shown(Kind.BOX, (id,), below={"INBOX": inbox, **below})


def folder(*ids: Dot, below: dict[str, Shown] | None = None, **more: list[EntryView]) -> Shown:
    """`first`, `second` in `more` are the entries of the first and second id."""
    places = dict(zip(("first", "second"), ids, strict=False))
    entries = {places[which]: messages for which, messages in more.items()}
    return Shown(Kind.FOLDER, ids, below=below or {}, entries=entries)


def file(*ids: Dot, text: str, conflict: Dot | None = None) -> Shown:
    return Shown(Kind.FILE, ids, content(text), conflict)


def message(id: Dot, *flags: str) -> EntryView:
    return EntryView(id, content(str(id)), 1_700_000_000_000 + id.seq, flags)


class FakeReading:
    def __init__(self, boxes: dict[str, Shown], *, ignores_case: bool = False) -> None:
        self.boxes = boxes
        self._ignores_case = ignores_case

    def find(self, address: Address) -> NodeView | None:
        names = address.path.split("/") if address.path else []
        way = self.way(address)
        return way[-1] if len(way) == 1 + len(names) else None

    def way(self, address: Address) -> list[NodeView]:
        way: list[NodeView] = []
        shown, name = self.boxes.get(address.box), address.box
        waiting = address.path.split("/") if address.path else []
        while shown is not None:
            way.append(_view(name, shown))
            if not waiting:
                break
            names = {self._key(n): n for n in shown.below}
            name = names.get(self._key(waiting.pop(0)), "")
            shown = shown.below.get(name)
        return way

    def _key(self, name: str) -> str:
        return name.casefold() if self._ignores_case or name.upper() == "INBOX" else name

    def node_children(self, ids: Sequence[Dot]) -> list[NodeView]:
        above = next(s for _, s in self._all() if s.ids == tuple(ids))
        return [_view(name, shown) for name, shown in above.below.items()]

    def entries(
        self, ids: Sequence[Dot], *, after: Dot | None = None, limit: int | None = None
    ) -> Iterator[EntryView]:
        assert after is None and limit is None
        found = [(view, folder) for view, folder in self._entries() if folder in ids]
        return iter(sorted((view for view, _ in found), key=lambda view: view.id))

    def marked(self, ids: Sequence[Dot]) -> Iterator[Dot]:
        return (view.id for view in self.entries(ids) if DELETED in view.flags)

    def entry(self, id: Dot) -> tuple[EntryView, Dot] | None:
        return next((found for found in self._entries() if found[0].id == id), None)

    def locate(self, id: Dot) -> Located | None:
        found = self.entry(id)
        return None if found is None else Located(id, found[1], DELETED in found[0].flags)

    def subtree(self, ids: Sequence[Dot]) -> list[tuple[Dot, int]]:
        top = next(s for _, s in self._all() if s.ids == tuple(ids) and s.conflict is None)
        listed: list[tuple[Dot, int]] = []
        _list(top, -1, listed)
        return listed

    def _all(self) -> Iterator[tuple[str, Shown]]:
        waiting = list(self.boxes.items())
        while waiting:
            name, shown = waiting.pop()
            yield name, shown
            waiting += shown.below.items()

    def _entries(self) -> Iterator[tuple[EntryView, Dot]]:
        for _, shown in self._all():
            for place, views in shown.entries.items():
                for view in views:
                    yield view, place


def _view(name: str, shown: Shown) -> NodeView:
    return NodeView(shown.kind, name, shown.ids, blob=shown.blob, conflict=shown.conflict)


def _list(shown: Shown, parent: int, listed: list[tuple[Dot, int]]) -> None:
    place = len(listed)
    listed += [(id, parent) for id in shown.ids]
    for child in shown.below.values():
        _list(child, place, listed)
