"""The one thread in which a shard's files are read, written and synced.

Jobs run in the order in which they were given. A sync may take seconds: whoever waits for a job
waits, and nothing else does. What came of a job is handed over through a pipe of its own: it is
in the loop in half the time that Trio's queue for calls from threads takes (50 against 100 µs).

To the thread and back still costs as much as a sync of a fast disk. So the loop does a small job
itself while no other one is under way and the last ones were brief. It then stands still for one
job, at worst: where that was not brief, small jobs go to the thread until they are brief again.
Which of both does a job, what comes of it and in which order are the same.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TypeVar

import outcome
import trio
from typing_extensions import override

T = TypeVar("T")
Job = Callable[[], object]
Ended = Callable[[outcome.Maybe[object]], None]
WORD = b"."
WORDS_MAX = 4096
"""Read at a time: one is written for each job."""
BRIEF_S = 2e-3
"""As long as the loop may stand still for a small job: as for a step of the core."""
BRIEF_JOBS = 16
"""In a row, before the loop does the next one: a disk that is often slow is never waited for."""


class DiskThread(trio.abc.Instrument):
    """Open it with `async with`; at the end it finishes the jobs that it was given.

    `failed` is told of what a job raised before whoever waits for it.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Job, Ended] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"disk-{name}", daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._results: deque[Callable[[], None]] = deque()
        self._ended = trio.Event()
        self._under_way = 0
        self._brief = 0
        self._small: tuple[Job, Ended] | None = None
        self._has_done_small = False
        self._is_small_left = trio.Event()
        self.jobs_done = 0
        self.failed: Callable[[BaseException], None] = lambda error: None

    async def __aenter__(self) -> DiskThread:
        self._token = trio.lowlevel.current_trio_token()
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        trio.lowlevel.spawn_system_task(self._hand_over, name=self._thread.name)
        self._begin_in_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave_small()
        self._jobs.put(None)
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        self._end_in_loop()
        self._thread.join()
        os.close(self._read_end)
        os.close(self._write_end)

    async def _hand_over(self) -> None:
        """Results to those who wait for them, until the thread has ended. It is in no task tree:
        jobs go on, and end, whatever was cancelled."""
        while not self._ended.is_set():
            await trio.lowlevel.wait_readable(self._read_end)
            os.read(self._read_end, WORDS_MAX)
            while self._results:
                self._under_way -= 1
                self._results.popleft()()

    def submit(self, job: Job, ended: Ended) -> None:
        """Run `job` in the thread, then `ended` with its outcome in the Trio loop."""
        self._leave_small()
        self._under_way += 1
        self._put(job, ended)

    def _put(self, job: Job, ended: Ended) -> None:
        self._jobs.put((job, ended))

    async def run(self, job: Callable[[], T]) -> T:
        """Wait for `job`. A cancelled wait ends at once; the job itself is not interrupted."""
        task = trio.lowlevel.current_task()
        waiting = True

        def ended(result: outcome.Maybe[object]) -> None:
            if isinstance(result, outcome.Error):
                self.failed(result.error)
            if waiting:
                trio.lowlevel.reschedule(task, result)

        def abort(_: object) -> trio.lowlevel.Abort:
            nonlocal waiting
            waiting = False
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.checkpoint_if_cancelled()
        self.submit(job, ended)
        result: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return result

    async def look(self, job: Callable[[], T]) -> T:
        """As `run`, for a job that changes nothing: it is left out where nobody waits for it any
        more at its turn. So who asks and goes, and asks again, keeps nobody waiting."""
        is_awaited = True

        def unless_left() -> T:
            if is_awaited:
                return job()
            raise trio.BusyResourceError("nobody waits for this job any more")

        try:
            return await self.run(unless_left)
        finally:
            is_awaited = False

    def soon(self, act: Callable[[], None]) -> None:
        """In the loop, from any thread; where the loop has ended, nobody waits for it."""
        assert self._token is not None
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(act, idempotent=True)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, ended = item
            result = outcome.capture(job)
            self.jobs_done += 1
            self._give(partial(ended, result))
        self._give(self._ended.set)

    def _give(self, result: Callable[[], None]) -> None:
        self._results.append(result)
        try:  # a context manager would cost as much as the rest of it
            os.write(self._write_end, WORD)
        except BlockingIOError:
            return  # a pipe that is full wakes the loop as well

    # --- Small jobs ------------------------------------------------------------------------------

    def _begin_in_loop(self) -> None:
        trio.lowlevel.spawn_system_task(self._do_left, name=f"{self._thread.name}-small")
        trio.lowlevel.add_instrument(self)

    def _end_in_loop(self) -> None:
        """When the thread has ended."""
        trio.lowlevel.remove_instrument(self)
        self._is_small_left.set()

    def submit_small(self, job: Job, ended: Ended) -> None:
        """As `submit`, for a job that a fast disk does in less than BRIEF_S. To be followed by
        `do_small`, when the peers and all others have what they can have by now."""
        timed = partial(self._timed, job)
        if self._under_way or self._small is not None or self._brief < BRIEF_JOBS:
            self.submit(timed, ended)
        else:
            self._small = timed, ended

    def do_small(self) -> None:
        """Do a small job that was left to the loop; the first one of a turn of the loop in this
        very turn, another one in the next: whatever else comes in this turn is then one batch."""
        if self._small is not None and self._has_done_small:
            self._is_small_left.set()
        elif self._small is not None:
            self._has_done_small = True
            self._do_small_now()

    @trio.lowlevel.enable_ki_protection  # an interrupt in the midst of a write would spoil the log
    def _do_small_now(self) -> None:
        assert self._small is not None
        (job, ended), self._small = self._small, None
        result = outcome.capture(job)
        self.jobs_done += 1
        ended(result)

    async def _do_left(self) -> None:
        """In no task tree, as `_hand_over`."""
        while not self._ended.is_set():
            await self._is_small_left.wait()
            self._is_small_left = trio.Event()
            if self._small is not None:
                self._do_small_now()

    def _leave_small(self) -> None:
        """To the thread, as something is to follow it there."""
        if self._small is not None:
            (job, ended), self._small = self._small, None
            self.submit(job, ended)

    @override
    def before_io_wait(self, timeout: float) -> None:
        """Of trio.abc.Instrument: a turn of the loop ends."""
        self._has_done_small = False

    def _timed(self, job: Job) -> object:
        start = monotonic()
        try:
            return job()
        finally:
            self._brief = self._brief + 1 if monotonic() - start < BRIEF_S else 0
