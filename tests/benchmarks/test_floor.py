"""The floor runs as two processes, keeps what it promises, and leaves nothing behind."""

from pathlib import Path
from statistics import median

import pytest

from benchmarks.children import ChildFailed, Children
from benchmarks.floor import MODULE, Task, run_floor
from benchmarks.load import PACED_PER_S, Asked, Load, visible_ms
from benchmarks.machine import IN_MEMORY, disk_folder, machine, mount_of


def test_temporary_files_are_on_a_disk() -> None:
    assert mount_of(disk_folder())[1] not in IN_MEMORY


def test_the_machine_is_described(tmp_path: Path) -> None:
    described = machine(tmp_path)
    assert described.cores >= 1
    assert described.processor and described.versions["trio"]


def test_a_child_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    task = Task(folder="", port=0, listening=-1, load=Load("many", 1))
    with Children(tmp_path) as children, pytest.raises(ChildFailed, match="KeyError: 'nobody'"):
        children.answer(children.start(MODULE, "nobody", task), Asked, seconds=1)


def test_a_child_ends_with_its_block(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        task = Task(folder=str(tmp_path), port=0, listening=-1, load=Load("many", 1))
        child = children.start(MODULE, "peer", task)
    assert child.returncode is not None


@pytest.mark.slow
@pytest.mark.parametrize("contents", [False, True])
def test_many_outstanding_are_confirmed_by_both(contents: bool, tmp_path: Path) -> None:
    asked, _ = run_floor(Load("many", 0.5, contents=contents), within=tmp_path)
    assert asked.count > 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 2])
def test_one_outstanding_waits_for_the_disk(copies: int, tmp_path: Path) -> None:
    asked, _ = run_floor(Load("one", 0.5, copies=copies), within=tmp_path)
    assert len(asked.waits_ms) == asked.count
    assert median(asked.waits_ms) > 0


@pytest.mark.slow
def test_every_paced_request_becomes_visible_after_it_was_made(tmp_path: Path) -> None:
    asked, seen = run_floor(Load("paced", 0.5), within=tmp_path)
    waits = visible_ms(asked, seen)
    assert len(waits) == PACED_PER_S // 2
    assert min(waits) > 0
