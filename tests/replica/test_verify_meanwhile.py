"""A verification finds nothing wrong where the log that it reads is cut or begun anew meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from samebox.held import Held as HeldBlobs
from samebox.state_check import NOTHING, Compared, check_state
from samebox.store import Store
from tests.replica.test_adopting import adopt, old_node
from tests.replica.test_kept_state import Node, fill
from tests.replica.test_truncating import SHORT, truncate, twice_taken


@pytest.fixture(autouse=True)
def no_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages stand for those of peers, whose contents need not be here."""
    monkeypatch.setattr(HeldBlobs, "is_here", lambda self, blob: True)


def compared(store: Store, at: int, change: Callable[[], object]) -> Compared:
    """The change comes before portion `at` of the verification, which finds no damage."""
    steps, done = check_state(store), 0
    while True:
        if done == at:
            change()
        try:
            portion = next(steps)
        except StopIteration as end:
            assert done >= at, "it ended before the change"
            result: Compared = end.value
            return result
        assert portion.damages == ()
        done += 1
        if portion == NOTHING:
            store.keeper.write_soon()


@pytest.mark.parametrize("at", range(7))
def test_whenever_a_snapshot_of_a_peer_is_taken_over(at: int) -> None:
    """The log begins anew, so what was read of it before leads nowhere."""
    _, old = old_node()
    new = Node(limits=SHORT).start()
    fill(new, 3)
    found = compared(new, at, lambda: adopt(old, new))
    assert found.why_not == "" and found.operations > 0


@pytest.mark.parametrize("at", range(7))
def test_whenever_the_log_is_cut(at: int) -> None:
    _, store = twice_taken()
    found = compared(store, at, lambda: truncate(store))
    assert found.why_not == "" and found.operations > 0
