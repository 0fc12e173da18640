"""The first segments of a log were taken away, though no snapshot stands for what they held."""

from __future__ import annotations

from copy import deepcopy

import pytest

from crdt import Address, Create
from samebox.held import Held as HeldBlobs
from samebox.snapshotting import KEPT, is_wanted
from samebox.store import Store
from tests.replica.test_adopting import adopt, bring, check_same
from tests.replica.test_kept_state import Node, ask, fill, seen
from tests.replica.test_truncating import SHORT, snapshot


@pytest.fixture(autouse=True)
def not_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages stand for those of peers, whose contents need not be here."""
    monkeypatch.setattr(HeldBlobs, "is_here", lambda self, blob: True)


def long_log() -> tuple[Node, Store]:
    node = Node("b", SHORT)
    store = node.start()
    fill(store, 60)
    assert len(store.log.segments()) > 2
    return node, store


def first_file(node: Node) -> str:
    return min(name for name in node.machine.disk.names() if name.startswith("log/log-"))


def alarms(store: Store) -> list[str]:
    return [notice.text for notice in store.notices if notice.alarm]


def test_the_state_stands_for_it_and_the_start_says_so_until_there_are_snapshots() -> None:
    node, store = long_log()
    before, actor = seen(store), store.replica.actor
    store.close()
    node.machine.disk.forget(first_file(node))
    after = node.start()
    assert (seen(after), after.birth, after.replica.actor) == (before, None, actor)
    (alarm,) = alarms(after)
    assert alarm.startswith("the log begins with log-0000000002.segment, and no snapshot stands")
    for number in range(1, KEPT + 1):
        assert is_wanted(after.log, after.disks.log)
        after = snapshot(node, after, number)
    assert not is_wanted(after.log, after.disks.log)
    after.close()
    assert alarms(node.start()) == []


def test_a_peer_that_lacks_it_gets_a_snapshot_and_keeps_what_it_wrote() -> None:
    node, store = long_log()
    store.close()
    node.machine.disk.forget(first_file(node))
    after, peer = node.start(), Node("a", SHORT).start()
    ask(peer, Create(Address("mine")))
    assert after.replica.peers.base, "what it says it cannot send"
    after = snapshot(node, after, 1)
    adopt(after, peer)
    assert peer.replica.state.find(Address("mine")) is not None
    bring(peer, after)
    bring(after, peer)
    check_same(peer, after)


def test_once_the_files_are_put_back_nothing_is_missing() -> None:
    node, store = long_log()
    before = seen(store)
    store.close()
    whole = deepcopy(node.machine.disk)
    name = first_file(node)
    node.machine.disk.forget(name)
    node.start().close()
    node.machine.disk.create(name)
    node.machine.disk.write(name, 0, whole.content(name, 0, whole.size(name)))
    again = node.start()
    assert (seen(again), alarms(again), again.replica.peers.base) == (before, [], {})
    assert not again.log.is_cut
