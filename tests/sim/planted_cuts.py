"""Mistakes to be planted where logs are cut, and snapshots of peers taken over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pytest

import storage.log
import storage.snapshot
from crdt import Actor, Clock
from samebox.holding import Holding
from samebox.retention import Retention
from storage import Disk, SnapshotWriter
from storage.files import FileName
from storage.frames import BLOCK

Patch = pytest.MonkeyPatch


def cuts_by_the_word_of_one_member(patch: Patch) -> None:
    """What any of the others says it holds is taken for what all of them do."""

    def by_any(
        self: Retention, durable: Clock, others: Sequence[Holding], strangers: Collection[str]
    ) -> dict[Actor, int]:
        told = [{}, *(member.clock for member in others)]
        return {a: min(seq, max(clock.get(a, 0) for clock in told)) for a, seq in durable.items()}

    patch.setattr(Retention, "by_all", by_any)


def cuts_before_the_snapshot_is_synced(patch: Patch) -> None:
    def unsynced(disk: Disk, new: FileName, *, state: str) -> FileName:
        renamed = new._replace(state=state)
        disk.rename(new.text, renamed.text)
        return renamed

    def add(self: SnapshotWriter, block: bytes) -> None:
        self._frame(BLOCK, block)
        self._blocks += 1

    patch.setattr(storage.snapshot, "publish", unsynced)
    patch.setattr(SnapshotWriter, "add", add)


def forgets_what_it_alone_has_when_it_takes_a_snapshot_over(patch: Patch) -> None:
    patch.setattr(storage.log, "beyond", lambda tips, records: iter(()))


CUTTING: tuple[Callable[[Patch], None], ...] = (
    cuts_by_the_word_of_one_member,
    cuts_before_the_snapshot_is_synced,
    forgets_what_it_alone_has_when_it_takes_a_snapshot_over,
)
