"""One process on one data directory, shown with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import DirectoryLocked, DiskReadOnly, StorageError
from storage.io import DirectoryLock

HOLD = """
import sys
from pathlib import Path
from storage.io import DirectoryLock
lock = DirectoryLock.acquire(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(DirectoryLocked, match=f"process {process.pid} works on this") as told:
            DirectoryLock.acquire(tmp_path)
    assert told.value.__suppress_context__, "what the kernel said tells its reader nothing more"


def test_a_process_that_was_killed_is_no_obstacle(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait(timeout=30)
        assert (tmp_path / "lock").read_text() == f"{process.pid}\n"
        DirectoryLock.acquire(tmp_path).release()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = DirectoryLock.acquire(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    with child:
        lock.release()
        DirectoryLock.acquire(tmp_path).release()
        child.kill()


def test_a_lock_is_refused_in_the_same_process_too_until_it_is_released(tmp_path: Path) -> None:
    lock = DirectoryLock.acquire(tmp_path)
    with pytest.raises(DirectoryLocked):
        DirectoryLock.acquire(tmp_path)
    lock.release()
    lock.release()
    DirectoryLock.acquire(tmp_path).release()


def test_a_directory_that_is_missing_or_closed_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match="No such file"):
        DirectoryLock.acquire(tmp_path / "nowhere")

    def refuse(*args: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DiskReadOnly, match="Permission denied"):
        DirectoryLock.acquire(tmp_path)
