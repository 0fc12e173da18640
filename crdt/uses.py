"""Which blobs the state still names: counted, so that one look tells.

Whoever compacts the packs takes the candidates from UNUSED, and asks once more before it sweeps.
"""

from __future__ import annotations

from crdt.rows import Rows
from crdt.tables import UNUSED, USES, seq_of, seq_value


def use(rows: Rows, hash_: bytes) -> None:
    """One more row names it."""
    known = rows.get(USES, hash_)
    if known is None:
        rows.put(USES, hash_, _ONE)
        rows.remove(UNUSED, hash_)
    else:
        rows.put(USES, hash_, seq_value(seq_of(known) + 1))


def release(rows: Rows, hash_: bytes) -> None:
    """One row that named it was forgotten."""
    left = seq_of(rows.get(USES, hash_) or b"") - 1
    assert left >= 0, f"the blob {hash_.hex()} was released more often than used"
    if left:
        rows.put(USES, hash_, seq_value(left))
    else:
        rows.remove(USES, hash_)
        rows.put(UNUSED, hash_, b"")


_ONE = seq_value(1)
