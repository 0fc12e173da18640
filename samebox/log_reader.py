"""Operations from the records of a log, each actor's in the order of its seqs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from crdt import Actor, Clock, Dot, Head, Operation, Record, first_head, read
from storage import Log

Logged: TypeAlias = tuple[Operation, int]
"""An operation, and the length of its record."""


class Reader:
    """A record behind a hole is kept until the hole is filled: that happens where a damaged segment
    was fetched again, and is bounded by a segment."""

    def __init__(self, cluster: str, shard: str) -> None:
        self._cluster = cluster
        self._shard = shard
        self._heads: dict[Actor, Head] = {}
        self._early: dict[Dot, Record] = {}

    def start(self, heads: Mapping[Actor, bytes | None]) -> None:
        """Heads before a segment: where an actor was not read before, it is read from there."""
        for actor, head in heads.items():
            if head is not None and actor not in self._heads:
                self._heads[actor] = Head.decode(head)

    def read(self, record: Record) -> Iterator[Logged]:
        actor = record.actor
        head = self._heads.get(actor) or first_head(self._cluster, self._shard, actor)
        if record.seq > head.seq + 1:
            self._early[Dot(actor, record.seq)] = record
        following: Record | None = record if record.seq == head.seq + 1 else None
        while following is not None:
            operation, _, head = read(head, following.data)
            self._heads[actor] = head
            yield operation, len(following.data)
            following = self._early.pop(Dot(actor, head.seq + 1), None)


def operations_in(log: Log, after: Clock, *, cluster: str, shard: str) -> Iterator[Logged]:
    """Those behind `after`, and some before; in the order of the log."""
    reader = Reader(cluster, shard)
    for segment in log.replay_segments(after):
        reader.start({actor: tip.head for actor, tip in segment.base.items()})
        for record in segment.records:
            yield from reader.read(record)
