"""Ranges of the log as messages for a peer, with the small contents that travel beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence

from comm import RECORDS_BYTES_TARGET, Range, Records, packed
from crdt import Actor, Record, blob_in
from samebox.io.contents import CARRIED_BYTES_MAX, Contents
from samebox.io.disk_thread import DiskThread
from storage import Log

RECENT_BYTES_MAX = 16 << 20
"""Records kept in memory because every peer is about to be sent them."""
RECORD_BYTES_EXTRA = 200
"""What a record costs in memory beside its bytes."""
READ_BYTES_MAX = 64 << 10
"""Of records that one job reads from the log."""


class RecentRecords:
    """The records last appended, in the order appended, up to RECENT_BYTES_MAX."""

    def __init__(self) -> None:
        self._runs: dict[Actor, deque[Record]] = {}
        self._order: deque[Actor] = deque()
        self._bytes = 0

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            run = self._runs.setdefault(record.actor, deque())
            if run and run[-1].seq != record.seq - 1:
                return  # a hole was filled: the log has it
            run.append(record)
            self._order.append(record.actor)
            self._bytes += len(record.data) + RECORD_BYTES_EXTRA
        while self._bytes > RECENT_BYTES_MAX:
            oldest = self._runs[self._order.popleft()].popleft()
            self._bytes -= len(oldest.data) + RECORD_BYTES_EXTRA

    def read(self, actor: Actor, first: int, last: int) -> list[Record]:
        """Records from `first` on, up to READ_BYTES_MAX or so; none if `first` is not here."""
        run = self._runs.get(actor)
        if not run or not run[0].seq <= first <= run[-1].seq:
            return []
        found: list[Record] = []
        size = 0
        for at in range(first - run[0].seq, min(last, run[-1].seq) - run[0].seq + 1):
            found.append(run[at])
            size += len(run[at].data)
            if size >= READ_BYTES_MAX:
                break
        return found


class Source:
    """Reads what peers are sent: from memory what is recent, from the disk what is not."""

    def __init__(self, disk: DiskThread, log: Log, contents: Contents) -> None:
        self.recent = RecentRecords()
        self._disk = disk
        self._log = log
        self._contents = contents

    async def messages(self, span: Range) -> AsyncGenerator[tuple[Records, Range], None]:
        """The records of `span` in messages of about RECORDS_BYTES_TARGET, each with its part."""
        first, size = span.first, 0
        items: list[tuple[Record, tuple[bytes, ...]]] = []
        while first <= span.last:
            for record in await self._read(span.actor, first, span.last):
                blobs = await self._beside(record)
                items.append((record, blobs))
                size += len(record.data) + sum(map(len, blobs))
                first = record.seq + 1
                if size >= RECORDS_BYTES_TARGET:
                    yield self._message(items)
                    items, size = [], 0
        if items:
            yield self._message(items)

    @staticmethod
    def _message(items: list[tuple[Record, tuple[bytes, ...]]]) -> tuple[Records, Range]:
        (message,) = packed(items, bytes_target=1 << 62)
        return message, Range(message.actor, message.first, message.last)

    async def _read(self, actor: Actor, first: int, last: int) -> list[Record]:
        recent = self.recent.read(actor, first, last)
        if recent:
            return recent
        return await self._disk.run(
            lambda: self._log.read(actor, first, last, max_bytes=READ_BYTES_MAX)
        )

    async def _beside(self, record: Record) -> tuple[bytes, ...]:
        blob = blob_in(record.data)
        if blob is None or blob.size > CARRIED_BYTES_MAX:
            return ()
        data = await self._contents.piece(blob.hash)
        return () if data is None else (data,)
