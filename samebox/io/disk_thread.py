"""The one thread in which a shard's files are read, written and synced.

Jobs run in the order in which they were given. A sync may take seconds: whoever waits for a job
waits, and nothing else does. What came of a job is handed over through a pipe of its own: it is
in the loop in half the time that Trio's queue for calls from threads takes (50 against 100 µs).
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import outcome
import trio

T = TypeVar("T")
Job = Callable[[], object]
Ended = Callable[[outcome.Maybe[object]], None]
WORD = b"."
WORDS_MAX = 4096
"""Read at a time: one is written for each job."""


class DiskThread:
    """Open it with `async with`; at the end it finishes the jobs that it was given.

    `failed` is told of what a job raised before whoever waits for it.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Job, Ended] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"disk-{name}", daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._results: deque[Callable[[], None]] = deque()
        self._ended = trio.Event()
        self.jobs_done = 0
        self.failed: Callable[[BaseException], None] = lambda error: None

    async def __aenter__(self) -> DiskThread:
        self._token = trio.lowlevel.current_trio_token()
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        trio.lowlevel.spawn_system_task(self._hand_over, name=self._thread.name)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._jobs.put(None)
        with trio.CancelScope(shield=True):
            await self._ended.wait()
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
                self._results.popleft()()

    def submit(self, job: Job, ended: Ended) -> None:
        """Run `job` in the thread, then `ended` with its outcome in the Trio loop."""
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
