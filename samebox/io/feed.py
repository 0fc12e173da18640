"""Operations for those who watch: live from memory, from the log where they have fallen behind.

A watcher that does not keep up is not waited for: what is kept for it is dropped, and it goes on
from the log. So a slow watcher costs a bounded amount of memory and nobody's time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple, TypeAlias

import trio

from crdt import Actor, Clock, Dot, Head, Operation, Record, covers, first_head, includes, read
from samebox.changes import ChangesGone
from samebox.io.disk_thread import DiskThread
from storage import Log

KEPT_MAX = 4096
"""Operations kept in memory for one watcher."""
KEPT_BYTES_MAX = 4 << 20
"""Of their records: one of many ids has up to 1 MiB, and takes several times that in memory."""
PAGE_MAX = 64
"""Operations handed over at a time: a watcher has its turn at the state once for all of them."""
READ_MAX = 500
READ_BYTES_MAX = 1 << 20
"""Records that one job reads for a watcher: other jobs of the disk get their turn between."""

Sized: TypeAlias = tuple[Operation, int]
"""An operation, and the length of its record."""


class Seen(NamedTuple):
    """An operation, and the clock up to and including it."""

    operation: Operation
    cursor: dict[Actor, int]


class Watcher:
    """Where one watcher stands, and what came since."""

    def __init__(self, since: Clock) -> None:
        self.clock: dict[Actor, int] = dict(since)
        self._kept: deque[Sized] = deque()
        self._bytes = 0
        self.behind = True
        self.news = trio.Event()

    def offer(self, operations: Sequence[Sized]) -> None:
        if not self.behind:
            size = self._bytes + sum(length for _, length in operations)
            if len(self._kept) + len(operations) > KEPT_MAX or size > KEPT_BYTES_MAX:
                self.behind = True
                self._kept.clear()
                self._bytes = 0
            else:
                self._kept += operations
                self._bytes = size
        self.news.set()

    def next(self) -> list[Operation]:
        """A page of what is kept; empty where nothing is."""
        page: list[Operation] = []
        while self._kept and len(page) < PAGE_MAX:
            operation, length = self._kept.popleft()
            self._bytes -= length
            page.append(operation)
        return page

    def take(self, operations: Sequence[Operation]) -> list[Seen]:
        """Those that are news to this watcher; it stands behind them now."""
        seen: list[Seen] = []
        for operation in operations:
            if not covers(self.clock, operation.dot):
                self.clock[operation.dot.actor] = operation.dot.seq
                seen.append(Seen(operation, dict(self.clock)))
        return seen


class Feed:
    def __init__(self, disk: DiskThread, log: Log, cluster: str, shard: str) -> None:
        self._disk = disk
        self._log = log
        self._cluster = cluster
        self._shard = shard
        self._watchers: list[Watcher] = []

    def publish(self, operations: Sequence[Sized]) -> None:
        for watcher in self._watchers:
            watcher.offer(operations)

    async def pages(self, since: Clock) -> AsyncGenerator[list[Seen], None]:
        """Every operation not in `since`, each once and in causal order, some at a time. Raises
        ChangesGone.

        Goes on for ever; close it to stop watching.
        """
        watcher = Watcher(since)
        self._watchers.append(watcher)
        try:
            while True:
                watcher.news = trio.Event()
                if watcher.behind:
                    watcher.behind = False
                    async with aclosing(self._from_log(watcher.clock)) as pages:
                        async for page in pages:
                            yield watcher.take(page)
                while page := watcher.next():
                    yield watcher.take(page)
                if not watcher.behind:
                    await watcher.news.wait()
        finally:
            self._watchers.remove(watcher)

    async def _from_log(self, after: Clock) -> AsyncGenerator[list[Operation], None]:
        start = dict(after)
        source = await self._disk.run(lambda: self._read(start))
        while True:
            part = await self._disk.run(lambda: _portion(source))
            for at in range(0, len(part), PAGE_MAX):
                yield part[at : at + PAGE_MAX]
            if not part:
                return

    def _read(self, after: Clock) -> Iterator[Sized]:
        if not includes(after, self._log.base()):
            text = "the operations behind this place are in a snapshot by now, not in the log: "
            raise ChangesGone(text + "read anew what there is, and watch from there on")
        reader = Reader(self._cluster, self._shard)
        for segment in self._log.replay_segments(after):
            reader.start({actor: tip.head for actor, tip in segment.base.items()})
            for record in segment.records:
                yield from reader.read(record)


def _portion(source: Iterator[Sized]) -> list[Operation]:
    """READ_MAX operations, or as many as have READ_BYTES_MAX; none at the end."""
    portion: list[Operation] = []
    size = 0
    for operation, length in source:
        portion.append(operation)
        size += length
        if len(portion) == READ_MAX or size >= READ_BYTES_MAX:
            break
    return portion


class Reader:
    """Operations from the records of a log, each actor's in the order of its seqs.

    A record behind a hole is kept until the hole is filled: that happens where a damaged segment
    was fetched again, and is bounded by a segment.
    """

    def __init__(self, cluster: str, shard: str) -> None:
        self._cluster = cluster
        self._shard = shard
        self._heads: dict[Actor, Head] = {}
        self._early: dict[Dot, Record] = {}

    def start(self, heads: Mapping[Actor, bytes | None]) -> None:
        """Heads before a segment: where an actor was not read before, it is read from there."""
        for actor, head in heads.items():
            if head is not None and actor not in self._heads:
                self._heads[actor] = Head.decode(head)

    def read(self, record: Record) -> Iterator[Sized]:
        actor = record.actor
        head = self._heads.get(actor) or first_head(self._cluster, self._shard, actor)
        if record.seq > head.seq + 1:
            self._early[Dot(actor, record.seq)] = record
        following: Record | None = record if record.seq == head.seq + 1 else None
        while following is not None:
            operation, _, head = read(head, following.data)
            self._heads[actor] = head
            yield operation, len(following.data)
            following = self._early.pop(Dot(actor, head.seq + 1), None)
