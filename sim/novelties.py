"""Operations of a later version: of a kind, or with an extension, that nobody here understands.

They come into the core as a later version would write them: as the next records of the node's own
actor. All store and forward them; none applies them, and none loses what comes behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import msgspec

from comm import CHAIN_PREFIX_BYTES, Records
from crdt import Draft, EntriesExpunged, next_chain, write
from samebox.replica import Replica
from samebox.store import Store

LATER_KIND = 99
MUST_BE_UNDERSTOOD = 1
"""Extensions with odd numbers are."""
KIND, EXTENSIONS = 0, 8
"""Places in the array that a record is."""


@contextmanager
def as_made_here(replica: Replica) -> Iterator[None]:
    """From a peer, the next record of its own actor would tell the node to go on as another. And
    whoever writes it, of a later version, understands it."""
    succession, history = replica.succession, replica.history
    takes, judged = succession.takes, history._judged
    succession.takes = lambda event, actor, clock: True  # type: ignore[method-assign]
    history._judged = lambda operation, before: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        succession.takes = takes  # type: ignore[method-assign]
        history._judged = judged  # type: ignore[method-assign]


def novelty(store: Store, random: Random) -> Records | None:
    """The next record of this node's actor; None while another one is about to be born."""
    replica, history = store.replica, store.replica.history
    actor = replica.actor
    if actor is None or actor != store.identity.actor:
        return None
    head = history.head(actor)
    others = {other: seq for other, seq in history.clock.items() if other != actor}
    _, known, _ = write(head, Draft(EntriesExpunged(()), history.lamport + 1, others))
    parts: list[object] = msgspec.msgpack.decode(known.data)
    if random.randrange(2):
        parts[KIND] = LATER_KIND
    else:
        parts[EXTENSIONS:] = [{MUST_BE_UNDERSTOOD: b"later"}]
    data = msgspec.msgpack.encode(parts)
    chain = next_chain(head.chain, data)[:CHAIN_PREFIX_BYTES]
    return Records(actor, head.seq + 1, chain, [(data, ())])
