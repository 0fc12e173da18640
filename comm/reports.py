"""Which lines go to the log: a peer or a stranger that fails again and again does not flood it.

Of each kind some go through at once, then one for each EVERY_S. The next one that goes through
says how many were left out before it. (A token bucket for each kind.)
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

AT_ONCE = 20
EVERY_S = 1.0
KINDS_MAX = 256
"""Remembered; one that is forgotten begins anew."""


class Bucket(Struct):
    """`tokens` lines may go through at `since`; `left_out` did not, since the last one did."""

    tokens: float
    since: float
    left_out: int = 0


class Reports:
    def __init__(self, *, at_once: int = AT_ONCE, every_s: float = EVERY_S) -> None:
        self._at_once = at_once
        self._every_s = every_s
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def passed(self, kind: str, line: str, now: float) -> str | None:
        """`line` as it goes to the log, or None where it is left out."""
        bucket = self._bucket(kind, now)
        earned = (now - bucket.since) / self._every_s
        bucket.tokens, bucket.since = min(bucket.tokens + earned, self._at_once), now
        if bucket.tokens < 1:
            bucket.left_out += 1
            return None
        bucket.tokens -= 1
        left_out, bucket.left_out = bucket.left_out, 0
        return f"{line} ({left_out} more like it were left out)" if left_out else line

    def _bucket(self, kind: str, now: float) -> Bucket:
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = Bucket(self._at_once, now)
            if len(self._buckets) > KINDS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(kind)
        return bucket
