"""What a user may ask of a node: the seven requests, in terms of names.

A request names things by address. The origin resolves it against what it shows, refuses it with a
reason, or turns it into the bodies of operations (crdt.plan).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from msgspec import Struct
from typing_extensions import override

from crdt.ids import Dot
from crdt.operations import Blob


class Address(NamedTuple):
    """`BOX:PATH`. The empty path is the box itself; names in a path are separated by '/'."""

    box: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        box, _, path = text.partition(":")
        return cls(box, path.strip("/"))

    @override
    def __str__(self) -> str:
        return f"{self.box}:{self.path}" if self.path else self.box


class RequestId(NamedTuple):
    """(client, number): `client` is 8 bytes; each client counts its requests upwards."""

    client: bytes
    number: int


class Mode(StrEnum):
    ADD = "add"
    REMOVE = "remove"
    SET = "set"


class Create(Struct, frozen=True, tag="create"):
    """Make a box (path empty), a mailbox, or with `content` a file.

    `parents` makes missing folders on the way; `fold` goes with boxes alone.
    """

    target: Address
    content: Blob | None = None
    parents: bool = False
    fold: bool = False


class Delete(Struct, frozen=True, tag="delete"):
    target: Address


class Append(Struct, frozen=True, tag="append"):
    target: Address
    content: Blob
    flags: tuple[str, ...] = ()
    date_ms: int = 0


class Copy(Struct, frozen=True, tag="copy"):
    """Entries of one mailbox into another (None: all that it shows), or a file to a new name."""

    source: Address
    destination: Address
    entries: tuple[Dot, ...] | None = None


class Rename(Struct, frozen=True, tag="rename"):
    """A folder or file to a new name and place; with `entries`, those into another mailbox."""

    source: Address
    destination: Address
    entries: tuple[Dot, ...] | None = None


class Store(Struct, frozen=True, tag="store"):
    """Flags of entries (None: all that the mailbox shows), or with `content`, a file's bytes."""

    target: Address
    entries: tuple[Dot, ...] | None = None
    flags: tuple[str, ...] = ()
    mode: Mode = Mode.ADD
    content: Blob | None = None


class Expunge(Struct, frozen=True, tag="expunge"):
    """Entries, or with None, all that the mailbox shows as \\Deleted."""

    target: Address
    entries: tuple[Dot, ...] | None = None


Request: TypeAlias = Create | Delete | Append | Copy | Rename | Store | Expunge
