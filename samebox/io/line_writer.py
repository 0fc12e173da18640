"""What a node says is written by a thread of its own: a reader that does not read stops no node.

Lines wait in a queue with a bound. Beyond it they are dropped, and counted, and so are lines that
the system does not take (a full disk, a reader that is gone); the count is told in front of the
next line that is taken. So do the writers of Docker (`mode=non-blocking`) and of Rust's `tracing`.
The descriptor is not made non-blocking: other processes may share it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from types import TracebackType
from typing import Self

WAITING_BYTES_MAX = 1 << 20
"""Some ten thousand lines: hours of a troubled node."""
DRAIN_S = 1.0
"""What a process that ends waits for its last words to be read."""
LOST = b"%d lines could not be written and are lost\n"


class LineWriter:
    """Lines to a descriptor, in order; `say` never waits. At the end of the block it is drained."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._ending = False
        self._changed = threading.Condition()
        # A daemon: a write that nobody reads would hold up the end of the process for ever.
        self._thread = threading.Thread(target=self._write_all, name="line writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(DRAIN_S)

    @property
    def stuck(self) -> bool:
        """Behind the block: lines were left over, as nobody reads."""
        return self._thread.is_alive()

    def say(self, text: str) -> None:
        line = text.encode(errors="backslashreplace") + b"\n"
        with self._changed:
            if self._waiting_bytes + len(line) > WAITING_BYTES_MAX:
                self._lost += 1
                return
            if self._lost:
                self._put(LOST % self._lost)
                self._lost = 0
            self._put(line)
            self._changed.notify()

    def _put(self, line: bytes) -> None:
        self._lines.append(line)
        self._waiting_bytes += len(line)

    def _write_all(self) -> None:
        failed = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._ending)
                if not self._lines:
                    return
                line = self._lines[0]
            try:
                if failed:
                    self._write(LOST % failed)
                    failed = 0
                self._write(line)
            except OSError:
                failed += 1
            with self._changed:
                self._lines.popleft()
                self._waiting_bytes -= len(line)

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._descriptor, line) :]
