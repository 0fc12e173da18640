"""Where the rows of a state lie on a simulated machine: images of commits, of which a crash leaves
any.

A write takes its time and is there whole or not at all. The end of a process keeps what was
written, and maybe what was under way. A power cut may bring back the image of an earlier commit;
now and then it leaves none, or a damaged one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from crdt import StateLost
from samebox.image import Change, Frozen, Image, MemoryImage
from sim.pages import Draw

KEPT = 6
"""Earlier commits that a power cut may bring back."""
SPOILT_ONE_IN = 10
"""Power cuts that leave no image, or a damaged one."""

Rows: TypeAlias = dict[bytes, bytes]
Later: TypeAlias = Callable[[Callable[[], None]], None]
"""Does something when the disk has had its time, if the process lives then."""


class Medium:
    """What outlives a process: `commits`, the newest last."""

    def __init__(self, commits: list[Rows] | None = None) -> None:
        self.commits: list[Rows] = commits or [{}]
        self._open: KeptImage | None = None

    def opened(self, image: KeptImage) -> None:
        self._open = image

    def keep(self, rows: Rows) -> None:
        self.commits.append(rows)
        del self.commits[:-KEPT]

    def clear(self) -> None:
        self.commits = [{}]

    def end_process(self, draw: Draw) -> None:
        image, self._open = self._open, None
        if image is not None:
            image.end(is_written=bool(draw(2)))

    def lose_power(self, draw: Draw) -> bool:
        """Whether it is spoilt, and not just older."""
        self.end_process(draw)
        back = draw(len(self.commits))
        del self.commits[len(self.commits) - back :]
        if draw(SPOILT_ONE_IN):
            return False
        if draw(2):
            self.clear()
        else:
            self.spoil(draw)
        return True

    def spoil(self, draw: Draw) -> None:
        """One row, or some, come back with a bit that is another."""
        rows = dict(self.commits[-1])
        keys = [key for key, value in rows.items() if value]
        few = [keys[draw(len(keys))]] if keys and draw(2) else keys[:: 1 + draw(8)]
        for key in few:
            value = rows[key]
            if value:
                changed = bytearray(value)
                changed[draw(len(value))] ^= 1 << draw(8)
                rows[key] = bytes(changed)
        self.commits[-1] = rows

    def copy(self, draw: Draw) -> Medium:
        """What a backup took of it: any commit that there was while it ran."""
        return Medium([self.commits[draw(len(self.commits))]])


class SimulatedImages:
    """Implements samebox.image.Images."""

    def __init__(self, medium: Medium, later: Later, table: Callable[[], Image]) -> None:
        self.image: KeptImage | None = None
        self._medium = medium
        self._later = later
        self._table = table

    def open(self, ended: Callable[[], None]) -> KeptImage:
        self.image = KeptImage(self._medium, self._table(), self._later, ended)
        self._medium.opened(self.image)
        return self.image

    def clear(self) -> None:
        self._medium.clear()


class KeptImage:
    """Implements samebox.image.Image over `table`, in memory. `fails_in` counts the readings and
    writings that still work; None for all."""

    def __init__(
        self, medium: Medium, table: Image, later: Later, ended: Callable[[], None]
    ) -> None:
        self.fails_in: int | None = None
        self._medium = medium
        self._table = table
        self._later = later
        self._ended = ended
        self._rows = dict(medium.commits[-1])
        self._changes: list[Change] | None = None
        self._error: StateLost | None = None
        table.write(self._rows.items())

    def page(
        self, start: bytes, stop: bytes, count: int, *, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._fail_if_due()
        return self._table.page(start, stop, count, reverse=reverse)

    def find(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        self._fail_if_due()
        return self._table.find(keys)

    def write(self, changes: Iterable[Change]) -> None:
        assert self._changes is None, "one write at a time"
        try:
            self._fail_if_due()
        except StateLost as error:
            self._error = error
        else:
            self._changes = list(changes)
            self._later(self._written)

    @property
    def is_writing(self) -> bool:
        if self._error is not None:
            raise self._error
        return self._changes is not None

    def wait(self) -> None:
        self._written()

    @property
    def trouble(self) -> str:
        return ""

    def finish(self) -> None:
        self._written()

    def frozen(self) -> Frozen:
        view = MemoryImage()
        view.write(self._rows.items())
        return view

    def close(self) -> None:
        self.end(is_written=True)

    def end(self, *, is_written: bool) -> None:
        if is_written:
            self._written()
        self._changes = None

    def _written(self) -> None:
        changes, self._changes = self._changes, None
        if changes is None:
            return
        self._table.write(changes)
        for key, value in changes:
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self._medium.keep(dict(self._rows))
        self._ended()

    def _fail_if_due(self) -> None:
        if self.fails_in is not None:
            self.fails_in -= 1
            if self.fails_in < 0:
                raise StateLost("the image of the state cannot be read or written any more")
