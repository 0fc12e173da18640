"""Ranges of the log as messages for a peer, with the small contents that travel beside them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple, TypeAlias

from comm import CHAIN_PREFIX_BYTES, RECORDS_BYTES_TARGET, RECORDS_TARGET, Range, Records
from crdt import Actor, Blob, Record
from samebox.io.contents import Contents
from samebox.io.disk_thread import DiskThread
from samebox.supply import READ_BYTES_MAX, RecentRecords, rider
from storage import Log, RecordsMissing

Item: TypeAlias = tuple[Record, tuple[bytes, ...]]
"""A record, and the contents that travel beside it."""


class Part(NamedTuple):
    """Records in one message, which part of the range they are, and how many bytes in all."""

    message: Records
    span: Range
    length: int


class Source:
    """Reads what peers are sent: from memory what is recent, from the disk what is not."""

    def __init__(self, disk: DiskThread, log: Log, contents: Contents) -> None:
        self.recent = RecentRecords()
        self._disk = disk
        self._log = log
        self._contents = contents

    def at_hand(self, span: Range) -> Part | None:
        """All of `span` in one message, where all of it is in memory and fits."""
        items: list[Item] = []
        size, next_ = 0, span.first
        while next_ <= span.last:
            records = self.recent.read(span.actor, next_, span.last)
            if not records:
                return None
            for record in records:
                if size >= RECORDS_BYTES_TARGET or len(items) >= RECORDS_TARGET:
                    return None
                blob = rider(record)
                data = None if blob is None else self._contents.at_hand(blob.hash)
                if blob is not None and data is None:
                    return None
                items.append((record, () if data is None else (data,)))
                size += len(record.data) + (0 if data is None else len(data))
            next_ += len(records)
        return _part(items, size)

    async def messages(self, span: Range) -> AsyncGenerator[Part, None]:
        """The records of `span` in messages of RECORDS_BYTES_TARGET or RECORDS_TARGET."""
        next_, size = span.first, 0
        items: list[Item] = []
        while next_ <= span.last:
            records = await self._read(span.actor, next_, span.last)
            if not records:
                break
            for record in records:
                assert record.seq == next_, f"expected record {next_}, found {record.seq}"
                blob = rider(record)
                blobs = () if blob is None else await self._beside(blob)
                items.append((record, blobs))
                size += len(record.data) + sum(map(len, blobs))
                next_ += 1
                if size >= RECORDS_BYTES_TARGET or len(items) >= RECORDS_TARGET:
                    yield _part(items, size)
                    items, size = [], 0
        if items:
            yield _part(items, size)

    async def _read(self, actor: Actor, first: int, last: int) -> list[Record]:
        recent = self.recent.read(actor, first, last)
        if recent:
            return recent
        try:
            return await self._disk.look(
                lambda: self._log.read(actor, first, last, max_bytes=READ_BYTES_MAX)
            )
        except RecordsMissing:  # they went while they were waited for: the peer gets a snapshot
            return []

    async def _beside(self, blob: Blob) -> tuple[bytes, ...]:
        data = await self._contents.piece(blob.hash)
        return () if data is None else (data,)


def _part(items: list[Item], size: int) -> Part:
    first, last = items[0][0], items[-1][0]
    data = [(record.data, blobs) for record, blobs in items]
    message = Records(last.actor, first.seq, last.chain[:CHAIN_PREFIX_BYTES], data)
    return Part(message, Range(last.actor, first.seq, last.seq), size)
