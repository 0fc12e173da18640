"""A snapshot that stands for more than it holds is not taken: the log would be gone for it."""

from __future__ import annotations

import msgspec
import pytest

from samebox import adopting
from samebox.adopting import NotAdopted
from samebox.history_rows import HEADS
from samebox.recovery import ROWS_VERSION
from samebox.store import Store
from storage import Beginning, Tip, new_snapshot, present_snapshots
from tests.replica.test_adopting import adopt, old_node
from tests.replica.test_adopting import (
    small_pieces_and_no_contents as small_pieces_and_no_contents,
)
from tests.replica.test_kept_state import Node, fill, seen
from tests.replica.test_truncating import SHORT

FALSE = {
    "no rows": [],
    "rows that say nothing": [(HEADS, [b"k" * 16, b"garbage"])],
    "a key without a value": [("entries", [b"k"])],
    "no block of rows": [1],
    "other heads": None,
}


def false_snapshot(peer: Store, of: Store, blocks: list[object] | None) -> None:
    """What both hold, it says; and so says whoever sends it."""
    tips = {**peer.log.tips(), **of.log.tips()}
    if blocks is None:
        blocks = [(HEADS, [b"k", tip.head]) for tip in tips.values()]
        tips = {actor: Tip(tip.seq, tip.chain, b"another") for actor, tip in tips.items()}
    place = {"cluster": of.cluster, "shard": of.place.shard}
    disk = peer.disks.log
    writer = new_snapshot(disk, Beginning(ROWS_VERSION, tips), number=99, id=b"i" * 16, **place)
    for block in blocks:
        writer.add(msgspec.msgpack.encode(block))
    writer.finish()


@pytest.mark.parametrize("blocks", FALSE.values(), ids=FALSE)
def test_rows_that_are_not_what_a_snapshot_says_change_nothing(
    blocks: list[object] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "sound", lambda log, disk: present_snapshots(disk))
    _, old = old_node()
    node = Node(limits=SHORT)
    new = node.start()
    fill(new, 20)
    before, names, size = seen(new), node.machine.disk.names(), new.log.size()
    false_snapshot(old, new, blocks)
    with pytest.raises(NotAdopted, match="the snapshot that came is none"):
        adopt(old, new)
    assert (seen(new), node.machine.disk.names(), new.log.size()) == (before, names, size)
    new.close()
    assert seen(node.start()) == before
