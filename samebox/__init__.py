"""The same mailboxes and files on every node: what a program imports.

What runs a node is loaded when it is first named, so that commands begin at once.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from crdt import DELETED as DELETED
from crdt import Address as Address
from crdt import Append as Append
from crdt import Blob as Blob
from crdt import Clock as Clock
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
from crdt import Request as Request
from crdt import RequestId as RequestId
from crdt import Store as Store

if TYPE_CHECKING:
    from samebox.changes import Change as Change
    from samebox.config import ConfigurationRefused as ConfigurationRefused
    from samebox.errors import SameboxError as SameboxError
    from samebox.events import Carried as Carried
    from samebox.events import Done as Done
    from samebox.events import Failure as Failure
    from samebox.events import Late as Late
    from samebox.events import Notice as Notice
    from samebox.events import Outcome as Outcome
    from samebox.events import Receipt as Receipt
    from samebox.events import Refusal as Refusal
    from samebox.io.box import Box as Box
    from samebox.io.call import Call as Call
    from samebox.io.call import Reply as Reply
    from samebox.io.collecting import collect_seldom as collect_seldom
    from samebox.io.node import Node as Node
    from samebox.io.node import NodeStopped as NodeStopped
    from samebox.io.node import open_node as open_node
    from samebox.io.shard import Shard as Shard

PLACES = {
    "Change": "samebox.changes",
    "ConfigurationRefused": "samebox.config",
    "SameboxError": "samebox.errors",
    "Carried": "samebox.events",
    "Done": "samebox.events",
    "Failure": "samebox.events",
    "Late": "samebox.events",
    "Notice": "samebox.events",
    "Outcome": "samebox.events",
    "Receipt": "samebox.events",
    "Refusal": "samebox.events",
    "Box": "samebox.io.box",
    "collect_seldom": "samebox.io.collecting",
    "Node": "samebox.io.node",
    "NodeStopped": "samebox.io.node",
    "open_node": "samebox.io.node",
    "Call": "samebox.io.shard",
    "Reply": "samebox.io.shard",
    "Shard": "samebox.io.shard",
}


def __getattr__(name: str) -> object:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)


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
