"""The state against the oracle after a few deeds, in every order of delivery."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

from typing_extensions import override

from crdt import Dot, MemoryRows, Operation, State
from tests import oracle
from tests.crdt.agreement import marked_agree
from tests.crdt.implementations import state_of
from tests.deeds import Deeds, Doing, Relation
from tests.pairs import relations
from tests.site import all_of
from tests.user import Refused, User

Changes: TypeAlias = frozenset[tuple[str, bytes, bytes | None]]
"""The rows that differ from those of the base: table, key, and the value (None: there is none)."""


STEPS_MAX = 20_000
"""Some tens of megabytes."""


class SteppedRows(MemoryRows):
    """Rows that can be brought from the base to where they once were, inside one transaction."""

    def bring(self, changes: Changes) -> None:
        for table, key, value in changes:
            if value is None:
                self.remove(table, key)
            else:
                self.put(table, key, value)

    def changes(self) -> Changes:
        names = {id(table): name for name, table in self._tables.items()}
        first: dict[tuple[int, bytes], bytes | None] = {}
        for table, key, before in self._undo or ():
            first.setdefault((id(table), key), before)
        now = ((names[at], key, self.get(names[at], key)) for at, key in first)
        base = first.values()
        return frozenset(one for one, before in zip(now, base, strict=True) if one[2] != before)


class Tried:
    """Counts what was compared, and in how many orders of delivery.

    A state is its rows: other tests start it anew from them everywhere, and so does this. Where two
    orders of the same operations leave equal rows, whatever is delivered next does the same to
    both, and they are one from there on. The rows are compared whole, so nothing is assumed about
    which operations commute. (What a commit adds, the clock and the notes of what may be forgotten
    later, is left out: neither effects nor the view read it.)
    """

    def __init__(self, three: Sequence[User]) -> None:
        self._deeds = Deeds(three)
        base = all_of(three)
        self._known = {operation.dot for operation in base}
        self._rows = SteppedRows()
        self.state = state_of(base, self._rows)
        self._steps: dict[tuple[Changes, int], tuple[Operation, Changes]] = {}
        self.scenarios = self.refused = self.orders = self.operations = self.states = 0

    def every_relation(self, doings: Sequence[Doing]) -> None:
        self.each(doings, relations(len(doings)))

    def each(self, doings: Sequence[Doing], chosen: Sequence[Relation]) -> None:
        for relation in chosen:
            try:
                acting = self._deeds.happen(doings, relation)
            except Refused:
                self.refused += 1
            else:
                self.scenarios += 1
                self._compare(all_of([*self._deeds.users, *acting]))

    def _compare(self, operations: Sequence[Operation]) -> None:
        expected = oracle.view(operations)
        new = [operation for operation in operations if operation.dot not in self._known]
        orders, ends = self._delivered(new)
        self.orders += orders
        self.operations += orders * len(new)
        self.states += len(ends)
        for end in ends:
            self._rows.begin()
            self._rows.bring(end)
            state = State(self._rows)
            assert state.view() == expected, new
            assert marked_agree(state, expected), new
            self._rows.rollback()

    def _delivered(self, new: Sequence[Operation]) -> tuple[int, set[Changes]]:
        """In every order that causality allows: how many these are, and the rows they end with."""
        reached: dict[frozenset[Dot], tuple[int, set[Changes]]]
        reached = {frozenset(): (1, {frozenset()})}
        for left in range(len(new), 0, -1):
            step = self._step if left > 1 else self._after  # the last one hardly comes again
            further: dict[frozenset[Dot], tuple[int, set[Changes]]] = {}
            for (done, (orders, states)), operation in itertools.product(reached.items(), new):
                if operation.dot not in done and _is_ready(operation, done, new):
                    known, after = further.get(done | {operation.dot}, (0, set()))
                    after |= {step(state, operation) for state in states}
                    further[done | {operation.dot}] = known + orders, after
            reached = further
        ((orders, states),) = reached.values()
        return orders, states

    def _step(self, changes: Changes, operation: Operation) -> Changes:
        """`_after`, worked out once: the first steps of many scenarios are the same, to the very
        objects (tests.deeds keeps them)."""
        if len(self._steps) >= STEPS_MAX:
            self._steps.clear()
        key = changes, id(operation)  # kept beside the result, so no other gets its id
        if key not in self._steps:
            self._steps[key] = operation, self._after(changes, operation)
        return self._steps[key][1]

    def _after(self, changes: Changes, operation: Operation) -> Changes:
        state = State(self._rows)
        self._rows.begin()
        self._rows.bring(changes)
        state.apply(operation)
        found = self._rows.changes()
        self._rows.rollback()  # the state has served its turn
        return found

    @override
    def __str__(self) -> str:
        return (
            f"{self.scenarios} scenarios ({self.refused} refused), {self.orders} orders of "
            f"delivery, {self.operations} operations, {self.states} different states"
        )


def _is_ready(operation: Operation, done: frozenset[Dot], new: Sequence[Operation]) -> bool:
    return all(other.dot in done for other in new if operation.saw(other.dot))
