"""What a user sees of a shard: the values that the state, the oracle and the digest share."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from crdt.ids import Dot
from crdt.operations import Blob


class Kind(StrEnum):
    BOX = "box"
    FOLDER = "folder"
    FILE = "file"


class EntryView(Struct, frozen=True, gc=False):
    """One message; `flags` sorted, with \\Deleted where it is shown."""

    id: Dot
    blob: Blob
    date_ms: int
    flags: tuple[str, ...]


class Located(Struct, frozen=True, gc=False):
    """A message that is shown, by its id: the folder where it is, and whether it shows as
    \\Deleted."""

    id: Dot
    folder: Dot
    deleted: bool


class NodeView(Struct, frozen=True):
    """One name below its parent, with all that stands under it.

    `ids` are the nodes that show as one, ordered by the stamps of their makings. `container` says
    that the node itself was deleted and shows only for what is below it. `conflict` is the
    content's dot where this is a conflict copy of the file `ids`.
    """

    kind: Kind
    name: str
    ids: tuple[Dot, ...]
    container: bool = False
    children: tuple[NodeView, ...] = ()
    entries: tuple[EntryView, ...] = ()
    blob: Blob | None = None
    conflict: Dot | None = None


class View(Struct, frozen=True):
    boxes: tuple[NodeView, ...]
