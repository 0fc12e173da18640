"""The verification of a running shard: portions of work for its disk thread, at a bounded rate.

A write waits for the one portion that is under way when it comes, some milliseconds (at a million
entries, the longest seen took 31), and for no more: between two portions the thread is free for as
long as a portion took, and longer. Where two states are compared no write waits at all: that is
done in another thread.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial

import outcome
import trio

from crdt import StateLost
from samebox.io.disk_thread import DiskThread
from samebox.state_check import NOTHING, Apart, Untrue
from samebox.store import Store
from samebox.verifying import Findings, check_running, set_aside
from storage import Portion

IDLE_SHARE, ALONE_SHARE = 3, 1
"""The disk thread is free for so many times as long as it was at work: also where records are so
short that checking them takes longer than reading them. Where nobody else has had work for it since
the last portion, a million entries need not take twice the time."""
SHOW_S = 0.5
MOMENT_S = 0.02
"""Until it is looked again whether rows were written."""


async def verified(
    store: Store, disk: DiskThread, *, bytes_per_s: int, lost: Callable[[StateLost], None]
) -> AsyncGenerator[Findings, None]:
    """How far it has come, now and then, and at the end all that it found.

    When that was taken, what is damaged is set aside, and a state that is not what the log says is
    given to `lost`. Raises LogDamaged if a part of the log is damaged: the shard has to be started
    again.
    """
    findings = Findings()
    portions = check_running(store, findings)
    shown, share = trio.current_time(), IDLE_SHARE
    portion: Portion | None = Portion(bytes=1)
    try:
        while True:
            began, jobs = trio.current_time(), disk.jobs_done
            portion = await _next(portions, portion, disk)
            if portion is None:
                break
            findings.add(portion)
            took = trio.current_time() - began
            if trio.current_time() - shown >= SHOW_S:
                yield findings
                shown = trio.current_time()
            await trio.sleep(max(portion.bytes / bytes_per_s, share * took))
            share = IDLE_SHARE if disk.jobs_done - jobs > 1 else ALONE_SHARE
            if portion == NOTHING:
                store.keeper.write_soon()
                await trio.sleep(MOMENT_S)
    finally:  # not waited for: where the node was closed before, nobody does it
        disk.submit(portions.close, partial(_closed, disk))
    findings.has_ended = True
    yield findings
    await disk.run(lambda: set_aside(store, findings.damages))
    untrue = findings.untrue()
    if untrue is not None:
        lost(Untrue(f"it is not what the log says: {untrue}"))


def _closed(disk: DiskThread, result: outcome.Outcome[object]) -> None:
    if isinstance(result, outcome.Error):
        disk.failed(result.error)


async def _next(
    portions: Generator[Portion, None, None], last: Portion | None, disk: DiskThread
) -> Portion | None:
    def step() -> Portion | None:
        return next(portions, None)

    if isinstance(last, Apart):
        return await trio.to_thread.run_sync(step)
    return await disk.run(step)
