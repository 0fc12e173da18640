"""The beginning of a log goes, once the snapshots that are kept stand for it: as steps.

Two snapshots have to read back whole first, each once in the life of a process, a block at a time.
What may go is decided by `storage.removable`; the segments themselves go in one short step. Where a
snapshot went meanwhile, because one of a peer was taken over, nothing more goes.
"""

from __future__ import annotations

from collections.abc import Generator

from msgspec import Struct

from crdt import Clock
from samebox.compacting import OnDisk
from samebox.events import LogBegins
from samebox.snapshotting import KEPT, sound
from samebox.store import Store, log_begins
from storage import (
    Bounds,
    Damaged,
    DiskReadFailed,
    FileMissing,
    Snapshot,
    check_snapshot,
    removable,
    set_snapshot_aside,
)

GONE = ""


class Held(Struct, frozen=True):
    """What other members hold: see samebox.retention."""

    by_all: Clock
    by_quorum: Clock


class Truncated(Struct, frozen=True):
    """Of the snapshots, `damaged` were set aside."""

    segments: int = 0
    bytes: int = 0
    damaged: tuple[str, ...] = ()


class Truncating:
    """For one life of a store. Whenever `begins` has changed, the core is to be told before
    anything else is done, also where a step has failed."""

    def __init__(self, store: Store) -> None:
        self.begins: LogBegins | None = None
        self._store = store
        self._sound: dict[bytes, None] = {}

    def steps(self, held: Held, bytes_max: int) -> Generator[OnDisk, object, Truncated]:
        """Raises what the steps raise: `DiskReadOnly` with nothing lost, LogDamaged."""
        found = yield OnDisk(self._counting)
        assert isinstance(found, list)
        if len(found) < KEPT or not (yield OnDisk(lambda: self._count(found, held, bytes_max))):
            return Truncated()
        for snapshot in found:
            damage = yield from self._check(snapshot)
            if damage is not None:
                return Truncated(damaged=(damage,) if damage else ())
        segments = size = 0
        while went := (yield OnDisk(lambda: self._truncate(found, held, bytes_max))):
            assert isinstance(went, int)
            segments, size = segments + 1, size + went
        return Truncated(segments, size)

    def _counting(self) -> list[Snapshot]:
        return sound(self._store.log, self._store.disks.log)[:KEPT]

    def _check(self, snapshot: Snapshot) -> Generator[OnDisk, object, str | None]:
        """What is wrong with it; nothing is to be said of one that went."""
        if snapshot.header.id in self._sound:
            return None
        blocks = check_snapshot(self._store.disks.log, snapshot)

        def another() -> str | bool:
            try:
                return next(blocks, None) is not None
            except FileMissing:
                return GONE
            except (Damaged, DiskReadFailed) as error:
                set_snapshot_aside(self._store.disks.log, snapshot)
                return f"{snapshot.name.text} is set aside: {error}"

        while (step := (yield OnDisk(another))) is True:
            pass
        if isinstance(step, str):
            return step
        self._sound[snapshot.header.id] = None
        return None

    def _count(self, snapshots: list[Snapshot], held: Held, bytes_max: int) -> int:
        bounds = Bounds(
            covered=_covered(snapshots),
            by_all=held.by_all,
            by_quorum=held.by_quorum,
            bytes_max=bytes_max,
        )
        return removable(self._store.log.parts(), bounds)

    def _truncate(self, snapshots: list[Snapshot], held: Held, bytes_max: int) -> int:
        """One segment goes, if one may; how many bytes it had."""
        ids = [snapshot.header.id for snapshot in snapshots]
        if ids != [snapshot.header.id for snapshot in self._counting()]:
            return 0
        if not self._count(snapshots, held, bytes_max):
            return 0
        log = self._store.log
        first, second, *_ = log.parts()
        log.truncate(second.number)
        self.begins = log_begins(log, snapshots, {})
        return first.bytes


def _covered(snapshots: list[Snapshot]) -> dict[bytes, int]:
    """What every one of them stands for."""
    first, *others = (snapshot.clock for snapshot in snapshots)
    return {actor: min([seq, *(c.get(actor, 0) for c in others)]) for actor, seq in first.items()}
