"""Operations for those who watch: live from memory, from the log where they have fallen behind.

What is live comes as the change that it was when its batch was committed, where that was told.
A watcher that does not keep up is not waited for: what is kept for it is dropped, and it goes on
from the log. So a slow watcher costs a bounded amount of memory and nobody's time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import NamedTuple, TypeAlias

import trio
from msgspec.structs import replace

from crdt import (
    Actor,
    Clock,
    Operation,
    State,
    covers,
    includes,
)
from samebox.changes import Change, ChangesGone, describe
from samebox.io.disk_thread import DiskThread
from samebox.log_reader import Logged, operations_in
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

News: TypeAlias = Operation | Change
"""An operation, or what it changed: its cursor is not that of any watcher."""
Sized: TypeAlias = tuple[News, int]
"""With the length of its record, or of what is kept of it."""


class Seen(NamedTuple):
    """An operation or its change, and the clock of the watcher up to and including it."""

    news: News
    cursor: dict[Actor, int]


class Watcher:
    """Where one watcher stands, and what came since."""

    def __init__(self, since: Clock) -> None:
        self.clock: dict[Actor, int] = dict(since)
        self._kept: deque[Sized] = deque()
        self._bytes = 0
        self.behind = True
        self.news = trio.Event()

    @property
    def has_more(self) -> bool:
        return bool(self._kept)

    def offer(self, items: Sequence[Sized]) -> None:
        if not self.behind:
            size = self._bytes + sum([length for _, length in items])
            if len(self._kept) + len(items) > KEPT_MAX or size > KEPT_BYTES_MAX:
                self.fall_behind()
            else:
                self._kept += items
                self._bytes = size
        self.news.set()

    def fall_behind(self) -> None:
        self.behind = True
        self._kept.clear()
        self._bytes = 0
        self.news.set()

    def next(self) -> list[News]:
        """A page of what is kept; empty where nothing is."""
        page: list[News] = []
        while self._kept and len(page) < PAGE_MAX:
            item, length = self._kept.popleft()
            self._bytes -= length
            page.append(item)
        return page

    def take(self, page: Sequence[News]) -> list[Seen]:
        """What of `page` is news to this watcher; it stands behind all of it now."""
        seen: list[Seen] = []
        for item in page:
            if not covers(self.clock, item.dot):
                self.clock[item.dot.actor] = item.dot.seq
                seen.append(Seen(item, dict(self.clock)))
        return seen


class Feed:
    def __init__(self, disk: DiskThread, log: Log, cluster: str, shard: str) -> None:
        self._disk = disk
        self._log = log
        self._cluster = cluster
        self._shard = shard
        self._watchers: list[Watcher] = []

    def publish(
        self, operations: Sequence[Operation], lengths: Sequence[int], state: State | None
    ) -> None:
        """`state` shows what `operations` made and nothing later; None where there is no such one.

        Who watches is told what a short batch changed, and need not wait for the next one to end
        for a look; after a long one it looks, a page at a time.
        """
        if not self._watchers:
            return
        news: list[Sized] = []
        if state is not None and len(operations) <= PAGE_MAX and self._is_live():
            with suppress(Exception):  # it is for the watcher's own look to meet it again
                news = _changes(state, operations, lengths)
        news = news or list(zip(operations, lengths, strict=True))
        for watcher in self._watchers:
            watcher.offer(news)

    def jumped(self) -> None:
        """What came was not told one by one: a snapshot was taken over."""
        for watcher in self._watchers:
            watcher.fall_behind()

    def _is_live(self) -> bool:
        """Somebody watches who has not fallen behind."""
        return not all(watcher.behind for watcher in self._watchers)

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
                while kept := watcher.next():
                    yield watcher.take(kept)
                    if watcher.has_more:  # if not, to wait for more gives the turn away
                        await trio.lowlevel.checkpoint()
                if not watcher.behind:
                    await watcher.news.wait()
        finally:
            self._watchers.remove(watcher)

    async def _from_log(self, after: Clock) -> AsyncGenerator[list[Operation], None]:
        """`after` moves on with what was taken."""
        reading = Reading(self._log, self._cluster, self._shard)
        while True:
            reached = dict(after)
            part = await self._disk.run(lambda reached=reached: reading.portion(reached))  # type: ignore[misc]
            for at in range(0, len(part), PAGE_MAX):
                yield part[at : at + PAGE_MAX]
            if not part:
                return


class Reading:
    """The operations of a log behind a place, some at a time, in the thread that drives the disk.
    Between two portions its first segments may go: then it is read anew from that place on."""

    def __init__(self, log: Log, cluster: str, shard: str) -> None:
        self._log = log
        self._cluster = cluster
        self._shard = shard
        self._first: int | None = None
        self._source: Iterator[Logged] = iter(())

    def portion(self, reached: Clock) -> list[Operation]:
        """READ_MAX operations, or as many as have READ_BYTES_MAX, behind `reached` and some before;
        none at the end. Raises ChangesGone."""
        if not includes(reached, self._log.base()):
            text = "the operations behind this place are in a snapshot by now, not in the log: "
            raise ChangesGone(text + "read anew what there is, and watch from there on")
        first = next((segment.number for segment in self._log.segments()), None)
        if first != self._first:
            place = {"cluster": self._cluster, "shard": self._shard}
            self._first, self._source = first, operations_in(self._log, reached, **place)
        return _portion(self._source)


def told(page: Sequence[Seen]) -> list[Change]:
    """Those changes of `page` that are known."""
    return [replace(news, cursor=at) for news, at in page if isinstance(news, Change)]


def described(page: Sequence[Seen], state: State) -> list[Change]:
    """All changes of `page`; those that are not known are looked up in `state`."""
    return [
        replace(news, cursor=at) if isinstance(news, Change) else describe(state, news, at)
        for news, at in page
    ]


def _changes(state: State, operations: Sequence[Operation], lengths: Sequence[int]) -> list[Sized]:
    changes: list[Sized] = []
    for operation, length in zip(operations, lengths, strict=True):
        change = describe(state, operation, {})
        changes.append((change, length + len(change.path or "")))
    return changes


def _portion(source: Iterator[Logged]) -> list[Operation]:
    portion: list[Operation] = []
    size = 0
    for operation, length in source:
        portion.append(operation)
        size += length
        if len(portion) == READ_MAX or size >= READ_BYTES_MAX:
            break
    return portion
