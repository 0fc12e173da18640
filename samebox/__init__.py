"""The same mailboxes and files on every node.

    async with samebox.open_node("nodes.yaml", "a") as node:
        outcome = await node.ask(samebox.Create(samebox.Address("mail/alice")), copies=2)

Everything for users is imported from here; docs/glossary.md says what the words mean. Names are
loaded when they are first used, so that short commands start fast.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crdt import Actor as Actor
    from crdt import Address as Address
    from crdt import Append as Append
    from crdt import Blob as Blob
    from crdt import Copy as Copy
    from crdt import Create as Create
    from crdt import Delete as Delete
    from crdt import Dot as Dot
    from crdt import EntryView as EntryView
    from crdt import Expunge as Expunge
    from crdt import Kind as Kind
    from crdt import Mode as Mode
    from crdt import NodeView as NodeView
    from crdt import Rename as Rename
    from crdt import RequestId as RequestId
    from crdt import Store as Store
    from samebox.changes import Change as Change
    from samebox.config import ConfigurationRefused as ConfigurationRefused
    from samebox.errors import SameboxError as SameboxError
    from samebox.events import Carried as Carried
    from samebox.events import Done as Done
    from samebox.events import Failure as Failure
    from samebox.events import Late as Late
    from samebox.events import Notice as Notice
    from samebox.events import Receipt as Receipt
    from samebox.events import Refusal as Refusal
    from samebox.io.box import Box as Box
    from samebox.io.node import Node as Node
    from samebox.io.node import NodeStopped as NodeStopped
    from samebox.io.node import open_node as open_node
    from samebox.io.shard import Call as Call
    from samebox.io.shard import Reply as Reply
    from samebox.io.shard import Shard as Shard

_CRDT = (
    "Actor Address Append Blob Copy Create Delete Dot EntryView Expunge Kind Mode NodeView Rename "
    "RequestId Store"
)
_HOMES = {
    "crdt": _CRDT,
    "samebox.changes": "Change",
    "samebox.config": "ConfigurationRefused",
    "samebox.errors": "SameboxError",
    "samebox.events": "Carried Done Failure Late Notice Receipt Refusal",
    "samebox.io.box": "Box",
    "samebox.io.node": "Node NodeStopped open_node",
    "samebox.io.shard": "Call Reply Shard",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"samebox has no {name!r}; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def _check_siblings() -> None:
    """Other distributions ship packages of these names (Jupyter has a `comm`)."""
    home = Path(__file__).resolve().parent.parent
    for sibling in ("crdt", "comm", "storage", "certs"):
        spec = find_spec(sibling)
        found = spec.origin if spec is not None else None
        if found is None or Path(found).resolve().parent.parent != home:
            raise ImportError(
                f"expected the package {sibling} of samebox in {home}, found {found}: another "
                "distribution has one of that name; install samebox in an environment of its own"
            )


_check_siblings()
