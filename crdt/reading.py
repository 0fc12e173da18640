"""What a request needs to see, and how an address becomes what is shown there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn, Protocol

from crdt.checks import new_name, path_names
from crdt.ids import Dot, is_inbox
from crdt.refusals import Code, Refused
from crdt.requests import Address
from crdt.view import EntryView, Kind, Located, NodeView

_FOLDER = Kind.FOLDER  # see crdt.entry_plans


class Reading(Protocol):
    """The part of a state that planning reads. Node views are shallow: one name, no content."""

    def find(self, address: Address) -> NodeView | None:
        """By shown names; suffixes and conflict copies included."""
        ...

    def way(self, address: Address) -> list[NodeView]:
        """The box, and what shows under each name behind it, as far as something does."""
        ...

    def node_children(self, ids: Sequence[Dot]) -> list[NodeView]: ...

    def entries(
        self, ids: Sequence[Dot], *, after: Dot | None = None, limit: int | None = None
    ) -> Iterator[EntryView]:
        """The entries shown in folders `ids`, in the order of their stamps."""
        ...

    def marked(self, ids: Sequence[Dot]) -> Iterator[Dot]:
        """Those of them that show as \\Deleted, in the same order."""
        ...

    def entry(self, id: Dot) -> tuple[EntryView, Dot] | None:
        """An entry that is shown, and the folder where it is."""
        ...

    def locate(self, id: Dot) -> Located | None:
        """The same, as far as a request that names entries has to know it."""
        ...

    def subtree(self, ids: Sequence[Dot]) -> list[tuple[Dot, int]]:
        """What a delete of `ids` lists: parents first, each with its parent's position or −1."""
        ...


class Place(NamedTuple):
    """Where something new would stand: `above` are the box and the folders on the way."""

    above: tuple[NodeView, ...]
    name: str

    @property
    def parent(self) -> NodeView:
        return self.above[-1]


def shows_inbox(node: NodeView) -> bool:
    return any(map(is_inbox, node.ids))


def is_same(left: NodeView, right: NodeView) -> bool:
    return (left.kind, left.ids, left.conflict) == (right.kind, right.ids, right.conflict)


def box_shown(reading: Reading, address: Address) -> NodeView:
    box = reading.find(Address(address.box))
    if box is None:
        found = f"expected a box {address.box!r}, found none"
        raise Refused(Code.NO_SUCH_BOX, address, f"{found}; create it, or look with ls")
    return box


def named(reading: Reading, address: Address) -> NodeView:
    """The folder, file or conflict copy at `address`; a box is none of these."""
    box_shown(reading, address)
    node = reading.find(address)
    if node is None:
        _nothing(address, Code.NO_SUCH_NAME, "a folder or file")
    return node


def mailbox(reading: Reading, address: Address) -> NodeView:
    node = reading.find(address)
    if node is None:
        box_shown(reading, address)
        _nothing(address, Code.NO_SUCH_MAILBOX, "a mailbox")
    if node.kind is not _FOLDER:
        remedy = "name a folder of it, such as INBOX" if node.kind is Kind.BOX else "name a folder"
        found = f"expected a mailbox, found a {node.kind}"
        raise Refused(Code.NOT_A_MAILBOX, address, f"{found}; {remedy}")
    return node


def file(reading: Reading, address: Address) -> NodeView:
    box_shown(reading, address)
    node = reading.find(address)
    if node is None:
        _nothing(address, Code.NO_SUCH_FILE, "a file")
    if node.kind is not Kind.FILE:
        found = f"expected a file, found a {node.kind}"
        raise Refused(Code.NOT_A_FILE, address, f"{found}; name a file")
    return node


def place(reading: Reading, address: Address) -> Place:
    """Where `address` would be; all but its last name have to be there."""
    box_shown(reading, address)
    *way, name = path_names(address)
    above = reading.way(Address(address.box, "/".join(way)))
    are_parents(above[1:], address)
    if len(above) <= len(way):
        missing = Address(address.box, "/".join(way[: len(above)]))
        found = f"expected a folder at {missing}, found nothing"
        raise Refused(Code.NO_SUCH_MAILBOX, address, f"{found}; create it first")
    return Place(tuple(above), new_name(name, address))


def parent_of(address: Address) -> Address:
    return Address(address.box, address.path.rpartition("/")[0])


def is_free(reading: Reading, address: Address) -> None:
    found = reading.find(address)
    if found is not None:
        raise name_taken(found, address)


def name_taken(by: NodeView, address: Address) -> Refused:
    found = f"expected a free name, found a {by.kind} called {by.name!r}"
    return Refused(Code.NAME_TAKEN, address, f"{found}; choose another name, or move it away")


def are_parents(way: Sequence[NodeView], address: Address) -> None:
    """`way`: what shows under the first names of `address`. A file is always the last of it."""
    if way and way[-1].kind is Kind.FILE:
        file = Address(address.box, "/".join(path_names(address)[: len(way)]))
        found = f"expected a folder at {file}, found a file"
        raise Refused(Code.NOT_A_MAILBOX, address, f"{found}; choose another place")


def _nothing(address: Address, code: Code, wanted: str) -> NoReturn:
    found = f"expected {wanted}, found nothing"
    raise Refused(code, address, f"{found}; look with ls what is there, or create it")
