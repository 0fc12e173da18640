"""What the core asks of the disk, and what it is told when that is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import outcome

from samebox.events import AppendFailed, Batch, Event, Reborn, Synced
from samebox.io.disk_thread import DiskThread
from samebox.io.store import Store
from samebox.supply import RecentRecords
from storage import ChainBroken, DiskFull, DiskReadOnly

Told: TypeAlias = Callable[[outcome.Outcome[object]], Sequence[Event] | None]
"""The events that a result is; None where the disk can no longer be trusted."""


class DiskJobs:
    """`tell` takes the events, `broke` the error behind which the shard has to end."""

    def __init__(
        self,
        disk: DiskThread,
        store: Store,
        recent: RecentRecords,
        *,
        tell: Callable[[Event], None],
        broke: Callable[[BaseException], None],
    ) -> None:
        self._disk = disk
        self._store = store
        self._recent = recent
        self._tell = tell
        self._broke = broke
        self._is_minting = False

    def append(self, batch: Batch) -> None:
        def told(result: outcome.Outcome[object]) -> Sequence[Event] | None:
            match result:
                case outcome.Value():
                    self._recent.add(batch.records)
                    return [Synced(batch.number)]
                case outcome.Error(error=DiskFull() | DiskReadOnly() as error):
                    return [AppendFailed(batch.number, str(error))]
                case outcome.Error(error=ChainBroken() as error):
                    return [AppendFailed(batch.number, str(error), error.actor)]
                case _:
                    return None

        self._submit(lambda: self._store.append(batch), told)

    def mint(self, reason: str) -> None:
        """One at a time. On a full disk there is no new actor: the core asks for it again."""
        if self._is_minting:
            return
        self._is_minting = True

        def told(result: outcome.Outcome[object]) -> Sequence[Event] | None:
            self._is_minting = False
            match result:
                case outcome.Value(value=Reborn() as birth):
                    return [birth]
                case outcome.Error(error=DiskFull() | DiskReadOnly()):
                    return []
                case _:
                    return None

        self._submit(lambda: self._store.mint(reason), told)

    def _submit(self, job: Callable[[], object], told: Told) -> None:
        def ended(result: outcome.Outcome[object]) -> None:
            events = told(result)
            if events is None:
                assert isinstance(result, outcome.Error)
                self._broke(result.error)
            for event in events or ():
                self._tell(event)

        self._disk.submit(job, ended)
