"""Where a shard keeps the rows of its state from one life to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from crdt import Rows, StateLost
from samebox.image import Frozen, Images
from samebox.write_back import Bounds, WriteBackRows


class Keeper(Protocol):
    """Has one set of rows at a time. What cannot be read or written raises StateLost.

    `wake` is called when more is written, by any thread.
    """

    wake: Callable[[], None]

    def open(self) -> Rows:
        """What was kept, or empty rows."""
        ...

    def renew(self) -> Rows:
        """Empty rows, in place of whatever is there."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether the next transaction has to wait until more is written."""
        ...

    def wait(self) -> None:
        """Return when it is full no longer. For whoever is no loop."""
        ...

    def write_soon(self) -> None:
        """Begin to write what is committed, without waiting for more of it."""
        ...

    def frozen(self) -> Frozen | None:
        """What is written by now, for a reader in any thread; None where nothing is kept."""
        ...

    def close(self, *, is_whole: bool) -> None:
        """Write all that is committed, where the rows `is_whole`. Behind a StateLost in the middle
        of a transaction nothing more is written."""
        ...


class Unkept:
    """Rows that end with the process: the next start makes them again."""

    def __init__(self, make: Callable[[], Rows]) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._make = make

    def open(self) -> Rows:
        return self._make()

    def renew(self) -> Rows:
        return self._make()

    @property
    def is_full(self) -> bool:
        return False

    def wait(self) -> None:
        pass

    def write_soon(self) -> None:
        pass

    def frozen(self) -> Frozen | None:
        return None

    def close(self, *, is_whole: bool) -> None:
        pass


class Kept:
    """Rows in an image. One that could not be read or written is taken away when it is closed: the
    next start would go on from it, and end at the same place."""

    def __init__(self, images: Images, bounds: Bounds | None = None) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._images = images
        self._bounds = bounds
        self._rows: WriteBackRows | None = None

    def open(self) -> Rows:
        assert self._rows is None, "the rows are open"
        image = self._images.open(lambda: self.wake())
        try:
            self._rows = WriteBackRows(image, self._bounds)
        except StateLost:
            image.close()
            raise
        return self._rows

    def renew(self) -> Rows:
        self.close(is_whole=False)
        self._images.clear()
        return self.open()

    @property
    def is_full(self) -> bool:
        return self._opened().is_full

    def wait(self) -> None:
        self._opened().wait()

    def write_soon(self) -> None:
        self._opened().write_soon()

    def frozen(self) -> Frozen | None:
        return self._opened().frozen()

    def close(self, *, is_whole: bool) -> None:
        rows, self._rows = self._rows, None
        if rows is None:
            return
        try:
            if is_whole and not rows.is_open and not rows.is_lost:
                rows.write_all()
        finally:
            rows.close()
            if rows.is_lost:
                self._images.clear()

    def _opened(self) -> WriteBackRows:
        assert self._rows is not None, "open() first"
        return self._rows
