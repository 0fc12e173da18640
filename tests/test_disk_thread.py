"""The thread of the disk: one job after the other; what nobody waits for any more is left out."""

from __future__ import annotations

import threading

import trio
import trio.testing

from samebox.io.disk_thread import DiskThread

WAIT_S = 20.0


async def test_a_look_that_nobody_waits_for_any_more_is_left_out() -> None:
    done: list[str] = []
    at_disk, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        at_disk.set()
        assert go_on.wait(WAIT_S)

    async with DiskThread("test") as disk, trio.open_nursery() as nursery:
        nursery.start_soon(disk.run, hold)
        await trio.to_thread.run_sync(at_disk.wait)
        async with trio.open_nursery() as leaving:
            leaving.start_soon(disk.look, lambda: done.append("look"))
            leaving.start_soon(disk.run, lambda: done.append("run"))
            await trio.testing.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        go_on.set()
        assert await disk.look(lambda: "found") == "found"
    assert done == ["run"]
