"""What is kept for one who watches: bounded in operations and in bytes, dropped beyond; and what it
reads of a log that is cut meanwhile."""

from __future__ import annotations

import pytest

from crdt import Actor, BoxMade, covers, includes
from samebox.changes import ChangesGone
from samebox.held import Held
from samebox.io import feed
from samebox.io.feed import KEPT_BYTES_MAX, KEPT_MAX, PAGE_MAX, Reading, Sized, Watcher
from samebox.store import Store
from tests.replica.test_kept_state import Node, fill
from tests.replica.test_truncating import SHORT
from tests.site import Site, actor_named


def operations(count: int, length: int) -> list[Sized]:
    site = Site(actor_named("a"))
    for number in range(count - 1):
        site.do(BoxMade(str(number), False))
    return [(operation, length) for operation in site.delivered]


def live() -> Watcher:
    watcher = Watcher({})
    watcher.behind = False
    return watcher


@pytest.mark.parametrize(
    ("count", "length", "behind"),
    [
        (KEPT_MAX, 1, False),
        (KEPT_MAX + 1, 1, True),
        (4, KEPT_BYTES_MAX // 4, False),
        (4, KEPT_BYTES_MAX // 4 + 1, True),
    ],
)
def test_what_is_kept_is_bounded(count: int, length: int, behind: bool) -> None:
    watcher = live()
    for one in operations(count, length):
        watcher.offer([one])
    assert watcher.behind is behind
    assert bool(watcher.next()) is not behind


def test_what_was_taken_makes_room() -> None:
    watcher = live()
    few = operations(PAGE_MAX, KEPT_BYTES_MAX // PAGE_MAX)
    for _ in range(3):
        watcher.offer(few)
        assert watcher.next() == [operation for operation, _ in few]
    assert not watcher.behind and watcher.next() == []


def test_a_log_that_is_cut_behind_a_reader_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file goes of which it has just had the last operation."""
    monkeypatch.setattr(feed, "READ_MAX", 1)
    store = filled(monkeypatch)
    reading = Reading(store.log, store.cluster, store.place.shard)
    reached: dict[Actor, int] = {}
    parts = len(store.log.parts())
    assert parts > 2
    while portion := reading.portion(reached):
        reached |= {one.dot.actor: one.dot.seq for one in portion if not covers(reached, one.dot)}
        first, *others = store.log.parts()
        if others and includes(reached, first.lasts):
            store.log.truncate(others[0].number)
    assert (reached, len(store.log.parts())) == (dict(store.replica.clock), 1)


def test_a_reader_of_what_is_cut_off_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "READ_MAX", 1)
    store = filled(monkeypatch)
    reading = Reading(store.log, store.cluster, store.place.shard)
    (one,) = reading.portion({})
    store.log.truncate(store.log.parts()[1].number)
    with pytest.raises(ChangesGone, match="read anew"):
        reading.portion({one.dot.actor: one.dot.seq})


def filled(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Its messages stand for those of peers, whose contents need not be here."""
    monkeypatch.setattr(Held, "is_here", lambda self, blob: True)
    store = Node(limits=SHORT).start()
    fill(store, 40)
    return store
