"""What the disk of a shard refuses, as an operator hears of it.

Peers and callers try again and again, so a line for each attempt would fill the log that a full
disk has no room for. It is said when it begins, now and then while it goes on, less and less
often, and when it is over. It is over when something was written, and for a while nothing was
refused: on a disk that is nearly full, what is short has room and what is long has none.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from samebox.events import Notice
from samebox.io.ages import age_words
from samebox.spelling import plural
from storage import DiskFull, DiskReadOnly

AGAIN_S = 60.0
"""Until it is said again, if more was refused by then; twice as long every time."""
AGAIN_MAX_S = 3600.0
QUIET_S = 10.0
"""Without a refusal before it is over: twice the time behind which a blob is pulled again."""
UNTRIED_S = 300.0
"""With neither a refusal nor a write, before it is told that nothing was tried: who still has
something to write, a caller or a peer, tries more often."""


class Refusals:
    """`log` takes the lines. What is refused, and taken, is counted by jobs of the disk."""

    def __init__(self, log: Callable[[Notice], None]) -> None:
        self._log = log
        self._count = 0
        self._began_s = self._last_s = self._due_s = 0.0
        self._pause_s = AGAIN_S
        self._told = 0
        self._error = ""
        self._has_room = False

    def refused(self, error: DiskFull | DiskReadOnly) -> None:
        """Nothing of a batch, or of some contents, was written."""
        now_s = trio.current_time()
        self._last_s, self._has_room, self._error = now_s, False, str(error)
        self._count += 1
        if self._count == 1:
            self._began_s, self._pause_s = now_s, AGAIN_S
            self._say(now_s, f"the disk refuses what is to be written: {self._error}")

    def taken(self) -> None:
        """Something was written."""
        self._has_room = True

    def look(self) -> None:
        """To be called from time to time."""
        if not self._count:
            return
        now_s = trio.current_time()
        if self._has_room and now_s - self._last_s >= QUIET_S:
            times, age = plural(self._count, "time"), age_words(self._last_s - self._began_s)
            self._count = self._told = 0
            self._log(
                Notice(f"the disk takes again what is to be written; it refused {times} in {age}")
            )
        elif self._count > self._told and now_s >= self._due_s:
            self._pause_s = min(2 * self._pause_s, AGAIN_MAX_S)
            self._say(now_s, f"{self.trouble} ({self._count - self._told:,} since this was said)")

    @property
    def trouble(self) -> str:
        """Since when the disk refuses, and why; empty where it does not.

        Where nothing was tried for long, the disk may have room again; only a write shows it.
        """
        if not self._count:
            return ""
        now_s = trio.current_time()
        since, last = age_words(now_s - self._began_s), age_words(now_s - self._last_s)
        times = plural(self._count, "time")
        if now_s - self._last_s >= UNTRIED_S:
            return (
                f"the disk refused, {times}, the last one {last} ago; nothing was to be written "
                f"since then, and the next write shows whether the disk takes it: {self._error}"
            )
        return f"for {since} the disk has refused, {times}, the last one {last} ago: {self._error}"

    def _say(self, now_s: float, text: str) -> None:
        self._told, self._due_s = self._count, now_s + self._pause_s
        self._log(Notice(text, alarm=True))
