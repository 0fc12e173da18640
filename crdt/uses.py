"""Which operations still name a blob: one that made an entry as long as its row is there, one that
wrote files as long as a content of one of them bears its dot.

So an append, of which there are most, costs no row for that, and nothing is looked for by a hash:
hashes come from everywhere, and each would be a page of its own that is read and written.
"""

from __future__ import annotations

from crdt.rows import Rows
from crdt.tables import ENTRIES, WRITTEN, seq_of, seq_value


def write(rows: Rows, id: bytes) -> None:
    """One more content bears the dot of this operation."""
    rows.put(WRITTEN, id, seq_value(_contents(rows, id) + 1))


def release(rows: Rows, id: bytes) -> None:
    """One was forgotten."""
    left = _contents(rows, id) - 1
    assert left >= 0, f"a content of {id.hex()} was forgotten more often than written"
    if left:
        rows.put(WRITTEN, id, seq_value(left))
    else:
        rows.remove(WRITTEN, id)


def names_blob(rows: Rows, id: bytes) -> bool:
    return rows.get(ENTRIES, id) is not None or rows.get(WRITTEN, id) is not None


def _contents(rows: Rows, id: bytes) -> int:
    return seq_of(rows.get(WRITTEN, id) or b"")
