"""What a peer's histories say about this node's: forks, and records of its own that it lost.

(seq, chain) names a history. Equal seqs with different chains are two histories of one actor,
which a comparison of clocks cannot see. The side with the longer history sees the fork, for only
it has a chain to compare at the other's seq.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from comm.messages import Greeting
from crdt import Actor, Dot


class Fork(NamedTuple):
    """At `seq` the two have different histories of `actor`. They parted there or before."""

    actor: Actor
    seq: int
    my_chain: bytes
    their_chain: bytes


class Ahead(NamedTuple):
    """The peer holds operations of another's actor up to `their_seq`, this node up to `my_seq`."""

    actor: Actor
    my_seq: int
    their_seq: int


class MyLaterRecords(NamedTuple):
    """The peer holds operations up to `seq` of the actor that this node writes as, which this
    node does not know: it has lost its memory, and must write as a new actor from now on."""

    actor: Actor
    seq: int


Finding: TypeAlias = Fork | Ahead | MyLaterRecords


def chains_needed(mine: Greeting, theirs: Greeting) -> list[Dot]:
    """The places at which `compare_histories` will ask for a chain that is not in `mine`."""
    return [
        Dot(actor, their_seq)
        for actor, my_seq, _, their_seq, _ in _pairs(mine, theirs)
        if 0 < their_seq < my_seq
    ]


def compare_histories(
    mine: Greeting, theirs: Greeting, chain_at: Callable[[Dot], bytes | None]
) -> list[Finding]:
    """In the order of `theirs`. `chain_at` gives this node's chain after an operation that it
    holds, or None where it is no longer known: there a fork goes unseen."""
    findings: list[Finding] = []
    for actor, my_seq, my_chain, their_seq, their_chain in _pairs(mine, theirs):
        if their_seq > my_seq:
            if actor == mine.actor:
                findings.append(MyLaterRecords(actor, their_seq))
            else:
                findings.append(Ahead(actor, my_seq, their_seq))
            continue
        if their_seq == 0:
            continue
        held = my_chain if their_seq == my_seq else chain_at(Dot(actor, their_seq))
        if held is not None and held != their_chain:
            findings.append(Fork(actor, their_seq, held, their_chain))
    return findings


def _pairs(mine: Greeting, theirs: Greeting) -> Iterator[tuple[Actor, int, bytes, int, bytes]]:
    """Each actor once, however often a peer names it: every pair may cost a look into the log."""
    held = {actor: (seq, chain) for actor, seq, chain in mine.histories}
    told = {actor: (seq, chain) for actor, seq, chain in theirs.histories}
    for actor, (their_seq, their_chain) in told.items():
        my_seq, my_chain = held.get(actor, (0, b""))
        yield actor, my_seq, my_chain, their_seq, their_chain
