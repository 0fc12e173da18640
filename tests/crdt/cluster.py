"""Nodes without disk and network: requests become records, and records arrive in some order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crdt import (
    Body,
    Born,
    Dot,
    Draft,
    Head,
    MemoryRows,
    Operation,
    Record,
    Request,
    Rows,
    State,
    first_head,
    plan,
    read,
    write,
)
from tests.site import actor_named


def first(letter: str) -> Head:
    return first_head("cluster", "shard", actor_named(letter))


class Replica:
    """What it takes, it decodes; what it asks for itself, too."""

    def __init__(self, letter: str, rows: Rows | None = None) -> None:
        self.head = first(letter)
        self.state = State(MemoryRows() if rows is None else rows)
        self.operations: list[Operation] = []
        self.records: list[Record] = []
        self._heads: dict[bytes, Head] = {}
        self._lamport = 0
        self.do(Born(letter, b"key", None))

    def asks(self, request: Request) -> list[Record]:
        """Raises Refused."""
        made = plan(self.state, request, lambda place: self._dot(1 + place))
        return [self.do(body) for body in made.bodies]

    def do(self, body: Body) -> Record:
        others = {actor: head.seq for actor, head in self._heads.items()}
        _, record, _ = write(self.head, Draft(body, self._lamport + 1, others))
        operation, _, self.head = read(self.head, record.data)
        self._accept(operation, record)
        return record

    def _dot(self, step: int) -> Dot:
        return Dot(self.head.actor, self.head.seq + step)

    def takes(self, records: Iterable[Record]) -> None:
        """As soon as causality allows, in the order given otherwise; those it has are passed by."""
        waiting: Sequence[Record] = list(records)
        while waiting:
            later = [record for record in waiting if not self._take(record)]
            assert len(later) < len(waiting), "records lack a cause"
            waiting = later

    def _take(self, record: Record) -> bool:
        if self._has(Dot(record.actor, record.seq)):
            return True
        head = self._heads.get(record.actor) or first(record.actor.decode()[0])
        if record.seq != head.seq + 1:
            return False
        operation, same, after = read(head, record.data)
        assert same == record
        if not all(self._has(Dot(*seen)) for seen in operation.others.items()):
            return False
        self._heads[record.actor] = after
        self._accept(operation, record)
        return True

    def _has(self, dot: Dot) -> bool:
        head = self.head if dot.actor == self.head.actor else self._heads.get(dot.actor)
        return head is not None and head.seq >= dot.seq

    def _accept(self, operation: Operation, record: Record) -> None:
        self.state.rows.begin()
        self.state.apply(operation)
        self.state.rows.commit()
        self.operations.append(operation)
        self._lamport = max(self._lamport, operation.lamport)
        self.records.append(record)
