"""Snapshots of a running shard's state, made in the background when the log has grown enough; then
the beginning of the log goes.

A write waits for the one page of rows that is under way when it comes. The loop of the shard has
no part in it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import trio

from crdt import StateLost
from samebox.compacting import OnDisk
from samebox.events import LogBegins, Notice
from samebox.io.shard import Shard
from samebox.retention import Retention
from samebox.snapshotting import (
    ID_BYTES,
    Demand,
    NotReady,
    Snapshotting,
    Taken,
    is_wanted,
)
from samebox.truncating import Held, Truncating
from storage import DiskFull, DiskReadOnly

T = TypeVar("T")

LOOK_S = 60.0
"""Between two looks at how long the log is."""
AGAIN_S = 3600.0
"""After one that could not be made."""
NONE_IS_MADE = (
    "a peer lacks what the log here no longer holds, and no snapshot is made for it: an operation "
    "of a later version is here, and a snapshot would hide what that did: upgrade this node; if "
    "files of the log were taken away, stop it and put them back first"
)
IDLE_SHARE = 3
"""Between two pages nothing is done for so many times as long as the last one took."""


async def keep_snapshots(shard: Shard, log_bytes_max: int) -> None:
    """For ever; what goes wrong with the disk is told, or ends the shard as in any write."""
    store = shard.store
    cutting, demand = Cutting(shard, log_bytes_max), Demand()
    while True:
        await trio.sleep(LOOK_S)
        await cutting.look()
        is_due = await shard.disk.run(lambda: is_wanted(store.log, store.disks.log))
        is_wanted_by_peer = store.wants_snapshot and demand.is_met(trio.current_time())
        if not (is_due or is_wanted_by_peer):
            continue
        if await shard.look(lambda state: state.has_unknown):
            if is_wanted_by_peer:
                demand.made(trio.current_time())
                store.wants_snapshot = False
                shard.log(Notice(NONE_IS_MADE, alarm=True))
            continue
        store.snapshots.last_number += 1
        try:
            taken = await take(shard, store.snapshots.last_number)
        except StateLost as error:
            shard.lost(error)
        except NotReady:
            continue  # it is looked at again soon
        except (DiskFull, DiskReadOnly) as error:
            shard.log(Notice(f"no snapshot was made: {error}"))
            await trio.sleep(AGAIN_S)
        else:
            if store.wants_snapshot:
                demand.made(trio.current_time())
            store.wants_snapshot = False
            shard.log(Notice(f"snapshot {taken.number} was made: {taken.bytes:,} bytes"))


async def take(shard: Shard, number: int) -> Taken:
    """Make one. Raises what its steps raise; the one before stays then."""
    store = shard.store
    frozen = store.keeper.frozen
    work = Snapshotting(store.disks.log, store.log, frozen)
    steps = work.steps(
        number=number, id=store.entropy(ID_BYTES), cluster=store.cluster, shard=shard.name
    )
    try:
        return await drive(shard, steps)
    finally:
        with trio.CancelScope(shield=True):
            await shard.disk.run(work.abandon)


async def drive(shard: Shard, steps: Generator[OnDisk, object, T]) -> T:
    """One step after the other in the disk thread, which is free for longer between them."""
    result: object = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as end:
            done: T = end.value
            return done
        began = trio.current_time()
        result = await shard.disk.run(step.do)
        await trio.sleep(IDLE_SHARE * (trio.current_time() - began))


class Cutting:
    """What becomes of the beginning of the log."""

    def __init__(self, shard: Shard, bytes_max: int) -> None:
        self._shard = shard
        self._bytes_max = bytes_max
        self._truncating = Truncating(shard.store)
        self._retention = Retention(shard.store.place.node, shard.members)
        self._begins: LogBegins | None = None

    async def look(self) -> None:
        """Let go what may go."""
        held = self._held()
        try:
            done = await drive(self._shard, self._truncating.steps(held, self._bytes_max))
        except (DiskFull, DiskReadOnly) as error:
            self._shard.log(Notice(f"the log was not cut: {error}"))
            return
        finally:
            if self._truncating.begins is not self._begins:
                self._begins = self._truncating.begins
                assert self._begins is not None
                self._shard.tell(self._begins)
        for text in done.damaged:
            self._shard.log(Notice(text, alarm=True))
        if done.segments:
            text = f"{done.bytes:,} bytes at the beginning of the log went: two snapshots hold them"
            self._shard.log(Notice(text))

    def _held(self) -> Held:
        replica = self._shard.replica
        durable, peers = dict(replica.clock), replica.peers
        self._retention.look(durable, peers.holdings, peers.strangers)
        by_all = self._retention.by_all(durable, peers.holdings, peers.strangers)
        return Held(by_all, self._retention.by_quorum(durable))
