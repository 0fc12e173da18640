"""What a verification finds, and the small portions in which it goes on.

A verification is an iterator of portions: whoever drives it does other work between two of them,
and decides how fast it goes. It only reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.coverage import Missing

PORTION_BYTES = 32 << 10
"""Read and checked at a time, some milliseconds of work. Only one long frame takes more: a blob or
record of 1 MiB, or the index of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """`file` does not hold what it has to; `what` says where and how.

    `records` are those that it held and that do not read back, as far as its index says so;
    without a file, those that no file holds. `blob` is the hash of one that does not read back.
    `is_spare`: a second copy is damaged, the first holds, and nothing is lost.
    """

    file: str
    what: str
    records: tuple[Missing, ...] = ()
    blob: bytes | None = None
    is_spare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What one step read and found."""

    bytes: int = 0
    records: int = 0
    blobs: int = 0
    damages: tuple[Damage, ...] = ()
