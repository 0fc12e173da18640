"""The thread of the disk: one job after the other; what nobody waits for any more is left out; and
small jobs in the loop, where they are brief."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import outcome
import pytest
import trio
import trio.testing

from samebox.io.disk_thread import BRIEF_JOBS, BRIEF_S, DiskThread

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


# --- Small jobs ----------------------------------------------------------------------------------


class Jobs:
    """Small jobs of a disk, each by its name and where it was done; time passes in them alone."""

    def __init__(self, disk: DiskThread, monkeypatch: pytest.MonkeyPatch) -> None:
        self.disk = disk
        self.done: list[tuple[str, str]] = []
        self.results: list[outcome.Maybe[object]] = []
        self._now_s = 0.0
        monkeypatch.setattr("samebox.io.disk_thread.monotonic", lambda: self._now_s)

    def job(self, name: str, took_s: float = 0.0) -> Callable[[], None]:
        def job() -> None:
            here = threading.current_thread() is threading.main_thread()
            self.done.append((name, "loop" if here else "thread"))
            self._now_s += took_s

        return job

    def give(self, name: str, took_s: float = 0.0) -> None:
        self.disk.submit_small(self.job(name, took_s), self.results.append)
        self.disk.do_small()

    async def one(self, name: str, took_s: float = 0.0) -> str:
        """Where it was done."""
        before = len(self.results)
        self.give(name, took_s)
        while len(self.results) == before:
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        return self.done[-1][1]

    async def become_brief(self) -> None:
        for _ in range(BRIEF_JOBS):
            assert await self.one("brief") == "thread"
        self.done.clear()
        self.results.clear()


@asynccontextmanager
async def brief_disk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Jobs]:
    """Its last jobs were brief."""
    async with DiskThread("test") as disk:
        jobs = Jobs(disk, monkeypatch)
        await jobs.become_brief()
        yield jobs


async def test_a_small_job_is_done_in_the_loop_when_the_last_ones_were_brief(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with brief_disk(monkeypatch) as jobs:
        assert await jobs.one("first", BRIEF_S / 2) == "loop"
        assert await jobs.one("second", BRIEF_S) == "loop"
        for _ in range(BRIEF_JOBS - 1):
            assert await jobs.one("after a long one") == "thread"
        assert await jobs.one("a long one", BRIEF_S) == "thread"
        await jobs.become_brief()
        assert await jobs.one("last") == "loop"


async def test_a_second_small_job_in_one_turn_is_done_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with brief_disk(monkeypatch) as jobs:
        jobs.give("first")
        jobs.give("second")
        assert jobs.done == [("first", "loop")]
        await trio.testing.wait_all_tasks_blocked()
        assert jobs.done == [("first", "loop"), ("second", "loop")]


async def test_a_small_job_waits_for_those_before_it_in_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    async with brief_disk(monkeypatch) as jobs:
        jobs.disk.submit(lambda: go_on.wait(WAIT_S), jobs.results.append)
        jobs.give("small")
        await trio.testing.wait_all_tasks_blocked()
        assert not jobs.done
        go_on.set()
    assert jobs.done == [("small", "thread")]
    assert [result.unwrap() for result in jobs.results] == [True, None]


async def test_what_follows_a_small_job_that_is_left_is_done_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with brief_disk(monkeypatch) as jobs:
        jobs.give("first")
        jobs.give("left")
        await jobs.disk.run(jobs.job("run"))
    assert jobs.done == [("first", "loop"), ("left", "thread"), ("run", "thread")]


async def test_a_small_job_that_is_left_is_done_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with brief_disk(monkeypatch) as jobs:
        jobs.disk.submit_small(jobs.job("left"), jobs.results.append)
    assert jobs.done == [("left", "thread")]
    assert len(jobs.results) == 1


async def test_what_a_small_job_raises_in_the_loop_is_told_as_of_any_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise OSError("no room")

    async with brief_disk(monkeypatch) as jobs:
        before = jobs.disk.jobs_done
        jobs.disk.submit_small(fail, jobs.results.append)
        jobs.disk.do_small()
        assert jobs.disk.jobs_done == before + 1
    (failed,) = jobs.results
    with pytest.raises(OSError, match="no room"):
        failed.unwrap()


async def test_an_interrupt_does_not_end_a_small_job_in_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not trio.lowlevel.currently_ki_protected(), "this is a task of a program"
    async with brief_disk(monkeypatch) as jobs:
        jobs.disk.submit_small(trio.lowlevel.currently_ki_protected, jobs.results.append)
        jobs.disk.do_small()
    assert [result.unwrap() for result in jobs.results] == [True]
