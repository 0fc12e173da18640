"""The state against the oracle after one history."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from crdt import DELETED, Operation, Rows, State, View
from tests import oracle
from tests.crdt.implementations import ROWS
from tests.histories import World, causal_order
from tests.scripts import Script

ORDERS = 2
"""Random orders of delivery per history, beside those in which its replicas saw it."""

ROLLED_BACK = 0.05
"""How many of the batches are given up and made again."""


def check_history(script: Script, random: Random, rows: str) -> int:
    """All replicas as they stand, then healed in several orders; returns operations compared."""
    world = World(script)
    everything = world.operations()
    orders = [site.delivered for site in world.sites]
    orders += [causal_order(everything, random) for _ in range(ORDERS)]
    digests: dict[View, bytes] = {}
    for operations in orders:
        check_order(operations, ROWS[rows](), random, digests)
    assert len(set(digests.values())) == len(digests), "two views with one digest"
    return sum(map(len, orders))


def check_order(
    operations: Sequence[Operation], rows: Rows, random: Random, digests: dict[View, bytes]
) -> None:
    """In batches, some of them rolled back and done again, with a restart and a look half-way."""
    state, done = State(rows), 0
    look = random.randrange(len(operations) + 1)
    while done < len(operations):
        batch = operations[done : done + random.choice((1, 1, 1, 2, 5))]
        state.rows.begin()
        for operation in batch:
            state.apply(operation)
        if random.random() < ROLLED_BACK:
            state.rows.rollback()
            state = State(rows)
            continue
        state.rows.commit()
        if done <= look < done + len(batch):
            _agree(state, operations[: done + len(batch)])
            state = State(rows)
        done += len(batch)
    digest = state.digest()
    assert digests.setdefault(_agree(state, operations), digest) == digest


def _agree(state: State, operations: Sequence[Operation]) -> View:
    expected = oracle.view(operations)
    assert state.view() == expected
    assert marked_agree(state, expected)
    return expected


def marked_agree(state: State, view: View) -> bool:
    """Whether every mailbox lists the same entries as \\Deleted as it shows so."""
    waiting = list(view.boxes)
    for node in waiting:
        waiting += node.children
        if node.entries:
            marked = [entry.id for entry in node.entries if DELETED in entry.flags]
            if list(state.marked(node.ids)) != marked:
                return False
    return True
