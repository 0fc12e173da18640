"""Questions to the committed state of a shard: short, synchronous, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from crdt import Address, Blob, Dot, EntryView, Kind, NodeView
from samebox.asking import Declined
from samebox.control import Listed
from samebox.io.hosting import Shown

PAGE = 500
"""Names or entries in one question: others get their turn between two."""
EMPTY = Blob(sha256(b"").digest(), 0)


def found(state: Shown, address: Address) -> NodeView:
    if state.find(Address(address.box)) is None:
        raise Declined(
            "no-such-box",
            f"expected a box {address.box!r}, found none; `samebox ls` shows all boxes",
        )
    node = state.find(address)
    if node is None:
        raise Declined(
            "no-such-name",
            f"expected a folder or file at {address}, found nothing; "
            f"`samebox ls {address.box}` shows what is there",
        )
    return node


def mailbox(state: Shown, address: Address) -> NodeView:
    node = found(state, address)
    if node.kind is not Kind.FOLDER:
        raise Declined(
            "not-a-mailbox",
            f"expected a mailbox at {address}, found a {node.kind}; name a folder, such as "
            f"{address.box}:INBOX",
        )
    return node


def file_content(state: Shown, address: Address) -> Blob:
    node = found(state, address)
    if node.kind is not Kind.FILE:
        raise Declined(
            "not-a-file",
            f"expected a file at {address}, found a {node.kind}; name a file, or one entry of "
            "the mailbox",
        )
    return node.blob or EMPTY


def entry_in(state: Shown, address: Address, id: Dot) -> EntryView:
    folder = mailbox(state, address)
    shown = state.entry(id)
    if shown is None or shown[1] not in folder.ids:
        raise Declined(
            "no-such-entry",
            f"expected an entry {id} in {address}, found none; "
            f"`samebox ls --entries {address}` shows them",
        )
    return shown[0]


def entry_page(state: Shown, ids: Sequence[Dot], after: Dot | None) -> list[EntryView]:
    return list(state.entries(ids, after=after, limit=PAGE))


def counted(state: Shown, nodes: Sequence[NodeView]) -> tuple[Listed, ...]:
    return tuple(
        Listed(node, state.count(node.ids) if node.kind is Kind.FOLDER else 0) for node in nodes
    )
