"""Phrases in which the tests of storage speak: records, logs, starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count

from crdt import Record, first_chain, next_chain
from storage import Disk, Log, LogLimits, MemoryDisk, Recovery

CLUSTER, SHARD = "example.org", "main"
ANN, BOB, EVE = b"ann" + bytes(13), b"bob" + bytes(13), b"eve" + bytes(13)
SMALL = LogLimits(segment_bytes=5000, recent_bytes=1000)
UNCACHED = LogLimits(segment_bytes=1 << 20, recent_bytes=0)

_ids = count(1)


def entropy(length: int) -> bytes:
    """Different at every call, the same in every run."""
    return next(_ids).to_bytes(length, "big")


def history(
    actor: bytes, contents: Iterable[bytes], *, after: Record | None = None
) -> list[Record]:
    """Records of one actor with these contents, after the record `after`."""
    chain = after.chain if after else first_chain(CLUSTER, SHARD, actor)
    seq = after.seq if after else 0
    records: list[Record] = []
    for data in contents:
        seq, chain = seq + 1, next_chain(chain, data)
        records.append(Record(actor, seq, chain, data))
    return records


def numbered(actor: bytes, length: int, *, size: int = 20) -> list[Record]:
    return history(
        actor, (f"{actor[:3]!r} {seq} ".encode().ljust(size, b".") for seq in range(length))
    )


def heads_after(records: Iterable[Record]) -> dict[bytes, bytes]:
    """A head that names its record, so that a test can tell whether it is the right one."""
    return {record.actor: head_of(record.seq) for record in records}


def head_of(seq: int) -> bytes:
    return f"head after {seq}".encode()


def append(log: Log, records: Sequence[Record]) -> int:
    return log.append(records, heads_after(records))


def start(disk: Disk, *, limits: LogLimits = UNCACHED, shard: str = SHARD) -> tuple[Log, Recovery]:
    return Log.open(disk, cluster=CLUSTER, shard=shard, entropy=entropy, limits=limits)


def restarted(disk: Disk, *, limits: LogLimits = UNCACHED) -> Log:
    return start(disk, limits=limits)[0]


def disk_with(*batches: Sequence[Record], limits: LogLimits = UNCACHED) -> MemoryDisk:
    """A disk on which a log took these batches and then the process died."""
    disk = MemoryDisk()
    log = restarted(disk, limits=limits)
    for batch in batches:
        append(log, batch)
    return disk


def sealed_disk_with(*batches: Sequence[Record], limits: LogLimits = UNCACHED) -> MemoryDisk:
    """The same, with a clean end."""
    disk = MemoryDisk()
    log = restarted(disk, limits=limits)
    for batch in batches:
        append(log, batch)
    log.close()
    return disk


def copy_of(disk: MemoryDisk) -> MemoryDisk:
    copy = MemoryDisk()
    copy.files = {name: bytearray(content) for name, content in disk.files.items()}
    return copy


def segments(disk: Disk, state: str = "segment") -> list[str]:
    return [name for name in disk.names() if name.startswith("log-") and name.endswith(state)]


def clock_of(records: Iterable[Record]) -> Mapping[bytes, int]:
    return {record.actor: record.seq for record in records}


def flattened(batches: Iterable[Sequence[Record]]) -> list[Record]:
    return [record for batch in batches for record in batch]


def replayed(log: Log) -> list[Record]:
    return list(log.replay())


def every(
    disk: MemoryDisk, change: Callable[[bytearray, int], None]
) -> Iterator[tuple[int, MemoryDisk]]:
    """For every byte of the only segment, a copy of the disk with `change` made there.

    Of the zeros between the two headers only the first and the last 40 are taken.
    """
    (name,) = segments(disk)
    content = disk.files[name]
    zeros = range(content.index(bytes(1000)) + 40, 4096 - 40)
    for at in range(len(content)):
        if at in zeros:
            continue
        copy = copy_of(disk)
        change(copy.files[name], at)
        yield at, copy
