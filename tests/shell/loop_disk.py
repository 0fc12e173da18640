"""The disk thread of a shard as a task of the loop: each job takes as long as a test says."""

from __future__ import annotations

from math import inf
from typing import ClassVar

import outcome
import trio
from typing_extensions import override

from samebox.io.disk_thread import BRIEF_JOBS, DiskThread, Ended, Job


class LoopDisk(DiskThread):
    """As a thread, it goes on whatever is cancelled, and ends with the jobs that it was given.
    Small jobs are left to the loop while the others take no time.

    `at_work` is the disk whose job is being done."""

    at_work: ClassVar[LoopDisk | None] = None

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
        self.job_s = 0.0
        self.is_held = trio.Event()
        self.is_held.set()
        self._given, self._to_do = trio.open_memory_channel[tuple[Job, Ended]](inf)
        self._ended = trio.Event()

    def hold(self) -> None:
        """No job begins, until `let_go`."""
        self.is_held = trio.Event()

    def let_go(self) -> None:
        self.is_held.set()

    @override
    async def __aenter__(self) -> LoopDisk:
        trio.lowlevel.spawn_system_task(self._run_jobs, name=f"disk-{self.name}")
        self._begin_in_loop()
        return self

    @override
    async def __aexit__(self, *_: object) -> None:
        self._leave_small()
        self._given.close()
        self.let_go()
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        self._end_in_loop()

    @override
    def submit_small(self, job: Job, ended: Ended) -> None:
        is_brief = self.is_held.is_set() and not self.job_s
        self._brief = BRIEF_JOBS if is_brief else 0
        super().submit_small(job, ended)

    @override
    def _put(self, job: Job, ended: Ended) -> None:
        self._given.send_nowait((job, ended))

    async def _run_jobs(self) -> None:
        async for job, ended in self._to_do:
            await self.is_held.wait()
            await trio.sleep(self.job_s)
            LoopDisk.at_work = self
            result = outcome.capture(job)
            LoopDisk.at_work = None
            self._under_way -= 1
            ended(result)
        self._ended.set()
