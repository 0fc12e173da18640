"""A log that begins anew behind a snapshot from elsewhere, with what that does not stand for.

    1. A segment that says that the log begins with it, and everything in it, is made durable.
    2. So is the snapshot, under its name.
    3. The segment gets its name. From here on a start is done with all segments before it.
    4. Those go.

A crash before 3 leaves the log as it was: the snapshot speaks of more than the log then, which
costs a new actor and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from crdt import Record
from storage.coverage import Run, runs_of
from storage.disk import Disk
from storage.errors import DiskFull, DiskReadOnly
from storage.files import ASIDE, remove_if_there, set_state
from storage.header import Header
from storage.index import Base, Tip
from storage.segment import Segment, State
from storage.tail import Tail

BATCH_BYTES = 256 << 10


class Anew(NamedTuple):
    tail: Tail
    runs: list[Run]


def beyond(tips: Mapping[bytes, Tip], records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        tip = tips.get(record.actor)
        if tip is None or record.seq > tip.seq:
            yield record


def write_anew(
    disk: Disk,
    header: Header,
    tips: Mapping[bytes, Tip],
    records: Iterable[Record],
    before: Callable[[], object],
) -> Anew:
    """Steps 1 to 3; `before` does step 2. Raises `DiskError`; after `DiskFull` and `DiskReadOnly`
    nothing is left of the segment."""
    tail = Tail.create(disk, header, Base(dict(tips)))
    runs: list[Run] = []
    try:
        for batch in _batches(records):
            found = runs_of(batch, header.number)
            tail.write(batch, found, synced=tail.last_batch)
            runs += found
        tail.settle(replace(header, synced=tail.last_batch))
        disk.sync(tail.segment.name.text)
        before()
        tail.publish()
    except (DiskFull, DiskReadOnly):
        remove_if_there(disk, tail.segment.name)
        raise
    return Anew(tail, runs)


def retire(disk: Disk, segments: Sequence[Segment], *, keeps: bool) -> None:
    for segment in segments:
        if keeps or segment.state is State.DAMAGED:
            set_state(disk, segment.name, state=ASIDE)
        else:
            disk.remove(segment.name.text)
            disk.sync_directory()


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.data)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
