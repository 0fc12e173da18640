"""All that a shard keeps, read back: of a running store, and of one that no process has open.

The iterators do their work in small portions (storage.findings) and change nothing. What was found
of a running store is mended by `set_aside`: damaged blobs are put again when a peer brings them,
damaged segments are marked, and the next start of the shard says what they lost and fetches it. A
state that does not show what the log says is made again from the log.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain

from msgspec import Struct

from crdt import StateLost
from samebox.control import Flaw, Verified
from samebox.state_check import STATE, Compared, check_state
from samebox.store import Store
from storage import (
    BlobDamaged,
    BlobMissing,
    Damage,
    Disk,
    DiskReadFailed,
    Portion,
    check_running_log,
    check_running_packs,
    check_snapshots,
    check_stopped_log,
    check_stopped_packs,
    present_snapshots,
    set_snapshots_aside,
)

DAMAGES_MAX = 10_000
"""Remembered of one verification; more than that is counted, and no longer told one by one."""
PAGE, RANGES_MAX = 100, 50
"""Flaws in one answer, and ranges of records that each of them names: they fit into a frame."""


NOT_COMPARED = Compared(why_not="only a running node does that")
AT_A_DAMAGED_LOG = Compared(why_not="verify again when the log is mended")


class Findings(Struct):
    """What a verification has read and found so far; `total`: the bytes it is to read, about."""

    bytes: int = 0
    records: int = 0
    blobs: int = 0
    damaged: int = 0
    damages: list[Damage] = []
    compared: Compared = NOT_COMPARED
    total: int = 0
    has_ended: bool = False

    def add(self, portion: Portion) -> None:
        self.bytes += portion.bytes
        self.records += portion.records
        self.blobs += portion.blobs
        self.damaged += sum(not damage.is_spare for damage in portion.damages)
        self.damages += portion.damages[: DAMAGES_MAX - len(self.damages)]

    def untrue(self) -> str | None:
        """The first thing that the state shows otherwise than the log."""
        return next((damage.what for damage in self.damages if damage.file == STATE), None)

    @property
    def is_log_sound(self) -> bool:
        """As far as it was read."""
        return all(damage.blob is not None or damage.is_spare for damage in self.damages)


def check_files(store: Store) -> Iterator[Portion]:
    """To be driven by the thread that drives the store."""
    log = check_running_log(store.log, cluster=store.cluster, shard=store.place.shard)
    return chain(log, check_snapshots(store.disks.log), check_running_packs(store.packs))


def check_running(store: Store, findings: Findings) -> Generator[Portion, None, None]:
    """The files, then the state; see samebox.state_check for who drives what. To be added to
    `findings` as they come."""
    findings.total = _bytes_to_read(store)
    yield from check_files(store)
    if findings.is_log_sound:
        findings.compared = yield from check_state(store)
    else:
        findings.compared = AT_A_DAMAGED_LOG


def _bytes_to_read(store: Store) -> int:
    """The log once more for the second state, and the rows of the first for their checksums and for
    the comparison."""
    disk = store.disks.log
    snapshots = [disk.size(one.name.text) for one in present_snapshots(disk)]
    rows = 0
    with suppress(StateLost):  # the comparison meets it, and tells
        if (frozen := store.keeper.frozen()) is not None:
            with closing(frozen):
                rows = frozen.size()
    again = snapshots[-1:] if store.log.is_cut else []
    log = 2 * store.log.size().bytes + sum(snapshots + again)
    return log + store.packs.size().bytes + 2 * rows


def check_stopped(log: Disk, packs: Disk, *, cluster: str, shard: str) -> Iterator[Portion]:
    """Raises StorageError: another node's data, a later version's, a disk that does not work."""
    newest = next(iter(present_snapshots(log)), None)
    start = {} if newest is None else newest.clock
    return chain(
        check_stopped_log(log, cluster=cluster, shard=shard, start=start),
        check_snapshots(log),
        check_stopped_packs(packs, cluster=cluster, shard=shard),
    )


def pages(shard: str, found: Findings, told: int) -> Iterator[Verified]:
    """How far it has come, with what was found behind the first `told`."""
    news = [
        Flaw(d.file, d.what, d.records[:RANGES_MAX], d.blob, d.is_spare)
        for d in found.damages[told:]
    ]
    for start in range(0, max(1, len(news)), PAGE):
        ended = found.has_ended and start + PAGE >= len(news)
        page = tuple(news[start : start + PAGE])
        counts = (found.bytes, found.total, found.records, found.blobs, found.damaged)
        compared = found.compared if ended else Compared()
        yield Verified(shard, *counts, page, ended, compared.operations, compared.why_not)


def set_aside(store: Store, damages: Sequence[Damage]) -> None:
    """What is damaged is used no more. Raises LogDamaged where that is a part of the log."""
    for damage in damages:
        if damage.blob is not None:
            # from now on it is not held, and is pulled from a peer
            with suppress(BlobDamaged, BlobMissing, DiskReadFailed):
                store.packs.get(damage.blob)
    files = {d.file: d.what for d in damages if d.blob is None and not d.is_spare and d.file}
    set_snapshots_aside(store.disks.log, list(files))
    segments = {segment.name.text for segment in store.log.segments()}
    broken = [file for file in files if file in segments]
    if broken:
        store.log.condemn(broken, files[broken[0]])
