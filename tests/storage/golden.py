"""Makes the golden files of the disk format: `python -m tests.storage.golden FOLDER`.

The files of version 1 lie in `tests/golden/disk-v1/` and are never made again: every later program
must read them. A new version of the format gets a folder of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path

from crdt import Record
from storage import (
    Ask,
    Beginning,
    Compaction,
    Identity,
    Log,
    LogLimits,
    MemoryDisk,
    Packs,
    Tip,
    Work,
    new_snapshot,
    save_identity,
)
from tests.storage.phrases import ANN, BOB, CLUSTER, SHARD, heads_after, numbered

BATCHES: list[list[Record]] = [
    [*numbered(ANN, 3 * n + 3)[3 * n :], *numbered(BOB, n + 1)[n:]] for n in range(6)
]
BLOBS = [b"", b"a small blob", bytes(range(256)) * 8]
IDENTITY = Identity(
    cluster=CLUSTER,
    node="a",
    shard=SHARD,
    store=bytes(range(16)),
    inode=4711,
    actor=ANN,
    starts=3,
)
TIPS = {ANN: Tip(7, bytes(32), b"head of ann"), BOB: Tip(2, bytes(range(32)), None)}
LIMITS = LogLimits(segment_bytes=5000)


def made() -> dict[str, MemoryDisk]:
    """A disk for each situation, the same bytes at every call."""
    return {
        "sealed": sealed(),
        "torn": torn(),
        "damaged": damaged(),
        "cut": cut(),
        "packs": packs(),
        "compacted": compacted(),
        "snapshot": snapshot(),
    }


def counted() -> Callable[[int], bytes]:
    ids = count(0x5A)
    return lambda length: next(ids).to_bytes(length, "big")


def logged(disk: MemoryDisk) -> Log:
    """Six batches in three segments; the last is not sealed."""
    log, _ = Log.open(disk, cluster=CLUSTER, shard=SHARD, entropy=counted(), limits=LIMITS)
    for batch in BATCHES:
        log.append(batch, heads_after(batch))
    return log


def sealed() -> MemoryDisk:
    disk = MemoryDisk()
    logged(disk).close()
    save_identity(disk, IDENTITY)
    return disk


def torn() -> MemoryDisk:
    """The last seven bytes of the last batch never reached the disk."""
    disk = MemoryDisk()
    logged(disk)
    del disk.files[disk.names()[-1]][-7:]
    return disk


def damaged() -> MemoryDisk:
    """Record 2 of ann does not read back; the segment is marked."""
    disk = sealed()
    content = disk.files.pop("log-0000000001.segment")
    content[content.index(BATCHES[0][1].data)] ^= 1
    disk.files["log-0000000001.damaged"] = content
    return disk


def cut() -> MemoryDisk:
    """The first segment went."""
    disk = MemoryDisk()
    log = logged(disk)
    log.truncate(log.segments()[1].number)
    log.close()
    return disk


def packs() -> MemoryDisk:
    """One sealed pack, and one that is not."""
    disk = MemoryDisk()
    entropy = counted()
    for blobs, clean in ((BLOBS[:2], True), (BLOBS[2:], False)):
        held, _ = Packs.open(disk, cluster=CLUSTER, shard=SHARD, entropy=entropy)
        for blob in blobs:
            held.put(sha256(blob).digest(), blob)
        held.sync()
        if clean:
            held.close()
    return disk


def compacted() -> MemoryDisk:
    """A pack was compacted to the one blob of it that is used, and the process died before it had
    removed the old file."""
    disk = MemoryDisk()
    entropy = counted()
    for blobs in (BLOBS[:2], BLOBS[2:]):
        held, _ = Packs.open(disk, cluster=CLUSTER, shard=SHARD, entropy=entropy)
        for blob in blobs:
            held.put(sha256(blob).digest(), blob)
        held.close()
    before = dict(disk.files)
    held, _ = Packs.open(disk, cluster=CLUSTER, shard=SHARD, entropy=entropy)
    used = {sha256(blob).digest() for blob in (BLOBS[0], BLOBS[2])}
    for step in Compaction(held).steps():
        match step:
            case Ask(ask):
                ask(used.__contains__)
            case Work(work):
                work()
    disk.files = {**before, **disk.files}
    return disk


def snapshot() -> MemoryDisk:
    disk = MemoryDisk()
    writer = new_snapshot(
        disk,
        Beginning(1, TIPS, {ANN: 5}),
        number=4,
        id=bytes(range(16)),
        cluster=CLUSTER,
        shard=SHARD,
    )
    for blob in BLOBS:
        writer.add(blob)
    writer.finish()
    return disk


def main(folder: Path) -> None:
    for situation, disk in made().items():
        (folder / situation).mkdir(parents=True)
        for name, content in disk.files.items():
            (folder / situation / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
