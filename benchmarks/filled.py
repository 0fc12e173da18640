"""A data directory whose log was written directly, without a node: as large as one likes, soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from benchmarks.children import CLUSTER
from crdt import Body, Dot, Draft
from crdt import write as write_operation
from samebox.events import Synced
from samebox.io.store import Store, open_store
from samebox.making import Place

BATCH = 5000


def fill(data: Path, bodies_of: Callable[[Dot, Store], Iterator[Body]]) -> Dot:
    """The operations of one actor, alone in its node list; returns the last one.

    `bodies_of` is given the dot of the first one, and the store for its contents.
    """
    place = Place("main", "a", ("a",))
    store = open_store(data, lambda notice: None, cluster=CLUSTER, place=place, key=b"")
    assert store.birth is not None
    ready = store.replica.step([store.birth])
    assert ready.append is not None
    store.append(ready.append)
    store.replica.step([Synced(ready.append.number)])
    actor = store.identity.actor
    head = store.replica.history.head(actor)
    bodies = bodies_of(Dot(actor, head.seq + 1), store)
    while batch := list(islice(bodies, BATCH)):
        records = []
        for body in batch:
            _, record, head = write_operation(head, Draft(body, head.lamport + 1, {}))
            records.append(record)
        store.packs.sync()
        store.log.append(records, {actor: head.encode()})
    store.close()
    return Dot(actor, head.seq)
