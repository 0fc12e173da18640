"""What the core asks of the disk, and what it is told when that is done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import outcome

from comm import Range
from samebox.events import AppendFailed, Arrived, Batch, Event, Ready, Reborn, Synced
from samebox.io.disk_thread import DiskThread
from samebox.io.inbox import Inbox
from samebox.io.refusals import Refusals
from samebox.io.store import Store
from samebox.supply import RecentRecords
from storage import ChainBroken, DiskFull, DiskReadOnly

SMALL_BYTES = 16 << 10
"""Of a batch and its contents. With 4 KiB both syncs take a quarter of BRIEF_S here."""


class DiskJobs:
    """`tell` takes the events, `inbox` the work for which there is room; `broke` takes what shows
    that the disk can no longer be trusted: behind that error the shard has to end. `refusals`
    says what the disk does not take."""

    def __init__(
        self,
        disk: DiskThread,
        store: Store,
        recent: RecentRecords,
        inbox: Inbox,
        tell: Callable[[Event], None],
        broke: Callable[[BaseException], None],
        refusals: Refusals,
    ) -> None:
        self._disk = disk
        self._store = store
        self._recent = recent
        self._inbox = inbox
        self._tell = tell
        self._broke = broke
        self._refusals = refusals
        self._is_minting = False
        self._was_lone = True

    def begin(self, ready: Ready) -> None:
        """To be followed by `do_small` of the disk."""
        if ready.append is not None:
            self._append(ready.append)
        if ready.mint is not None:
            self._mint(ready.mint)
        if ready.unread:
            self._read_behind(ready.unread)

    def _append(self, batch: Batch) -> None:
        """A lone operation behind another one is small, with its short contents; behind a longer
        batch, more are likely to come together soon."""

        def ended(result: outcome.Maybe[object]) -> None:
            match result:
                case outcome.Value(behind):
                    self._refusals.taken()
                    self._recent.add(batch.records)
                    if isinstance(behind, Arrived):
                        self._inbox.put(behind)
                    self._tell(Synced(batch.number))
                case outcome.Error(error=DiskFull() | DiskReadOnly() as error):
                    self._refusals.refused(error)
                    self._tell(AppendFailed(batch.number, str(error)))
                case outcome.Error(error=ChainBroken() as error):
                    self._tell(AppendFailed(batch.number, str(error), error.refused, error.sound))
                case outcome.Error(error):
                    self._broke(error)

        is_lone = len(batch.records) == 1
        is_small = is_lone and self._was_lone and _size(batch) <= SMALL_BYTES
        self._was_lone = is_lone
        submit = self._disk.submit_small if is_small else self._disk.submit
        submit(partial(self._store.append, batch), ended)

    def _read_behind(self, unread: list[Range]) -> None:
        def ended(result: outcome.Maybe[object]) -> None:
            match result:
                case outcome.Value(behind):
                    if isinstance(behind, Arrived) and self._inbox.put(behind):
                        self._inbox.stir()
                case outcome.Error(error):
                    self._broke(error)

        self._disk.submit(partial(self._store.first_held, unread), ended)

    def _mint(self, reason: str) -> None:
        """One at a time. On a full disk there is no new actor: the core asks for it again."""
        if self._is_minting:
            return
        self._is_minting = True

        def ended(result: outcome.Maybe[object]) -> None:
            self._is_minting = False
            match result:
                case outcome.Value(birth):
                    assert isinstance(birth, Reborn), f"expected a Reborn, found {birth!r}"
                    self._tell(birth)
                case outcome.Error(error=DiskFull() | DiskReadOnly() as error):
                    self._refusals.refused(error)  # it is asked for again
                case outcome.Error(error):
                    self._broke(error)

        self._disk.submit(partial(self._store.mint, reason), ended)


def _size(batch: Batch) -> int:
    contents = sum([len(carried.data) for carried in batch.blobs])
    return contents + sum([len(record.data) for record in batch.records])
