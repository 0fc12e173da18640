"""Histories by hand: users act at their sites, and a state is given what arrived there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crdt import Body, Dot, Issue, MemoryRows, Operation, Rows, State
from tests.crdt.implementations import state_of
from tests.outline import outline
from tests.site import Site
from tests.user import User, meet, users

REQUEST = Issue(b"client-1", 1, 0, b"body")


def with_box(letters: str, *, fold: bool = False) -> list[User]:
    """Users who all know the box "mail"."""
    everyone = users(letters)
    everyone[0].create_box("mail", fold=fold)
    meet(everyone)
    return everyone


def state_at(site: Site) -> State:
    return state_of(site.delivered, MemoryRows())


def shown(everyone: list[User]) -> str:
    """After all has arrived everywhere: what the states show, in whatever order it came."""
    meet(everyone)
    states = [state_at(user) for user in everyone]
    assert len({state.digest() for state in states}) == 1
    return outline(states[0].view())


def twice(user: User, body: Body) -> Dot:
    """`body` as the answer to a request that others answer as well."""
    return user.do(body, REQUEST)


def apply_all(state: State, operations: Iterable[Operation]) -> None:
    state.rows.begin()
    for operation in operations:
        state.apply(operation)
    state.rows.commit()


class CountedRows:
    """Rows that count: reads, changes, and the rows that scans give."""

    def __init__(self) -> None:
        self._rows: Rows = MemoryRows()
        self.count = 0

    def get(self, table: str, key: bytes) -> bytes | None:
        self.count += 1
        return self._rows.get(table, key)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self.count += 1
        self._rows.put(table, key, value)

    def remove(self, table: str, key: bytes) -> None:
        self.count += 1
        self._rows.remove(table, key)

    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self.count += 1
        for row in self._rows.scan(table, start, stop, reverse=reverse):
            self.count += 1
            yield row

    def fetch(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        self.count += len(keys)
        return self._rows.fetch(table, keys)

    def begin(self) -> None:
        self._rows.begin()

    def commit(self) -> None:
        self._rows.commit()

    def rollback(self) -> None:
        self._rows.rollback()
