"""R8: what shows as one, and under which name. Pure: nodes below one parent in, names out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

from msgspec import Struct

from crdt.ids import Dot
from crdt.keys import dot_of, id_in, is_inbox_key
from crdt.names import key
from crdt.operations import Blob
from crdt.tables import BOX, FILE
from crdt.view import Kind, NodeView

EMPTY = Blob(sha256(b"").digest(), 0)
SUFFIX_DIGITS_MIN = 4
TOP_INBOX = "INBOX"


class Namesake(Struct):
    """A visible node as R8 looks at it. `contents`: of a file, each blob with its stamp."""

    id: bytes
    stamp: bytes
    kind: int
    name: str
    labelled: bytes
    placed: bytes
    fold: bool
    container: bool
    contents: dict[Blob, bytes]


class Level(Struct, frozen=True):
    """The children of parents that are one; which names are one there.

    `parents` are all their ids, those of aliases too.
    """

    parents: tuple[bytes, ...]
    fold: bool
    is_top: bool

    def key(self, name: str) -> str:
        if self.is_top and name.isascii() and name.upper() == TOP_INBOX:
            return TOP_INBOX
        return key(name, fold=self.fold)


class Group(Struct):
    """Nodes that are one, by stamp; with the name and blob that they show.

    A conflict copy is a group of its own, with the dot of its content.
    """

    members: list[Namesake]
    name: str = ""
    blob: Blob | None = None
    conflict: Dot | None = None

    @property
    def first(self) -> Namesake:
        return self.members[0]

    def rank(self) -> tuple[int, bytes]:
        """R8.2: who goes before whom."""
        first = self.first
        if any(is_inbox_key(node.id) for node in self.members):
            return 0, first.stamp
        if first.labelled or first.placed:
            return 3, first.stamp
        return (2 if first.kind == FILE else 1), first.stamp

    def contents(self) -> list[tuple[bytes, Blob]]:
        """R6: the greatest stamp first."""
        found: dict[Blob, bytes] = {}
        for node in self.members:
            for blob, stamp in node.contents.items():
                found[blob] = max(stamp, found.get(blob, b""))
        return sorted(((stamp, blob) for blob, stamp in found.items()), reverse=True)

    def view(self) -> NodeView:
        kind = _VIEWS[self.first.kind]
        ids = tuple(dot_of(node.id) for node in self.members)
        container = all(node.container for node in self.members)
        return NodeView(kind, self.name, ids, container, blob=self.blob, conflict=self.conflict)


_VIEWS = (Kind.BOX, Kind.FOLDER, Kind.FILE)


def grouped(level: Level, nodes: Iterable[Namesake]) -> list[Group]:
    """R8.1, ranked as R8.2 says."""
    groups: dict[object, Group] = {}
    for node in sorted(nodes, key=lambda node: (node.stamp, node.id)):
        alike: object = node.fold if node.kind == BOX else None
        if node.kind == FILE:
            alike = frozenset(node.contents or (EMPTY,))
        same = (level.key(node.name), node.labelled, node.placed, node.kind, alike)
        groups.setdefault(same, Group([])).members.append(node)
    for group in groups.values():
        if group.first.kind == FILE:
            group.blob = next((blob for _, blob in group.contents()), EMPTY)
    return sorted(groups.values(), key=Group.rank)


def named(level: Level, nodes: Iterable[Namesake], is_taken: Callable[[str], bool]) -> list[Group]:
    """R8.2–R8.4 for whole sets of nodes with one key: conflict copies come behind the groups.

    `is_taken` tells of bare names beside these.
    """
    groups = grouped(level, nodes)
    taken: dict[str, None] = {}
    others: list[Group] = []
    for group in groups:
        own = level.key(group.first.name)
        if own in taken:
            others.append(group)
        else:
            taken[own] = None
            group.name = group.first.name

    def suffixed(name: str, dot: bytes, kind: int) -> str:
        found = name
        for found in _suffixes(name, dot_of(dot), kind):
            own = level.key(found)
            if own not in taken and not is_taken(found):
                break
        taken[level.key(found)] = None
        return found

    for group in others:
        group.name = suffixed(group.first.name, group.first.id, group.first.kind)
    files = [group for group in groups if group.first.kind == FILE]
    copies: list[Group] = []
    for group in sorted(files, key=lambda group: group.first.stamp):
        for stamp, blob in group.contents()[1:]:
            name = suffixed(group.name, id_in(stamp), FILE)
            copies.append(Group(group.members, name, blob, dot_of(id_in(stamp))))
    return groups + copies


def _suffixes(name: str, dot: Dot, kind: int) -> Iterator[str]:
    """R8.3: from the shortest to the longest."""
    digits = sha256(dot.actor + dot.seq.to_bytes(8, "big")).hexdigest()
    last_dot = name.rfind(".") if kind == FILE else -1
    stem, extension = (name[:last_dot], name[last_dot:]) if last_dot > 0 else (name, "")
    for length in range(SUFFIX_DIGITS_MIN, len(digits) + 1):
        yield f"{stem}~{digits[:length]}{extension}"


SUFFIXED = re.compile(r"~[0-9a-f]{4,64}(\.[^.]*)?\Z")
"""How every name ends that R8.3 or R8.4 gives; others may end so too."""
