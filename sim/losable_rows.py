"""Rows of a state that can be lost in the middle of a step."""

from __future__ import annotations

from typing_extensions import override

from crdt import MemoryRows, StateLost


class LosableRows(MemoryRows):
    """The write number `fails_in` from now on raises StateLost, and every one after it."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_in: int | None = None

    @override
    def put(self, table: str, key: bytes, value: bytes) -> None:
        if self.fails_in is not None:
            self.fails_in -= 1
            if self.fails_in < 0:
                raise StateLost("the rows cannot be written any more")
        super().put(table, key, value)
