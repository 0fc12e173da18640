"""What is kept for one who watches: bounded in operations and in bytes, dropped beyond."""

from __future__ import annotations

import pytest

from crdt import BoxMade
from samebox.io.feed import KEPT_BYTES_MAX, KEPT_MAX, PAGE_MAX, Sized, Watcher
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
