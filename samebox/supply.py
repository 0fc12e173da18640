"""What peers are sent of a range: records, mostly from memory, and the contents that ride along."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import sha256

from crdt import Actor, Blob, Record, blob_in
from samebox.events import Carried

CARRIED_BYTES_MAX = 64 << 10
"""Longer contents are pulled by those who lack them."""
RECENT_BYTES_MAX = 8 << 20
"""Records kept in memory because every peer is about to be sent them: what a busy node writes in
two seconds. A peer that is further behind is sent what is read from the log."""
RECORD_BYTES_EXTRA = 310
"""What a record costs in memory beside its bytes, as measured with CPython 3.11."""
READ_BYTES_MAX = 64 << 10
"""Of records that one job reads from the log."""


class Hashed(Carried):
    """Carried bytes that were hashed here: `hash` needs no second look."""

    __slots__ = ()


def carried(data: bytes) -> tuple[Blob, Hashed]:
    """Contents of at most CARRIED_BYTES_MAX, and how they travel beside the operation that names
    them."""
    assert len(data) <= CARRIED_BYTES_MAX, f"{len(data)} bytes are pulled, not carried"
    hash_ = sha256(data).digest()
    return Blob(hash_, len(data)), Hashed(hash_, data)


class RecentRecords:
    """The records last appended, up to RECENT_BYTES_MAX."""

    def __init__(self) -> None:
        self._runs: dict[Actor, dict[int, Record]] = {}
        self._order: deque[Record] = deque()
        self._bytes = 0

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            run = self._runs.get(record.actor)
            if run is None:
                run = self._runs[record.actor] = {}
            if record.seq not in run:
                run[record.seq] = record
                self._order.append(record)
                self._bytes += len(record.data) + RECORD_BYTES_EXTRA
        while self._bytes > RECENT_BYTES_MAX:
            oldest = self._order.popleft()
            del self._runs[oldest.actor][oldest.seq]
            self._bytes -= len(oldest.data) + RECORD_BYTES_EXTRA

    def read(self, actor: Actor, first: int, last: int) -> list[Record]:
        """Records from `first` on, up to READ_BYTES_MAX or so; none if `first` is not here."""
        run = self._runs.get(actor, {})
        found: list[Record] = []
        size = 0
        for seq in range(first, last + 1):
            record = run.get(seq)
            if record is None or size >= READ_BYTES_MAX:
                break
            found.append(record)
            size += len(record.data)
        return found


def rider(record: Record) -> Blob | None:
    """The blob whose bytes travel beside `record`, where they are held."""
    blob = blob_in(record.data)
    return None if blob is None or blob.size > CARRIED_BYTES_MAX else blob
