"""Operations for those who watch: live from memory, from the log where they have fallen behind.

A watcher that does not keep up is not waited for: what is kept for it is dropped, and it goes on
from the log. So a slow watcher costs a bounded amount of memory and nobody's time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import islice
from typing import NamedTuple

import trio

from crdt import Actor, Clock, Dot, Head, Operation, Record, covers, first_head, read
from samebox.io.disk_thread import DiskThread
from storage import Log

KEPT_MAX = 4096
"""Operations kept in memory for one watcher."""
PAGE_MAX = 64
"""Operations handed over at a time: a watcher has its turn at the state once for all of them."""
READ_MAX = 500
"""Records that one job reads for a watcher: other jobs of the disk get their turn between."""


class Seen(NamedTuple):
    """An operation, and the clock up to and including it."""

    operation: Operation
    cursor: dict[Actor, int]


class Watcher:
    """Where one watcher stands, and what came since."""

    def __init__(self, since: Clock) -> None:
        self.clock: dict[Actor, int] = dict(since)
        self.kept: deque[Operation] = deque()
        self.behind = True
        self.news = trio.Event()

    def offer(self, operations: Sequence[Operation]) -> None:
        if not self.behind:
            if len(self.kept) + len(operations) > KEPT_MAX:
                self.behind = True
                self.kept.clear()
            else:
                self.kept += operations
        self.news.set()

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

    def publish(self, operations: Sequence[Operation]) -> None:
        for watcher in self._watchers:
            watcher.offer(operations)

    async def pages(self, since: Clock) -> AsyncGenerator[list[Seen], None]:
        """Every operation not in `since`, each once and in causal order, some at a time.

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
                while watcher.kept:
                    count = min(PAGE_MAX, len(watcher.kept))
                    yield watcher.take([watcher.kept.popleft() for _ in range(count)])
                if not watcher.behind:
                    await watcher.news.wait()
        finally:
            self._watchers.remove(watcher)

    async def _from_log(self, after: Clock) -> AsyncGenerator[list[Operation], None]:
        start = dict(after)
        source = await self._disk.run(lambda: self._read(start))
        while True:
            part = await self._disk.run(lambda: list(islice(source, READ_MAX)))
            for at in range(0, len(part), PAGE_MAX):
                yield part[at : at + PAGE_MAX]
            if len(part) < READ_MAX:
                return

    def _read(self, after: Clock) -> Iterator[Operation]:
        reader = Reader(self._cluster, self._shard)
        for segment in self._log.replay_segments(after):
            reader.start({actor: tip.head for actor, tip in segment.base.items()})
            for record in segment.records:
                yield from reader.read(record)


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

    def read(self, record: Record) -> Iterator[Operation]:
        actor = record.actor
        head = self._heads.get(actor) or first_head(self._cluster, self._shard, actor)
        if record.seq > head.seq + 1:
            self._early[Dot(actor, record.seq)] = record
        following: Record | None = record if record.seq == head.seq + 1 else None
        while following is not None:
            operation, _, head = read(head, following.data)
            self._heads[actor] = head
            yield operation
            following = self._early.pop(Dot(actor, head.seq + 1), None)
