"""What waits for other operations is bounded with all that came with it."""

from __future__ import annotations

from hashlib import sha256

from comm import CHAIN_PREFIX_BYTES, Records
from crdt import Blob, Born, Dot, Draft, EntryAppended, MemoryRows, first_head, write
from samebox.history import History

ACTOR, OTHER = b"a" * 16, b"o" * 16


def test_contents_that_came_beside_a_waiting_operation_count() -> None:
    rows = MemoryRows()
    rows.begin()
    history = History("example.org", "main", rows)
    content = bytes(64 << 10)
    _, birth, head = write(
        first_head("example.org", "main", ACTOR), Draft(Born("b", b"", None), 1, {})
    )
    blob = Blob(sha256(content).digest(), len(content))
    body = EntryAppended(Dot(OTHER, 1), blob, (), 0)
    _, record, _ = write(head, Draft(body, 2, {OTHER: 1}))
    items = [(birth.data, ()), (record.data, (content,))]
    records = Records(ACTOR, 1, record.chain[:CHAIN_PREFIX_BYTES], items)
    assert [item.dot for item in history.receive(records)] == [Dot(ACTOR, 1)]
    assert history.waiting == 1
    assert history.waiting_bytes == len(record.data) + len(content)
