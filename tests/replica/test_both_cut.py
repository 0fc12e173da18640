"""Two nodes of which each cut off what the other one lacks: neither can go on from the other."""

from __future__ import annotations

import pytest

from comm import NoSnapshot, WantSnapshot
from samebox.adopting import BOTH_ARE_CUT, Fetching, NotAdopted, answer
from samebox.held import Held
from tests.replica.test_adopting import bring, cut
from tests.replica.test_kept_state import Node, fill
from tests.replica.test_truncating import SHORT


@pytest.fixture(autouse=True)
def not_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Held, "is_here", lambda self, blob: True)


def test_who_cannot_serve_a_snapshot_says_what_to_do_and_makes_none() -> None:
    """Members were taken off the list in both halves of a cluster, and each half went on alone."""
    nodes = [Node(name, SHORT) for name in "ab"]
    one, other = (node.start() for node in nodes)
    fill(one, 5)
    bring(one, other)
    bring(other, one)
    stores = [cut(node, store) for node, store in zip(nodes, (one, other), strict=True)]
    for asker, server in (stores, stores[::-1]):
        before = dict(asker.replica.clock)
        reply = answer(server, Fetching(asker).question())
        assert reply == NoSnapshot(BOTH_ARE_CUT)
        assert not server.wants_snapshot
        with pytest.raises(NotAdopted, match="samebox export"):
            Fetching(asker).take(reply)
        assert dict(asker.replica.clock) == before


def test_who_can_serve_one_that_goes_so_far_makes_it() -> None:
    node = Node(limits=SHORT)
    store = cut(node, node.start())
    fill(store, 1)
    reply = answer(store, WantSnapshot(list(store.replica.clock.items())))
    assert isinstance(reply, NoSnapshot) and reply != NoSnapshot(BOTH_ARE_CUT)
    assert store.wants_snapshot
