"""R8: what shows as one, under which name."""

from __future__ import annotations

import stringprep
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from unicodedata import ucd_3_2_0 as unicode_3_2

from crdt import DELETED, ROOT, Blob, Dot, EntryView, Kind, NodeView, Stamp
from tests.oracle.remembered import Entry, Node
from tests.oracle.visible import Sight

EMPTY = Blob(sha256(b"").digest(), 0)

Key = Callable[[str], str]


@dataclass
class Group:
    """Nodes that show as one, in the order of their makings (R8.5)."""

    members: list[Node]
    name: str = ""

    @property
    def first(self) -> Node:
        return self.members[0]

    @property
    def rank(self) -> tuple[int, Stamp]:
        """R8.2."""
        made = self.first.named_by is None and self.first.placed_by is None
        if any(node.inbox for node in self.members):
            return 0, self.first.made
        if made:
            return 2 if self.first.kind is Kind.FILE else 1, self.first.made
        return 3, self.first.made


def boxes(sight: Sight) -> tuple[NodeView, ...]:
    key = partial(key_of, fold=False, top=False)
    return _sorted(_place(sight, sight.nodes[ROOT], key))


def key_of(name: str, *, fold: bool, top: bool) -> str:
    """What two names have in common that compare as equal; `top`: directly below a box."""
    key = unicode_3_2.normalize("NFC", name)
    if fold:
        key = unicode_3_2.normalize("NFC", "".join(map(_folded, key)))
    return "INBOX" if top and key.isascii() and key.upper() == "INBOX" else key


@lru_cache(1000)
def _folded(character: str) -> str:
    """RFC 3454 table B.3, as far as Unicode 3.2 goes: the module answers from newer tables too."""
    mapped = stringprep.map_table_b3(character)
    assigned = all(unicode_3_2.category(c) != "Cn" for c in character + mapped)
    return mapped if assigned else character


def _place(sight: Sight, nodes: list[Node], key: Key, fold: bool | None = None) -> list[NodeView]:
    """Everything below one parent, `fold` being that of the box (None: the nodes are boxes)."""
    one: dict[Hashable, Group] = {}  # R8.1
    for node in sorted(nodes, key=lambda node: (node.made, node.id)):
        alike: Hashable = node.fold if node.kind is Kind.BOX else None
        if node.kind is Kind.FILE:
            alike = frozenset(sight.contents[node.id] or {EMPTY})
        origin = (node.named_by, node.placed_by)
        one.setdefault((key(node.name), origin, node.kind, alike), Group([])).members.append(node)

    taken: set[str] = set()
    others: list[Group] = []
    in_order = sorted(one.values(), key=lambda group: group.rank)
    for group in in_order:  # R8.2
        if key(group.first.name) in taken:
            others.append(group)
        else:
            group.name = group.first.name
            taken.add(key(group.name))
    for group in others:  # R8.3
        name = group.first.name
        is_file = group.first.kind is Kind.FILE
        group.name = _suffixed(name, group.first.id, key, taken, is_file=is_file)
        taken.add(key(group.name))

    views = [_view(sight, group, group.first.fold if fold is None else fold) for group in in_order]
    files = [group for group in in_order if group.first.kind is Kind.FILE]
    for group in sorted(files, key=lambda group: group.first.made):  # R8.4
        for stamp, blob in _contents(sight, group)[1:]:
            name = _suffixed(group.name, stamp.dot, key, taken, is_file=True)
            taken.add(key(name))
            ids = tuple(node.id for node in group.members)
            views.append(NodeView(Kind.FILE, name, ids, blob=blob, conflict=stamp.dot))
    return views


def _suffixed(name: str, dot: Dot, key: Key, taken: set[str], *, is_file: bool) -> str:
    digits = sha256(dot.actor + dot.seq.to_bytes(8, "big")).hexdigest()
    last_dot = name.rfind(".") if is_file else -1
    stem, extension = (name[:last_dot], name[last_dot:]) if last_dot > 0 else (name, "")
    found = name
    for length in range(4, len(digits) + 1):
        found = f"{stem}~{digits[:length]}{extension}"
        if key(found) not in taken:
            break
    return found


def _contents(sight: Sight, group: Group) -> list[tuple[Stamp, Blob]]:
    """R6 over the group: each blob with its greatest stamp, the greatest first."""
    shown: dict[Blob, Stamp] = {}
    for node in group.members:
        for blob, stamp in sight.contents[node.id].items():
            shown[blob] = max(stamp, shown.get(blob, stamp))
    return sorted(((stamp, blob) for blob, stamp in shown.items()), reverse=True)


def _view(sight: Sight, group: Group, fold: bool) -> NodeView:
    ids = tuple(node.id for node in group.members)
    kind = group.first.kind
    if kind is Kind.FILE:
        contents = _contents(sight, group)
        return NodeView(kind, group.name, ids, blob=contents[0][1] if contents else EMPTY)
    children = [child for node in ids for child in sight.nodes.get(node, [])]
    entries = [entry for node in ids for entry in sight.entries.get(node, [])]
    key = partial(key_of, fold=fold, top=kind is Kind.BOX)
    return NodeView(
        kind,
        group.name,
        ids,
        container=all(node in sight.containers for node in ids),
        children=_sorted(_place(sight, children, key, fold)),
        entries=tuple(map(_entry, sorted(entries, key=lambda entry: entry.made))),  # R12
    )


def _entry(entry: Entry) -> EntryView:
    flags = [max(dots.values())[1] for dots in entry.flags.values() if dots]  # R5
    flags += [] if entry.keep else [DELETED]  # R4
    return EntryView(entry.id, entry.blob, entry.date_ms, tuple(sorted(flags)))


def _sorted(views: list[NodeView]) -> tuple[NodeView, ...]:
    return tuple(sorted(views, key=lambda view: (view.name, view.ids)))
