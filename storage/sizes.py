"""How large a log and its parts may be, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """`segment_bytes`: a start after a crash reads and copies at most about this much.

    `recent_bytes`: memory for the last records, from which peers are sent.
    """

    segment_bytes: int = 32 << 20
    recent_bytes: int = 8 << 20


LIMITS = LogLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSize:
    bytes: int
    segments: int
    damaged_segments: int
    last_batch: int
