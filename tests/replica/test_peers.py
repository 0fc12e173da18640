"""What peers are told, and what is kept of what they say."""

from __future__ import annotations

from comm import MISSING_MAX, Ack
from crdt import Actor, Dot
from samebox.events import LinkUp
from samebox.peers import Peers

A: Actor = b"a" * 16


def peers() -> Peers:
    made = Peers("a", ["a", "b"])
    made.up(LinkUp(1, "b", {}), A)
    return made


def test_a_list_of_missing_blobs_that_has_become_whole_is_told() -> None:
    made, clock = peers(), {A: 2000}
    missing = [Dot(A, seq) for seq in range(1, MISSING_MAX + 2)]
    ((_, first),) = made.acks(clock, missing)
    assert first.more_missing and len(first.missing) == MISSING_MAX
    assert list(made.acks(clock, missing)) == []
    ((_, second),) = made.acks(clock, missing[:-1])
    assert second == Ack([], list(first.missing), more_missing=False)
