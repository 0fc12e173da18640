"""Plans for boxes, folders and files: made, deleted, renamed, written, copied."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from crdt.checks import blob, box_name, new_name, path_names
from crdt.entry_plans import inbox_emptied
from crdt.ids import Dot, inbox_of
from crdt.operations import (
    Body,
    BoxMade,
    FileMade,
    FileWritten,
    FolderMade,
    NodesDeleted,
    NodesRenamed,
)
from crdt.reading import (
    Reading,
    are_parents,
    box_shown,
    file,
    is_free,
    is_same,
    name_taken,
    named,
    parent_of,
    place,
    shows_inbox,
)
from crdt.refusals import Code, Refused
from crdt.requests import Address, Copy, Create, Rename, Store
from crdt.view import Kind, NodeView

NODES_PER_OPERATION = 40_000
"""A delete lists all that it covers and cannot be cut in two: at 20 bytes each it is 800 kB, and
an operation has at most 1 MiB."""

SUFFIXED = re.compile(r"~[0-9a-f]{4,64}(\.[^.]*)?$")
"""How a shown name may end that the node was not given (R8)."""


def made(reading: Reading, request: Create, next_dot: Callable[[int], Dot]) -> tuple[Body, ...]:
    if not request.target.path:
        return _box_made(reading, request)
    names = path_names(request.target)
    bodies: list[Body] = []
    box = reading.find(Address(request.target.box))
    if box is None and request.parents:
        bodies.append(BoxMade(box_name(request.target), request.fold))
        parent, missing = _in_new_box(request.target, names, next_dot(0))
    else:
        _fold_unasked(request)
        parent, missing = _first_missing(reading, request, names)
    *way, name = [new_name(name, request.target) for name in missing]
    for folder in way:
        bodies.append(FolderMade(parent, folder))
        parent = next_dot(len(bodies) - 1)
    if request.content is None:
        bodies.append(FolderMade(parent, name))
    else:
        bodies.append(FileMade(parent, name, blob(request.content, request.target)))
    return tuple(bodies)


def _box_made(reading: Reading, request: Create) -> tuple[Body, ...]:
    if request.content is not None:
        path_names(request.target)
    name = box_name(request.target)
    is_free(reading, request.target)
    return (BoxMade(name, request.fold),)


def _fold_unasked(request: Create) -> None:
    if request.fold:
        found = "expected fold with a new box alone, found it with a folder or file"
        remedy = "leave it out: it was fixed when the box was made"
        raise Refused(Code.UNCLEAR, request.target, f"{found}; {remedy}")


def _in_new_box(target: Address, names: tuple[str, ...], box: Dot) -> tuple[Dot, tuple[str, ...]]:
    """Parent and names of what is to be made in a box that has only its INBOX."""
    if not (names[0].isascii() and names[0].upper() == "INBOX"):
        return box, names
    if len(names) == 1:
        found = "expected a name that a new box does not have, found INBOX"
        raise Refused(Code.NAME_TAKEN, target, f"{found}; create the box alone")
    return inbox_of(box), names[1:]


def _first_missing(
    reading: Reading, request: Create, names: tuple[str, ...]
) -> tuple[Dot, tuple[str, ...]]:
    """The last folder on the way that is there, and the names below it that are not."""
    target = request.target
    box_shown(reading, target)
    way = reading.way(Address(target.box, "/".join(names)))
    there = len(way) - 1
    if there == len(names):
        raise name_taken(way[-1], target)
    are_parents(way[1:], target)
    if there + 1 < len(names) and not request.parents:
        missing = Address(target.box, "/".join(names[: there + 1]))
        found = f"expected a folder at {missing}, found nothing"
        remedy = "create it first, or ask for the parents too (--parents)"
        raise Refused(Code.NO_SUCH_MAILBOX, target, f"{found}; {remedy}")
    return way[-1].ids[0], names[there:]


def deleted(reading: Reading, target: Address) -> tuple[Body, ...]:
    node = _movable(named(reading, target), target, "deleted")
    if shows_inbox(node):
        found = "expected a folder or file, found the INBOX, which always exists"
        raise Refused(Code.IS_INBOX, target, f"{found}; expunge what is in it")
    if node.conflict is not None:
        kept = _file_of(reading, node, target)
        found = f"expected a folder or file, found a conflict copy of {kept}"
        remedy = f"write {kept} with the content that is to stay: that settles all its copies"
        raise Refused(Code.CONFLICT_COPY, target, f"{found}; {remedy}")
    return (NodesDeleted(_few_enough(tuple(reading.subtree(node.ids)), target)),)


def renamed(reading: Reading, request: Rename, next_dot: Callable[[int], Dot]) -> tuple[Body, ...]:
    """A folder or file with all its ids; an INBOX is emptied into a new folder instead (R11)."""
    node = _movable(named(reading, request.source), request.source, "renamed")
    if node.conflict is not None:
        kept = _file_of(reading, node, request.source)
        found = f"expected a folder or file, found a conflict copy of {kept}"
        raise Refused(Code.CONFLICT_COPY, request.source, f"{found}; copy it to the new name")
    goal = place(reading, request.destination)
    taken = reading.find(request.destination)
    if taken is not None and (shows_inbox(node) or not is_same(taken, node)):
        raise name_taken(taken, request.destination)
    if shows_inbox(node):
        making = FolderMade(goal.parent.ids[0], goal.name)
        return making, *inbox_emptied(reading, node, request.source, next_dot(0))
    if any(set(node.ids) & set(above.ids) for above in goal.above):
        found = f"expected a place outside {request.source}, found one inside it"
        raise Refused(Code.INTO_ITSELF, request.destination, f"{found}; choose another place")
    if taken is not None and taken.name == goal.name:
        return ()
    _few_enough(node.ids, request.source)
    stays = is_same(box_or_folder(reading, parent_of(request.source)), goal.parent)
    if stays:
        return (NodesRenamed(node.ids, None, goal.name),)
    return (NodesRenamed(node.ids, goal.parent.ids[0], _given_name(node, goal.name)),)


def _given_name(node: NodeView, name: str) -> str | None:
    """None where a move leaves the name alone, so that a concurrent rename keeps its say."""
    return None if name == node.name and not SUFFIXED.search(name) else name


def box_or_folder(reading: Reading, address: Address) -> NodeView:
    node = reading.find(address)
    assert node is not None, f"{address} holds what is shown, and is not shown"
    return node


def file_written(reading: Reading, request: Store) -> tuple[Body, ...]:
    """Replaces every content that is observed, that of conflict copies too."""
    assert request.content is not None
    if request.entries is not None or request.flags:
        found = "expected either flags of entries or the content of a file, found both"
        raise Refused(Code.UNCLEAR, request.target, f"{found}; ask twice")
    node = file(reading, request.target)
    if node.conflict is not None:
        kept = _file_of(reading, node, request.target)
        found = f"expected a file, found a conflict copy of {kept}"
        raise Refused(Code.CONFLICT_COPY, request.target, f"{found}; write {kept} to settle it")
    _few_enough(node.ids, request.target)
    return (FileWritten(node.ids, blob(request.content, request.target)),)


def file_copied(reading: Reading, request: Copy) -> tuple[Body, ...]:
    """A new file with the same blob; the source may be a conflict copy."""
    node = file(reading, request.source)
    goal = place(reading, request.destination)
    is_free(reading, request.destination)
    assert node.blob is not None, f"{request.source} is a file without content"
    return (FileMade(goal.parent.ids[0], goal.name, node.blob),)


def _movable(node: NodeView, address: Address, what: str) -> NodeView:
    if node.kind is Kind.BOX:
        found = f"expected a folder or file, found a box, which cannot be {what}"
        raise Refused(Code.IS_BOX, address, f"{found}; name something in it")
    return node


def _file_of(reading: Reading, copy: NodeView, address: Address) -> Address:
    """The file that a conflict copy stands beside."""
    above = parent_of(address)
    beside = reading.node_children(box_or_folder(reading, above).ids)
    name = next(n.name for n in beside if n.ids == copy.ids and n.conflict is None)
    return Address(above.box, f"{above.path}/{name}".lstrip("/"))


Ids = TypeVar("Ids", bound=tuple[object, ...])


def _few_enough(ids: Ids, address: Address) -> Ids:
    if len(ids) > NODES_PER_OPERATION:
        found = f"expected at most {NODES_PER_OPERATION} nodes at once, found {len(ids)}"
        raise Refused(Code.TOO_LARGE, address, f"{found}; begin with the folders inside it")
    return ids
