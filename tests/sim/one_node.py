"""One node without a network: its store on a simulated disk, driven by hand, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from comm import packed
from crdt import (
    Actor,
    Address,
    Append,
    Blob,
    Dot,
    MemoryRows,
    Operation,
    Record,
    Request,
    RequestId,
    State,
)
from samebox.events import Arrived, Asked, Carried, Done, Event, Notice, Ready, Synced
from samebox.history import History
from samebox.keeping import Unkept
from samebox.limits import Limits
from samebox.making import Place
from samebox.recovery import rebuild
from samebox.store import Store, Surroundings, open_store
from sim.machine import Machine
from storage import LogLimits

CLUSTER, SHARD = "example.org", "main"
SMALL = Limits(log=LogLimits(segment_bytes=4300, recent_bytes=0), pack_bytes_max=4600)


class OneNode:
    """`confirmed` are the dots that a caller was told as done, `told` what starts said, over all
    lives."""

    def __init__(self, name: str, machine: Machine | None = None) -> None:
        self.name = name
        self.machine = machine or Machine(name)
        self.confirmed: list[Dot] = []
        self.told: list[Notice] = []
        self._drawn = 0
        self._number = 0

    def start(self) -> None:
        self.store = self._open()
        if self.store.birth is not None:
            self.step(self.store.birth)

    def _open(self) -> Store:
        around = Surroundings(self._entropy, lambda: 0, Unkept(MemoryRows), SMALL, self.told.append)
        place = Place(SHARD, self.name, ("a", "b"))
        return open_store(self.machine.disks(), around, cluster=CLUSTER, place=place, key=b"")

    def _entropy(self, length: int) -> bytes:
        self._drawn += 1
        return sha256(f"{self.name} {self._drawn}".encode()).digest()[:length]

    @property
    def actor(self) -> Actor:
        assert self.store.replica.actor is not None
        return self.store.replica.actor

    def step(self, *events: Event) -> Ready:
        """A step, and all that its disk has to do after it; what is told as done is noted."""
        ready = self.store.replica.step(events)
        while True:
            for _, outcome in ready.replies:
                if isinstance(outcome, Done):
                    self.confirmed += outcome.dots
            if ready.append is None:
                return ready
            self.store.append(ready.append)
            ready = self.store.replica.step([Synced(ready.append.number)])

    def ask(self, *requests: Request) -> None:
        """All in one batch."""
        events: list[Asked] = []
        for request in requests:
            self._number += 1
            identity = RequestId(b"a client", self._number)
            events.append(Asked(self._number, request, identity, _carried(request)))
        self.step(*events)

    def bring(self, records: Sequence[Record]) -> None:
        for message in packed((record, ()) for record in records):
            self.step(Arrived(1, message))

    def records(self, actor: Actor) -> list[Record]:
        return self.store.log.read(actor, 1, 1 << 30, max_bytes=1 << 20)

    def operations(self) -> list[Operation]:
        """All that a replay delivers."""
        state = State(MemoryRows())
        history = History(CLUSTER, SHARD, state.rows)
        return list(rebuild(history, state, self.store.log.replay))

    def damage(self, record: Record) -> None:
        disk = self.machine.disk
        for name in disk.names():
            at = disk.content(name, 0, disk.size(name)).find(record.data)
            if name.startswith("log/") and at >= 0:
                disk.flip(name, at)
                return
        raise AssertionError("the record is in no file")


def mail(text: str, path: str = "INBOX") -> Append:
    data = text.encode()
    return Append(Address("mail", path), Blob(sha256(data).digest(), len(data)))


def _carried(request: Request) -> tuple[Carried, ...]:
    if not isinstance(request, Append):
        return ()
    text = next(text for text in TEXTS if sha256(text.encode()).digest() == request.content.hash)
    return (Carried(request.content.hash, text.encode()),)


TEXTS = [f"letter {number} " * 12 for number in range(12)]
