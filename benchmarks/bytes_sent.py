"""How many bytes go over the wire for one store of one flag, TLS aside?

Counted from the messages that two cores, which are connected by nothing but this, say to one
another, as frames: the operation, and the acknowledgements of both.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.children import CLUSTER
from benchmarks.figures import Figure, at_most
from benchmarks.rounds import Bench
from comm import CHAIN_PREFIX_BYTES, Ack, Range, Records, encode_frame
from comm.messages import encode
from crdt import Address, Append, Blob, Create, Record, Request, RequestId, Store
from samebox.events import Acknowledged, Arrived, Asked, Carried, Done, Event, LinkUp, Synced
from samebox.io.store import Store as ShardStore
from samebox.io.store import open_store
from samebox.making import Place
from samebox.supply import rider

BYTES = 120
STORES = 100
"""One after the other: each travels alone, which costs the most."""
MAILBOX = Address("mail", "Load")
CONTENTS = b"the one message"


def measure(bench: Bench) -> list[Figure]:
    with TemporaryDirectory(prefix="samebox-wire-", dir=bench.folder) as name:
        wire = Wire(Path(name))
        wire.ask(Create(Address("mail")))
        wire.ask(Create(MAILBOX))
        blob = Blob(sha256(CONTENTS).digest(), len(CONTENTS))
        entry = wire.ask(Append(MAILBOX, blob), (Carried(blob.hash, CONTENTS),))
        start = dict(wire.bytes)
        for number in range(STORES):
            wire.ask(Store(MAILBOX, entry.dots, (f"flag{number % 7}",)))
        sent, back = ((wire.bytes[name] - start[name]) / STORES for name in ("a", "b"))
        wire.close()
    target = at_most(BYTES, f"{BYTES} bytes")
    return [
        Figure("bytes_sent", "one store of a flag, to the peer", "bytes", sent, target=target),
        Figure("bytes_sent", "and what the peer answers", "bytes", back),
    ]


class Wire:
    """Two cores with their stores, and what they say to one another, carried at once."""

    def __init__(self, folder: Path) -> None:
        self.bytes = {"a": 0, "b": 0}
        self._stores = {name: open_shard(folder / name, name) for name in ("a", "b")}
        self._records: dict[tuple[bytes, int], Record] = {}
        self._requests = 0
        for name, store in self._stores.items():
            assert store.birth is not None, "the store is new"
            self._step(name, store.birth)
        for name, other in (("a", "b"), ("b", "a")):
            self._step(name, LinkUp(1, other, dict(self._stores[other].replica.clock)))

    def ask(self, request: Request, carried: tuple[Carried, ...] = ()) -> Done:
        """Until both nodes hold it, and have said so."""
        self._requests += 1
        id = RequestId(b"callers.", self._requests)
        answers = self._step("a", Asked(self._requests, request, id, carried, 2, "", 0))
        (answer,) = answers
        assert isinstance(answer, Done), answer
        return answer

    def close(self) -> None:
        for store in self._stores.values():
            store.close()

    def _step(self, name: str, event: Event) -> list[object]:
        """The answers that it brings at both nodes."""
        store, other = self._stores[name], "b" if name == "a" else "a"
        ready = store.replica.step([event])
        answers: list[object] = [answer for _, answer in ready.replies]
        if ready.append is not None:
            store.append(ready.append)
            for record in ready.append.records:
                self._records[record.actor, record.seq] = record
            answers += self._step(name, Synced(ready.append.number))
        for _, said in ready.send:
            message = self._records_of(said) if isinstance(said, Range) else said
            self.bytes[name] += len(encode_frame(encode(message)))
            if isinstance(message, Records):
                answers += self._step(other, Arrived(1, message))
            elif isinstance(message, Ack):
                answers += self._step(other, Acknowledged(1, message))
        return answers

    def _records_of(self, span: Range) -> Records:
        actor, first, last = span
        records = [self._records[actor, seq] for seq in range(first, last + 1)]
        items = [(record.data, self._beside(record)) for record in records]
        return Records(actor, first, records[-1].chain[:CHAIN_PREFIX_BYTES], items)

    def _beside(self, record: Record) -> tuple[bytes, ...]:
        return () if rider(record) is None else (CONTENTS,)


def open_shard(folder: Path, name: str) -> ShardStore:
    folder.mkdir()
    place = Place("main", name, ("a", "b"))
    return open_store(folder, lambda notice: None, cluster=CLUSTER, place=place, key=b"")
