"""Where the rows of a state lie between two lives of a node: the ports below samebox.write_back,
and their twins in memory.

A key of an image is the number of a table, one byte, and the key of a row in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

Change: TypeAlias = tuple[bytes, bytes | None]
"""A key and its new value; None where the row goes."""


class Frozen(Protocol):
    """The rows of an image as they were at one commit, whatever is written meanwhile; for one
    thread at a time. Whatever fails raises StateLost."""

    def page(
        self, start: bytes, stop: bytes, count: int, *, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]: ...

    def find(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]: ...

    def size(self) -> int:
        """Bytes, about."""
        ...

    def close(self) -> None: ...


class Image(Protocol):
    """Rows as they were at some commit. Whatever fails raises StateLost."""

    def page(
        self, start: bytes, stop: bytes, count: int, *, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """The first `count` rows with start <= key < stop, in key order; reversed, the last."""
        ...

    def find(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Those of these rows that are there, in any order."""
        ...

    def write(self, changes: Iterable[Change]) -> None:
        """Begin to make these changes, all or none; not before those before have ended. They are
        looked at meanwhile, by another thread maybe, and until then rows read as they were or as
        they will be."""
        ...

    @property
    def is_writing(self) -> bool:
        """False once all is written: from then on it survives the end of the process. A power cut
        may take it, and never a part of it."""
        ...

    def wait(self) -> None:
        """Until nothing is being written, or for a moment: whoever waits looks again."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing can be written now, and what to do; empty where it can."""
        ...

    def frozen(self) -> Frozen:
        """What is written by now. May be called by any thread."""
        ...

    def finish(self) -> None:
        """Until nothing is being written, or there is no room for it."""
        ...

    def close(self) -> None: ...


class Images(Protocol):
    """The place of one image."""

    def open(self, ended: Callable[[], None]) -> Image:
        """What is there, or an empty one; `ended` is called after each write, and when trouble
        begins, by any thread.

        Raises StateLost where what is there cannot be read, and DiskFull where there is no room to
        read it.
        """
        ...

    def clear(self) -> None:
        """Take away whatever is there; no image is open."""
        ...


class WrittenAtOnce:
    """Of an Image: what is not to be waited for, because `write` returns when all is written."""

    @property
    def is_writing(self) -> bool:
        return False

    def wait(self) -> None:
        pass

    @property
    def trouble(self) -> str:
        return ""

    def finish(self) -> None:
        self.wait()


class MemoryImage(WrittenAtOnce):
    """Implements Image. What is written is there at once. `_keys` are those of the rows, in order:
    a write with new ones sorts them once, which costs little where most are in order already."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def page(
        self, start: bytes, stop: bytes, count: int, *, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        keys, rows = self._keys, self._rows
        first = bisect_left(keys, start)
        end = bisect_left(keys, stop, first)
        if reverse:
            found = keys[max(first, end - count) : end][::-1]
        else:
            found = keys[first : min(end, first + count)]
        return [(key, rows[key]) for key in found]

    def find(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        return [(key, self._rows[key]) for key in keys if key in self._rows]

    def size(self) -> int:
        return sum(len(key) + len(value) for key, value in self._rows.items())

    def write(self, changes: Iterable[Change]) -> None:
        rows, count = self._rows, len(self._rows)
        came: dict[bytes, None] = {}
        for key, value in changes:
            if value is None:
                rows.pop(key, None)
                came.pop(key, None)
            else:
                if key not in rows:
                    came[key] = None
                rows[key] = value
        if len(rows) < count + len(came):
            self._keys = [key for key in self._keys if key in rows and key not in came]
        if came:
            self._keys += came
            self._keys.sort()

    def frozen(self) -> Frozen:
        view = MemoryImage()
        view._rows, view._keys = self._rows.copy(), self._keys.copy()
        return view

    def close(self) -> None:
        pass


class FrozenImage(WrittenAtOnce):
    """Implements Image over what nothing changes any more."""

    def __init__(self, frozen: Frozen) -> None:
        self._frozen = frozen
        self.page = frozen.page
        self.find = frozen.find

    def write(self, changes: Iterable[Change]) -> None:
        raise AssertionError("these rows are only read")

    def frozen(self) -> Frozen:
        return self._frozen

    def close(self) -> None:
        self._frozen.close()
