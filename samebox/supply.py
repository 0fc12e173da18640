"""What peers are sent of a range: records, mostly from memory, and the contents that ride along."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from crdt import Actor, Blob, Record, blob_in

CARRIED_BYTES_MAX = 64 << 10
"""Longer contents are pulled by those who lack them."""
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


def rider(record: Record) -> Blob | None:
    """The blob whose bytes travel beside `record`, where they are held."""
    blob = blob_in(record.data)
    return None if blob is None or blob.size > CARRIED_BYTES_MAX else blob
