"""A snapshot of a peer that waits for the loop of the shard to take it over."""

from __future__ import annotations

from collections.abc import Callable

import outcome
import trio

from crdt import Clock
from samebox.adopting import NotAdopted
from samebox.io.disk_thread import DiskThread
from samebox.starting import Restored
from storage import DiskFull, DiskReadOnly

Adopt = Callable[[Clock], Restored]
"""In the thread that drives the disk; takes the clock of what is durable."""


class Adoptions:
    """One at a time. While one `is_under_way`, the state is none that may be looked at."""

    def __init__(self) -> None:
        self.is_under_way = False
        self.waiting: Adopt | None = None
        self._ended = trio.Event()
        self._end: outcome.Outcome[None] = outcome.Value(None)

    async def wait(self, adopt: Adopt) -> None:
        """Until it is done. Raises NotAdopted, DiskFull, DiskReadOnly with nothing changed."""
        assert self.waiting is None, "one snapshot at a time"
        self.waiting, self._ended = adopt, trio.Event()
        try:
            await self._ended.wait()
        finally:
            self.waiting = None
        self._end.unwrap()

    async def carry_out(self, disk: DiskThread, known: Clock) -> Restored | None:
        """What the core goes on from; None where it goes on as it was. Raises StorageError."""
        adopt, self.waiting = self.waiting, None
        assert adopt is not None
        made: Restored | None = None
        self.is_under_way = True
        try:
            made = await disk.run(lambda: adopt(known))
        except (NotAdopted, DiskFull, DiskReadOnly) as error:
            self._end = outcome.Error(error)
        else:
            self._end = outcome.Value(None)
        finally:
            self.is_under_way = False
        self._ended.set()
        return made
