"""A sector may read that did not read when the log was opened: a disk had trouble for a moment."""

from __future__ import annotations

from crdt import Record
from storage import Missing
from tests.storage.phrases import ANN, numbered, replayed, restarted
from tests.storage.test_damage import damaged_in_the_middle, flip


def test_what_did_not_read_at_the_start_and_does_later_is_missing_until_the_next_start() -> None:
    disk = damaged_in_the_middle()
    content, found = disk.files["log-0000000002.damaged"], numbered(ANN, 40)
    log = restarted(disk)
    for record in found[8:12]:
        flip(content, content.index(damaged_of(record)))
    assert replayed(log) == [*found[:8], *found[12:]], "a state stands for what can be sent alone"
    assert (log.clock(), log.missing()) == ({ANN: 8}, (Missing(ANN, 9, 12),))
    assert restarted(disk).clock() == {ANN: 40}


def damaged_of(record: Record) -> bytearray:
    data = bytearray(record.data)
    flip(data, 0)
    return data
