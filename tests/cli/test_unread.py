"""Nobody reads what a node says: it never waits for that, and says later what was lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from typing_extensions import override

from crdt import Address, Create
from samebox.io.control_client import NotReachable
from samebox.io.conversation import Conversation
from samebox.io.line_writer import WAITING_BYTES_MAX, LineWriter
from samebox.io.local_cluster import (
    START_S,
    STOP_S,
    command,
    environment,
    local_node_list,
    until,
)

LINE = "x" * (WAITING_BYTES_MAX // 100)
FIT = WAITING_BYTES_MAX // (len(LINE) + 1)


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """Its ends to read and to write; there is room for no more byte, so the next write waits."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    for piece in (bytes(4096), bytes(1)):
        with suppress(BlockingIOError):
            while True:
                os.write(write, piece)
    os.set_blocking(write, True)
    try:
        yield read, write
    finally:
        os.close(read)
        os.close(write)


def test_lines_that_nobody_reads_are_dropped_and_counted() -> None:
    with full_pipe() as (read, write):
        with LineWriter(write) as writer:
            for _ in range(FIT + 7):
                writer.say(LINE)
            with open(read, "rb", closefd=False) as reader:
                came = [reader.readline().lstrip(b"\0") for _ in range(FIT)]
                writer.say("the next one")
                behind = [reader.readline(), reader.readline()]
        assert came == [LINE.encode() + b"\n"] * FIT
        assert behind == [b"7 lines could not be written and are lost\n", b"the next one\n"]
        assert not writer.stuck


def test_at_the_end_nobody_waits_for_a_reader_that_does_not_read() -> None:
    with full_pipe() as (read, write):
        with LineWriter(write) as writer:
            writer.say("unread")
        assert writer.stuck
        with open(read, "rb", closefd=False) as reader:
            assert reader.readline().endswith(b"\0unread\n")


class OnAFullDisk(LineWriter):
    """The first writes find no space."""

    left = 3

    @override
    def _write(self, line: bytes) -> None:
        self.left -= 1
        if self.left >= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super()._write(line)


def test_lines_that_a_full_disk_does_not_take_are_counted() -> None:
    read, write = os.pipe()
    with OnAFullDisk(write) as writer:
        for number in range(5):
            writer.say(f"line {number}")
    os.close(write)
    with open(read) as reader:
        assert reader.read().splitlines() == [
            "3 lines could not be written and are lost",
            "line 3",
            "line 4",
        ]


@contextmanager
def reader_gone() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    os.close(read)
    try:
        yield read, write
    finally:
        os.close(write)


@contextmanager
def full_disk() -> Iterator[tuple[int, int]]:
    write = os.open("/dev/full", os.O_WRONLY)
    try:
        yield -1, write
    finally:
        os.close(write)


@pytest.mark.slow
@pytest.mark.parametrize("sink", [full_pipe, reader_gone, full_disk])
def test_a_node_whose_lines_nobody_takes_works_and_stops(
    tmp_path: Path, sink: Callable[[], AbstractContextManager[tuple[int, int]]]
) -> None:
    path = local_node_list(tmp_path, ["a"])
    typed = command("run", "--config", str(path), "--node", "a", "--verbose")
    with sink() as (_, write):
        node = subprocess.Popen(typed, env=environment(), stdout=write, stderr=write)
        try:
            talk = until(lambda: reached(tmp_path), START_S, lambda: "the node to answer")
            with talk:
                talk.ask(Create(Address("mail/alice")))
            node.send_signal(signal.SIGTERM)
            assert node.wait(STOP_S) == 0
        finally:
            node.kill()
            node.wait()


def reached(folder: Path) -> Conversation | None:
    try:
        return Conversation(folder / "run" / "a.sock", timeout_s=START_S)
    except NotReachable:
        return None


LOGGING = """
import logging, os
from samebox.io.commands.running import logging_to_stderr

with logging_to_stderr(verbose=False):
    opened = os.memfd_create("data")
    logging.getLogger("samebox").warning("a line")
print(os.pread(opened, 100, 0))
"""


def test_what_is_opened_in_place_of_a_closed_standard_error_is_not_written_to() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, LOGGING],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
        check=True,
    )
    assert done.stdout == "b''\n"
