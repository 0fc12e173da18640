"""Nodes that began anew a thousand times: nothing takes an actor out of the clocks again, and what
grows with their number stays within every bound of the wire."""

from __future__ import annotations

import pytest

from comm import HANDSHAKE_BYTES_MAX, HISTORIES_MAX, Ack, encode, encode_frame
from crdt import Address, Create
from samebox.events import LinkUp
from samebox.held import Held
from samebox.limits import Limits
from samebox.meeting import births_of, greeting_of, judge_histories
from samebox.store import Store
from storage import LogLimits
from storage.frames import FRAME_PAYLOAD_MAX
from tests.replica.test_adopting import adopt, bring, check_same
from tests.replica.test_kept_state import CLUSTER, Node, ask, fill, step
from tests.replica.test_truncating import snapshot, truncate

ENTRY_BYTES = 20
"""Of an actor in a clock, a context or a head, on the wire and on disk: 16 of them are its name."""
TOLD_BYTES = 56
"""Of an actor in a greeting, with its chain."""
UNCACHED = Limits(log=LogLimits(recent_bytes=0))


@pytest.fixture(autouse=True)
def not_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Held, "is_here", lambda self, blob: True)


def after_lives(count: int) -> tuple[Node, Store]:
    """A node that wrote as so many actors, one after the other: a birth, and now and then more."""
    node = Node("b", UNCACHED)
    store = node.start()
    ask(store, Create(Address("mail")))
    for number in range(count - 1):
        step(store, store.mint("it was set back"))
        if number % 10 == 0:
            ask(store, Create(Address(f"life {number}")))
    ask(store, Create(Address("the last life")))
    assert len(store.replica.clock) == count
    return node, store


def last_record(store: Store, seq: int) -> bytes:
    assert store.replica.actor is not None
    return store.log.read(store.replica.actor, seq, seq, max_bytes=1 << 20)[0].data


def ack_to(store: Store, peer: str, clock: dict[bytes, int]) -> Ack:
    ready = store.replica.step([LinkUp(len(clock) + 1, peer, clock)])
    (ack,) = (message for _, message in ready.send if isinstance(message, Ack))
    return ack


@pytest.mark.slow
def test_after_a_thousand_lives_all_that_is_said_of_them_fits_and_a_new_peer_joins() -> None:
    lives = 1000
    node, old = after_lives(lives)
    assert len(last_record(old, 1)) < ENTRY_BYTES * lives, "a birth names all that was seen"
    assert len(last_record(old, 2)) < 100, "what is written then costs what it costs always"
    assert old.log.size().bytes < ENTRY_BYTES * lives * lives // 2 + 400 * lives
    heads = sum(len(head.encode()) for head in old.replica.heads.values())
    assert heads < ENTRY_BYTES * lives * lives // 2 + 200 * lives
    assert ENTRY_BYTES * HISTORIES_MAX**2 // 2 + 200 * HISTORIES_MAX < FRAME_PAYLOAD_MAX
    greeting = greeting_of(old.replica, CLUSTER, "operations", b"life")
    assert len(greeting.histories) == lives
    assert len(encode_frame(encode(greeting), limit=HANDSHAKE_BYTES_MAX)) < TOLD_BYTES * lives
    assert len(encode(ack_to(old, "a", {}))) <= ENTRY_BYTES * lives + 10

    new = Node("a", UNCACHED).start()
    bring(old, new)
    bring(new, old)
    check_same(old, new)
    theirs = greeting_of(new.replica, CLUSTER, "operations", b"life")
    met = judge_histories(greeting, theirs, lambda _: None, births_of(old.replica))
    assert (met.forked, met.doubted) == ((), ())

    before = dict(old.replica.clock)
    old.close()
    again = node.start()
    assert (dict(again.replica.clock), again.birth, node.told) == (before, None, [])
    ask(again, Create(Address("more")))
    bring(again, new)
    check_same(again, new)


def test_after_hundreds_of_lives_a_node_joins_by_a_snapshot_of_which_most_is_heads() -> None:
    lives = 300
    node, old = after_lives(lives)
    for number in (1, 2):
        old = snapshot(node, old, number)
        fill(old, 20)
    assert truncate(old).segments > 0
    names = [name for name in node.machine.disk.names() if name.endswith(".snapshot")]
    sizes = [node.machine.disk.size(name) for name in names]
    assert len(sizes) == 2
    assert max(sizes) < ENTRY_BYTES * lives * lives + 1000 * lives, "each head stands there twice"
    new = Node("a", UNCACHED).start()
    bring(old, new)
    assert len(new.replica.clock) == 1, "the beginning of the log is gone"
    adopt(old, new)
    bring(old, new)
    bring(new, old)
    check_same(old, new)
    assert len(new.replica.clock) == lives + 1
