"""Processes of a benchmark: started with pipes, bounded in time, ended by their own parent.

A child is a module of this folder run with a role and one JSON value. It writes one JSON value to
its standard output, and ends by itself, or when its standard input is closed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

PROJECT = Path(__file__).resolve().parent.parent
CLUSTER = "bench.example"
GRACE_S = 90.0
"""Beyond the time that a child was told to take: start, warm-up, connections, closing."""
KILL_WAIT_S = 10.0


class ChildFailed(Exception):
    """A child ended otherwise than planned; the message holds its last lines."""


class Children:
    """Every child that was started here has ended when the block is left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[tuple[subprocess.Popen[bytes], Path]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child, _ in self._started:
            if child.poll() is None:
                child.kill()
            child.communicate(timeout=KILL_WAIT_S)

    def start(
        self, module: str, role: str, task: Struct, *, files: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Run `python -m module role task`; the descriptors in `files` are handed down."""
        errors = self._folder / f"errors-{len(self._started)}"
        with errors.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", module, role, msgspec.json.encode(task).decode()],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                pass_fds=files,
            )
        self._started.append((child, errors))
        return child

    def answer(self, child: subprocess.Popen[bytes], type_: type[T], *, seconds: float) -> T:
        """Close the child's input, wait for its end, and decode what it wrote.

        Raises ChildFailed after `seconds` and GRACE_S, or when it did not end well.
        """
        errors = next(path for started, path in self._started if started is child)
        try:
            out, _ = child.communicate(timeout=seconds + GRACE_S)
        except subprocess.TimeoutExpired:
            raise ChildFailed(
                f"{child.args!r}: expected an end within {seconds + GRACE_S:.0f} s, "
                f"found it running\n{tail(errors)}"
            ) from None
        if child.returncode != 0:
            raise ChildFailed(
                f"{child.args!r}: expected exit status 0, found {child.returncode}\n{tail(errors)}"
            )
        return msgspec.json.decode(out, type=type_)


def tail(errors: Path) -> str:
    return "\n".join(errors.read_text(errors="replace").splitlines()[-20:])


def say(answer: Struct) -> None:
    """The child's one answer."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()
