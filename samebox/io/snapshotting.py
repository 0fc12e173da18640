"""Snapshots of a running shard's state, made in the background when the log has grown enough.

A write waits for the one page of rows that is under way when it comes. The loop of the shard has
no part in it.
"""

from __future__ import annotations

import trio

from crdt import StateLost
from samebox.events import Notice
from samebox.io.shard import Shard
from samebox.snapshotting import ID_BYTES, Snapshotting, Taken, is_due
from storage import DiskFull, DiskReadOnly

LOOK_S = 60.0
"""Between two looks at how long the log is."""
AGAIN_S = 3600.0
"""After one that could not be made."""
IDLE_SHARE = 3
"""Between two pages nothing is done for so many times as long as the last one took."""


async def keep_snapshots(shard: Shard) -> None:
    """For ever; what goes wrong with the disk is told, or ends the shard as in any write."""
    store = shard.store
    newest = next(iter(store.snapshots.snapshots), None)
    clock = {} if newest is None else newest.clock
    number = store.snapshots.last_number
    name = None if newest is None else newest.name.text
    size = 0 if name is None else await shard.disk.run(lambda: store.disks.log.size(name))
    behind = await shard.disk.run(lambda: store.log.bytes_beyond(clock))
    covered = (await shard.disk.run(store.log.size)).bytes - behind
    while True:
        await trio.sleep(LOOK_S)
        log_bytes = (await shard.disk.run(store.log.size)).bytes
        if not is_due(log_bytes - covered, size) or await shard.look(lambda s: s.has_unknown):
            continue
        number += 1
        try:
            taken = await take(shard, number)
        except (DiskFull, DiskReadOnly, StateLost) as error:
            shard.log(Notice(f"no snapshot was made: {error}"))
            await trio.sleep(AGAIN_S)
        else:
            covered, size = log_bytes, taken.bytes
            shard.log(Notice(f"snapshot {number} was made: {size:,} bytes"))


async def take(shard: Shard, number: int) -> Taken:
    """Make one. Raises what its steps raise; the one before stays then."""
    store = shard.store
    frozen = store.keeper.frozen
    work = Snapshotting(store.disks.log, frozen)
    steps = work.steps(
        number=number, id=store.entropy(ID_BYTES), cluster=store.cluster, shard=shard.name
    )
    result: object = None
    try:
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                taken: Taken = end.value
                return taken
            began = trio.current_time()
            result = await shard.disk.run(step.do)
            await trio.sleep(IDLE_SHARE * (trio.current_time() - began))
    finally:
        with trio.CancelScope(shield=True):
            await shard.disk.run(work.abandon)
