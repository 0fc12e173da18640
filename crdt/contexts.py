"""What the operations that remove had seen: deletes, expunges, and the renames that cancel."""

from __future__ import annotations

from collections.abc import Mapping

from crdt.ids import Actor
from crdt.keys import id_key
from crdt.operations import Operation
from crdt.rows import Rows
from crdt.tables import CONTEXT, CONTEXTS


def remember_context(rows: Rows, operation: Operation) -> bytes:
    """Its id, under which `context` finds what it had seen."""
    key = id_key(operation.dot)
    rows.put(CONTEXTS, key, CONTEXT.encode(operation.context()))
    return key


def context(rows: Rows, key: bytes) -> dict[Actor, int]:
    found = rows.get(CONTEXTS, key)
    assert found is not None, f"the context of {key.hex()} was never remembered"
    return CONTEXT.decode(found)


def widen(clock: dict[Actor, int], other: Mapping[Actor, int]) -> None:
    """Add to `clock` whatever `other` covers."""
    for actor, seq in other.items():
        if seq > clock.get(actor, 0):
            clock[actor] = seq
