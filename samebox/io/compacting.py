"""The packs of a running shard are compacted now and then, in the background.

A write waits for the one step that is under way when it comes: a page of 256 blobs that are asked
for in the loop, or 256 KiB (one blob, where it is longer) that are copied and synced.
"""

from __future__ import annotations

import trio

from samebox.compacting import AtRest, Compacting
from samebox.events import Notice
from samebox.io.shard import Shard
from samebox.spelling import plural
from storage import Compacted, DiskFull, DiskReadOnly

FIRST_S = 60.0
"""After a start, whose work comes first."""
EVERY_S = 3600.0
WAITS = "a list of chunks is still to come from a peer, or the state was made again meanwhile"
IDLE_SHARE = 3
"""Between two steps nothing is done for so many times as long as the last one took."""


async def keep_compact(shard: Shard) -> None:
    """For ever; what goes wrong with the disk is told, or ends the shard as in any write."""
    await trio.sleep(FIRST_S)
    while True:
        try:
            result = await compact(shard)
        except (DiskFull, DiskReadOnly) as error:
            shard.log(Notice(f"the packs were not compacted: {error}"))
        else:
            if result is None:
                shard.log(Notice(f"the packs were not compacted: {WAITS}"))
            elif result.packs_before:
                shard.log(Notice(words(result)))
        await trio.sleep(EVERY_S)


async def compact(shard: Shard) -> Compacted | None:
    """One compaction. Raises what its steps raise; the old packs hold what they held then."""
    work = Compacting(shard.store.packs, shard.store.held, shard.contents.marking)
    steps = work.steps()
    result: object = None
    try:
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                done: Compacted | None = end.value
                return done
            began = trio.current_time()
            if isinstance(step, AtRest):
                result = await shard.look(step.do)
            else:
                result = await shard.disk.run(step.do)
            await trio.sleep(IDLE_SHARE * (trio.current_time() - began))
    finally:
        last = work.ended()
        with trio.CancelScope(shield=True):
            await shard.disk.run(last.do)


def words(result: Compacted) -> str:
    return (
        f"compacted {plural(result.packs_before, 'pack')} to {result.packs_after}: "
        f"{result.bytes_before:,} bytes of blobs to {result.bytes_after:,}"
    )
