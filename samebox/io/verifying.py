"""The verification of a running shard: portions of work for its disk thread, at a bounded rate.

A write waits for the one portion that is under way when it comes, some milliseconds, and for no
more: between two portions the thread is free for longer than a portion took.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import trio

from samebox.io.disk_thread import DiskThread
from samebox.store import Store
from samebox.verifying import Findings, check_running, set_aside

IDLE_SHARE = 3
"""The disk thread is free for so many times as long as it was at work: also where records are so
short that checking them takes longer than reading them."""
SHOW_S = 0.5


async def verified(
    store: Store, disk: DiskThread, *, bytes_per_s: int
) -> AsyncGenerator[Findings, None]:
    """How far it has come, now and then, and at the end all that it found.

    When that was taken, what is damaged is set aside. Raises LogDamaged if that is a part of the
    log: the shard has to be started again.
    """
    findings = Findings()
    portions = check_running(store)
    shown = trio.current_time()
    while True:
        began = trio.current_time()
        portion = await disk.run(lambda: next(portions, None))
        if portion is None:
            break
        findings.add(portion)
        took = trio.current_time() - began
        if trio.current_time() - shown >= SHOW_S:
            yield findings
            shown = trio.current_time()
        await trio.sleep(max(portion.bytes / bytes_per_s, IDLE_SHARE * took))
    findings.has_ended = True
    yield findings
    await disk.run(lambda: set_aside(store, findings.damages))
