"""Memory that ends in the middle of a step of the core, at any row that it writes.

Nothing in the core expects that: the process has to end, and what it had written to the disk by
then is what the next start finds.
"""

from __future__ import annotations

from collections.abc import Callable

from samebox.replica import Replica


class OutOfMemory(MemoryError):
    """Told apart from one that the simulator itself meets."""


class Scarcity:
    """`left` are the rows that can still be written; None for any number."""

    def __init__(self) -> None:
        self.left: int | None = None

    def begin(self, replica: Replica, writes: int) -> None:
        """The state is another once it was lost, and what follows of this with it."""
        self.left, rows = writes, replica.state.rows
        rows._put = self._counted(rows._put)

    def _counted(self, put: Callable[[str, bytes, bytes], None]) -> Callable[..., None]:
        def counted(table: str, key: bytes, value: bytes) -> None:
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise OutOfMemory("no memory for a row")
            put(table, key, value)

        return counted
