"""Loaded by a process of Python that finds this folder first: with DOOM in its environment, a node
keeps little of everything, so that it makes snapshots, cuts its log and compacts its packs all the
time.

DOOM is the number of kilobytes of log by which a snapshot is due. For a node that is to end there
follow a work and a number, as in `16 truncation 7`: at that disk operation of that work, and of no
other, the process ends as kill -9 ends it. What it was doing is the last line that it writes.
"""

import os
import signal
import sys
from collections.abc import Callable, Generator
from functools import partial
from types import ModuleType

PIECE_BYTES = 4000
LOOK_S = 0.4
WRITE_ROWS = 50
SEGMENT_BYTES = 16_000
PACK_BYTES_MAX = 64_000


def keep_little(due_bytes: int) -> None:
    from samebox import adopting, snapshotting, write_back
    from samebox.io import store
    from samebox.limits import Limits
    from samebox.starting import Surroundings
    from samebox.write_back import Bounds
    from storage import LogLimits

    def is_due(log_bytes: int, snapshot_bytes: int) -> bool:
        return log_bytes >= due_bytes

    log = LogLimits(segment_bytes=SEGMENT_BYTES, recent_bytes=0)
    limits = Limits(log=log, pack_bytes_max=PACK_BYTES_MAX)
    put(snapshotting, is_due=is_due)
    put(adopting, PIECE_BYTES=PIECE_BYTES)
    put(write_back, Bounds=partial(Bounds, write_rows=WRITE_ROWS))
    put(store, Surroundings=partial(Surroundings, limits=limits))


def look_often(work: str) -> None:
    """A node that is to end in one work leaves the others alone: it is to come there soon."""
    from samebox.io import compacting, node, snapshots, snapshotting
    from samebox.io.shard import Shard
    from samebox.io.snapshotting import keep_snapshots

    async def keep(shard: Shard, log_bytes_max: int) -> None:
        await keep_snapshots(shard, 0)

    put(snapshots, LOOK_S=LOOK_S)
    put(node, keep_snapshots=keep)
    if work in ("", "snapshot", "truncation"):
        put(snapshotting, LOOK_S=LOOK_S, IDLE_SHARE=0)
    if work in ("", "compaction"):
        put(compacting, FIRST_S=LOOK_S, EVERY_S=LOOK_S, IDLE_SHARE=0)


def put(module: ModuleType | type, **values: object) -> None:
    for name, value in values.items():
        assert hasattr(module, name), f"{module} has no {name}"
        setattr(module, name, value)


class Doom:
    """The work that is under way in the thread of the disk, and how many operations are left."""

    def __init__(self, work: str, operations: int) -> None:
        self.work = work
        self.left = operations
        self.now = ""

    def during(self, work: str, do: Callable[..., object]) -> Callable[..., object]:
        def marked(*given: object) -> object:
            self.now = work
            try:
                return do(*given)
            finally:
                self.now = ""

        return marked

    def steps(self, work: str, of: type) -> None:
        """What the steps of such a work do in that thread."""
        from samebox.compacting import OnDisk

        steps: Callable[..., Generator[object, object, object]] = of.steps  # type: ignore[attr-defined]

        def watched(*given: object, **named: object) -> Generator[object, object, object]:
            doing, result = steps(*given, **named), None
            while True:
                try:
                    step = doing.send(result)
                except StopIteration as end:
                    return end.value
                if isinstance(step, OnDisk):
                    step = OnDisk(self.during(work, step.do))
                result = yield step

        put(of, steps=watched)

    def operations(self, disk: type, name: str) -> None:
        method: Callable[..., object] = getattr(disk, name)

        def counted(of: object, *given: object) -> object:
            if self.now == self.work:
                self._strike(f"{name} {given[0] if given else ''}")
            return method(of, *given)

        put(disk, **{name: counted})

    def _strike(self, what: str) -> None:
        self.left -= 1
        if self.left <= 0:
            print(f"killed in {self.work}, before {what}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def end_in(work: str, operations: int) -> None:
    from samebox.adopting import Fetching
    from samebox.compacting import Compacting
    from samebox.snapshotting import Snapshotting
    from samebox.truncating import Truncating
    from storage.io import FileDisk

    doom = Doom(work, operations)
    doom.steps("snapshot", Snapshotting)
    doom.steps("truncation", Truncating)
    doom.steps("compaction", Compacting)
    for name in ("take", "adopt"):
        put(Fetching, **{name: doom.during("adoption", getattr(Fetching, name))})
    for name in ("create", "write", "truncate", "sync", "rename", "remove", "sync_directory"):
        doom.operations(FileDisk, name)


due, *end = os.environ.get("DOOM", "").split() or [""]
if due:
    look_often(end[0] if end else "")
    keep_little(int(due) << 10)
if end:
    end_in(end[0], int(end[1]))
