"""The port behind which a shard's state is kept: ordered tables of bytes.

The in-memory implementation is crdt.memory; any other has to pass the same property tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol


class Rows(Protocol):
    """Ordered rows (table, key) -> value inside one open transaction at a time.

    Reads inside a transaction see its writes. A read that fails raises StateLost: then the state
    is rebuilt from the log.
    """

    def get(self, table: str, key: bytes) -> bytes | None: ...

    def put(self, table: str, key: bytes, value: bytes) -> None: ...

    def remove(self, table: str, key: bytes) -> None:
        """Removing a row that is not there changes nothing."""
        ...

    def scan(
        self, table: str, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < stop, in key order; rows may change behind the iterator."""
        ...

    def fetch(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """What `get` would give for each of these, at once."""
        ...

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None:
        """Return to the rows as of the last commit."""
        ...


class StateLost(Exception):
    """The rows can no longer be read or written: rebuild them from snapshot and log."""
