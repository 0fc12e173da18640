"""One node in this process: what its loop owes to callers, whatever the disk does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from samebox import Address, Create, Done, Outcome, open_node
from samebox.io import shard as running
from samebox.io.disk_thread import DiskThread, Ended
from samebox.testing import local_node_list

NO_TICK_S = 3600.0
WAIT_S = 20.0
"""For an answer that comes at once, on a busy machine."""


async def test_a_request_made_while_a_batch_is_written_needs_no_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "TICK_S", NO_TICK_S)
    at_disk, go_on = threading.Event(), threading.Event()
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = node.shard_of("mail/alice")
        answers: dict[str, Outcome] = {}

        async def make(name: str) -> None:
            answers[name] = await shard.ask(Create(Address(name)))

        await make("earlier")
        hold_first_job(monkeypatch, shard.disk, at_disk, go_on)
        with trio.fail_after(WAIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(make, "first")
                await trio.to_thread.run_sync(at_disk.wait)
                nursery.start_soon(make, "second")
                await trio.testing.wait_all_tasks_blocked()
                assert "first" not in answers
                go_on.set()
    assert all(isinstance(answer, Done) for answer in answers.values()), answers
    assert set(answers) == {"earlier", "first", "second"}


def hold_first_job(
    monkeypatch: pytest.MonkeyPatch,
    disk: DiskThread,
    at_disk: threading.Event,
    go_on: threading.Event,
) -> None:
    """The next job handed to the disk says that it has begun, and waits."""
    submit = disk.submit

    def held(job: Callable[[], object], done: Ended) -> None:
        monkeypatch.setattr(disk, "submit", submit)

        def later() -> object:
            at_disk.set()
            assert go_on.wait(WAIT_S)
            return job()

        submit(later, done)

    monkeypatch.setattr(disk, "submit", held)
