"""Ranges of the log as messages for a peer, with the small contents that travel beside them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from comm import RECORDS_BYTES_TARGET, Range, Records, packed
from crdt import Actor, Record
from samebox.io.contents import Contents
from samebox.io.disk_thread import DiskThread
from samebox.supply import READ_BYTES_MAX, RecentRecords, rider
from storage import Log


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
        blob = rider(record)
        if blob is None:
            return ()
        data = await self._contents.piece(blob.hash)
        return () if data is None else (data,)
