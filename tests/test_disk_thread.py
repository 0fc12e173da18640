"""The thread of the disk: one job after the other; what nobody waits for any more is left out."""

from __future__ import annotations

import os
import threading

import pytest
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


@pytest.mark.slow
async def test_results_come_in_order_also_when_more_wait_than_a_pipe_has_room_for() -> None:
    many, came = 70_000, list[int]()
    all_done = threading.Event()
    async with DiskThread("test") as disk:
        for number in range(many):
            disk.submit(lambda: None, lambda _, number=number: came.append(number))  # type: ignore[misc]
        disk.submit(all_done.set, lambda _: None)
        assert all_done.wait(WAIT_S), "this keeps the loop meanwhile"
        await disk.run(lambda: None)
        assert came == list(range(many))


async def test_jobs_end_and_are_told_though_all_that_waited_was_cancelled() -> None:
    told: list[object] = []
    at_disk, go_on = threading.Event(), threading.Event()

    def hold() -> str:
        at_disk.set()
        assert go_on.wait(WAIT_S)
        return "held"

    with trio.CancelScope() as scope:
        async with DiskThread("test") as disk:
            disk.submit(hold, lambda result: told.append(result.unwrap()))
            await trio.to_thread.run_sync(at_disk.wait)
            scope.cancel()
            go_on.set()
    assert told == ["held"]


async def test_a_disk_thread_leaves_no_descriptor_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        async with DiskThread("test") as disk:
            await disk.run(lambda: None)
    assert len(os.listdir("/proc/self/fd")) == before
