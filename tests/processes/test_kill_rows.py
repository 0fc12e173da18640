"""kill -9 of a process that writes rows of a state, in the middle of it."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from crdt import Rows
from samebox.io.sqlite_image import SqliteImages
from samebox.write_back import Bounds, WriteBackRows

ROUNDS = 5
EFFECTS = 10
"""Rows of one transaction, beside the clock."""
BOUNDS = Bounds(write_rows=60, unwritten_rows=300, clean_rows=50)
COMMITS = 200
"""Until the process is killed: some writes of the image, and one under way as a rule."""


def opened(folder: Path) -> WriteBackRows:
    return WriteBackRows(SqliteImages(folder).open(), BOUNDS)


def clock_of(rows: Rows) -> int:
    return int(rows.get("clock", b"") or b"0")


def commit_for_ever(folder: Path) -> None:
    """A line for each commit."""
    rows = opened(folder)
    for number in count(clock_of(rows) + 1):
        while rows.is_full:
            rows.wait_a_moment()
        rows.begin()
        for effect in range(EFFECTS):
            rows.put("effects", b"%08d %d" % (number, effect), b"done")
        rows.put("clock", b"", b"%d" % number)
        rows.commit()
        print(number, flush=True)


@pytest.mark.slow
def test_after_kill_9_the_rows_are_those_of_one_commit(tmp_path: Path) -> None:
    before = 0
    for _ in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-m", __name__, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            told = [int(child.stdout.readline()) for _ in range(COMMITS)]
            child.kill()
        rows = opened(tmp_path)
        clock = clock_of(rows)
        effects = [key for key, _ in rows.scan("effects", b"", b"\xff")]
        rows.close()
        behind = BOUNDS.unwritten_rows // EFFECTS
        assert told[0] == before + 1
        assert clock >= told[-1] - behind
        numbers = range(1, clock + 1)
        assert effects == [b"%08d %d" % (n, e) for n in numbers for e in range(EFFECTS)]
        before = clock


if __name__ == "__main__":
    commit_for_ever(Path(sys.argv[1]))
