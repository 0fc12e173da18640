"""How much a shard holds at a time, where that is not fixed by a format."""

from __future__ import annotations

from msgspec import Struct

from comm import WAITING_MAX, WINDOW_RECORDS
from crdt import KEPT_REQUESTS
from storage import PACK_BYTES_MAX, LogLimits


class Limits(Struct, frozen=True):
    """`waiting_max` operations wait for others; `window_records` are on their way to one peer; a
    request is remembered until `kept_requests` operations more are stable."""

    log: LogLimits = LogLimits()
    pack_bytes_max: int = PACK_BYTES_MAX
    waiting_max: int = WAITING_MAX
    window_records: int = WINDOW_RECORDS
    kept_requests: int = KEPT_REQUESTS
