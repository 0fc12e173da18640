"""What was written to a log as last, and what of it may look as if it had never been synced.

A mark says of the batches before its own that they were synced. Where one spoilt place reaches the
last mark of a log, nothing says so any more of the batch before it: of one that the same place
reaches, a start finds what the broken-off write of a batch leaves, or the rest of a refused one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

from crdt import Dot
from sim.disk import SimulatedDisk
from storage import Log

MARK_FRAME_BYTES = 44
SEAL = b"sbx-end\n"
"""What the last bytes of a closed segment begin with, and how many they are."""
SEAL_BYTES = 52
REACHED_MAX = 8
"""Batches that one spoilt place may reach: more than lie in a sector of 512 bytes."""


class Written(Struct, frozen=True):
    """A batch as it lay in `file` from `start` on, when it was synced."""

    dots: tuple[Dot, ...]
    file: str
    start: int
    data: bytes

    def is_whole(self, content: bytes) -> bool:
        return content[self.start : self.start + len(self.data)] == self.data

    def has_mark(self, content: bytes) -> bool:
        end = self.start + len(self.data)
        return content[end - MARK_FRAME_BYTES : end] == self.data[-MARK_FRAME_BYTES:]


class LastBatches:
    """Of one log. `goes_on` is told where a start or a snapshot leaves it, `synced` every batch,
    `opened` what each start found, be it one that did not end. `torn` are the records of those that
    looked so since the last start that did."""

    def __init__(self) -> None:
        self.torn: set[Dot] = set()
        self._batches: deque[Written] = deque(maxlen=REACHED_MAX)
        self._end = ("", 0)

    def goes_on(self, log: Log) -> None:
        """Of what is in it now, the header of a file says that it was synced."""
        self.torn.clear()
        self._batches.clear()
        segments = log.segments()
        self._end = (segments[-1].name.text, segments[-1].end) if segments else ("", 0)

    def synced(self, dots: tuple[Dot, ...], log: Log, disk: SimulatedDisk) -> None:
        segment = log.segments()[-1]
        file, end = segment.name.text, segment.end
        start = self._end[1] if self._end[0] == file else segment.start
        if start == end:
            return  # all of it was in the log already
        if self._end[0] != file:
            self._batches.clear()
        self._end = (file, end)
        data = disk.content(f"log/{file}", start, end - start)
        self._batches.append(Written(dots, file, start, data))

    def opened(self, files: Mapping[str, bytes]) -> None:
        for batch in reversed(self._batches):
            content = files.get(f"log/{batch.file}")
            if content is None or content[-SEAL_BYTES:].startswith(SEAL):
                break  # of a file that is not the end of a log, all that reads counts
            if batch.is_whole(content):
                break
            self.torn.update(batch.dots)
            if batch.has_mark(content):
                break
