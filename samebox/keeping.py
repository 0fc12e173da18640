"""Where a shard keeps the rows of its state from one life to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from crdt import Rows, StateLost
from samebox.events import Notice
from samebox.image import Frozen, Images
from samebox.write_back import Bounds, WriteBackRows


class GivenUp(Exception):
    """Nobody waits any more for what was being done with the rows: the node is told to stop."""


class Keeper(Protocol):
    """Has one set of rows at a time. What cannot be read or written raises StateLost.

    `wake` is called when more is written, and when trouble begins, by any thread.
    """

    wake: Callable[[], object]

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
        """Return when it is full no longer. For whoever is no loop. Raises GivenUp."""
        ...

    def give_up(self) -> None:
        """Whoever waits, or ever will, waits no longer. May be called by any thread."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing can be written now, and what to do; empty where it can."""
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

    def drop(self) -> None:
        """Close, and take away whatever is there."""
        ...


class Unkept:
    """Rows that end with the process: the next start makes them again."""

    def __init__(self, make: Callable[[], Rows]) -> None:
        self.wake: Callable[[], object] = lambda: None
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

    def give_up(self) -> None:
        pass

    @property
    def trouble(self) -> str:
        return ""

    def write_soon(self) -> None:
        pass

    def frozen(self) -> Frozen | None:
        return None

    def close(self, *, is_whole: bool) -> None:
        pass

    def drop(self) -> None:
        pass


class Kept:
    """Rows in an image. One that could not be read or written is taken away when it is closed: the
    next start would go on from it, and end at the same place."""

    def __init__(self, images: Images, bounds: Bounds | None = None) -> None:
        self.wake: Callable[[], object] = lambda: None
        self._images = images
        self._bounds = bounds
        self._rows: WriteBackRows | None = None
        self._is_given_up = False

    def open(self) -> Rows:
        assert self._rows is None, "the rows are open"
        image = self._images.open(self._wake)
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
        rows = self._opened()
        while not self._is_given_up:
            if not rows.is_full:
                return
            rows.wait_a_moment()
        raise GivenUp

    def give_up(self) -> None:
        self._is_given_up = True

    @property
    def trouble(self) -> str:
        return "" if self._rows is None else self._rows.trouble

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

    def drop(self) -> None:
        self.close(is_whole=False)
        self._images.clear()

    def _wake(self) -> None:
        self.wake()

    def _opened(self) -> WriteBackRows:
        assert self._rows is not None, "open() first"
        return self._rows


class Stalled:
    """Tells once when nothing can be written, and once when it can again."""

    def __init__(self, keeper: Keeper, tell: Callable[[Notice], None]) -> None:
        self._keeper = keeper
        self._tell = tell
        self._was_in_trouble = False

    def look(self) -> str:
        """Why nothing can be written now, if that is so."""
        trouble = self._keeper.trouble
        if bool(trouble) != self._was_in_trouble:
            self._was_in_trouble = bool(trouble)
            text = trouble or "the state is written again"
            self._tell(Notice(text, alarm=bool(trouble)))
        return trouble
