"""A range of the log as messages: what samebox.io.sending reads for a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from comm import Range, Records, packed
from crdt import Record
from samebox.supply import READ_BYTES_MAX, rider
from storage import BlobDamaged, BlobMissing, DiskReadFailed, RecordsMissing

if TYPE_CHECKING:
    from sim.shell import Shell

Items: TypeAlias = list[tuple[Record, tuple[bytes, ...]]]
Found: TypeAlias = tuple[Records, Range] | None
Submit: TypeAlias = Callable[[Callable[[], object], Callable[[object], None]], None]


class RangeReader:
    def __init__(self, shell: Shell, span: Range) -> None:
        self._shell = shell
        self._actor = span.actor
        self._first = span.first
        self._last = span.last

    def next(self, submit: Submit, found: Callable[[Found], None]) -> None:
        """Gives the next message with its part of the range, or None behind the last."""
        if self._first > self._last:
            found(None)
            return
        recent = self._shell.recent.read(self._actor, self._first, self._last)
        if recent and not any(map(rider, recent)):
            found(self._message([(record, ()) for record in recent]))
            return
        submit(
            lambda: self._read(recent),
            lambda items: found(self._message(items) if items else None),
        )

    def _read(self, recent: list[Record]) -> Items:
        try:
            records = recent or self._shell.store.log.read(
                self._actor, self._first, self._last, max_bytes=READ_BYTES_MAX
            )
        except RecordsMissing:  # they went while they were waited for: the peer gets a snapshot
            return []
        return [(record, self._beside(record)) for record in records]

    def _beside(self, record: Record) -> tuple[bytes, ...]:
        blob = rider(record)
        if blob is None or not self._shell.store.packs.has(blob.hash):
            return ()
        try:
            return (self._shell.store.packs.get(blob.hash),)
        except (BlobMissing, BlobDamaged, DiskReadFailed):
            return ()

    def _message(self, read: object) -> Found:
        items: Items = read  # type: ignore[assignment]
        target = self._shell.host.message_bytes
        message = next(packed(items, bytes_target=target))
        self._first = message.last + 1
        return message, Range(message.actor, message.first, message.last)
