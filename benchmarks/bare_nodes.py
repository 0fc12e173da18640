"""The floor's two nodes: what has to happen to every operation, and nothing else.

    request -> bounded channel -> encode, chain, CRC -> log, sync -> state -> TLS
    -> decode, CRC, chain -> log, sync -> state -> acknowledgement -> the waiter is woken

No names, no paths, no merging, no causal order, no retries, no recovery. Trio is used by its
public means, `send` and `Event`; waking tasks by trio.lowlevel instead saved a fifth of the
processor time when it was tried.
"""

from __future__ import annotations

import struct
from collections import deque
from hashlib import sha256
from time import monotonic_ns
from typing import NamedTuple

import msgspec
import trio
from crc32c import crc32c
from msgspec import Struct

from benchmarks.bare_disk import Disk

ACTOR_A = bytes(range(16))
ACTOR_B = bytes(range(16, 32))
CHANNEL_MAX = 2048
BATCH_MAX = 512
WAITING_BYTES_MAX = 8 << 20
"""Received and not yet durable: at this bound the peer stops reading."""
RECEIVE_BYTES = 1 << 16

FRAME = struct.Struct("<III")
"""Length of the record, its CRC-32C, length of the contents behind it."""
ACK = struct.Struct("<Q")


class BareStore(NamedTuple):
    """A typed request: one flag on one entry."""

    entry: tuple[bytes, int]
    flag: str


class BareOperation(Struct, frozen=True, array_like=True, gc=False):
    """About 110 bytes as MessagePack, as an operation of the product."""

    actor: bytes
    seq: int
    lamport: int
    changes: tuple[tuple[bytes, int], ...]
    kind: int
    folder: int
    entry: tuple[bytes, int]
    flag: str
    client: bytes
    number: int
    time_ms: int
    digest: bytes
    contents: bytes = b""


class Waiter:
    """One caller, woken once; `seq` is the operation that answers it."""

    __slots__ = ("answered", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self.answered = trio.Event()


class Asked(NamedTuple):
    request: BareStore
    number: int
    contents: bytes
    waiter: Waiter


class Origin:
    """Takes requests; a request is answered once `copies` nodes (1 or 2) have it synced."""

    def __init__(self, disk: Disk, link: trio.SSLStream[trio.SocketStream], *, copies: int) -> None:
        self._disk = disk
        self._link = link
        self._copies = copies
        self._requests, self._inbox = trio.open_memory_channel[Asked](CHANNEL_MAX)
        self._out: list[bytes] = []
        self._out_news = trio.Event()
        self._unacknowledged: deque[Waiter] = deque()
        self._encode = msgspec.msgpack.Encoder().encode
        self._chain = bytes(32)
        self._seq = 0

    async def ask(self, request: BareStore, number: int, contents: bytes = b"") -> int:
        """The seq of the operation, once it is confirmed."""
        asked = Asked(request, number, contents, Waiter())
        await self._requests.send(asked)
        await asked.waiter.answered.wait()
        return asked.waiter.seq

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            nursery.start_soon(self._receive)
            while True:
                await self._commit(await self._gather())

    async def _gather(self) -> list[Asked]:
        """All that waits, up to a batch."""
        batch = [await self._inbox.receive()]
        try:
            while len(batch) < BATCH_MAX:
                batch.append(self._inbox.receive_nowait())
        except trio.WouldBlock:
            pass
        return batch

    async def _commit(self, batch: list[Asked]) -> None:
        framed: list[bytes] = []
        logged: list[bytes] = []
        rows: list[tuple[int, bytes]] = []
        for asked in batch:
            data = self._record(asked)
            frame = FRAME.pack(len(data), crc32c(data), len(asked.contents)) + data
            logged.append(frame)
            framed += (frame, asked.contents) if asked.contents else (frame,)
            rows.append((self._seq, data))
            asked.waiter.seq = self._seq
        contents = b"".join([asked.contents for asked in batch])
        await self._disk.commit(b"".join(logged), rows, contents)
        if self._copies == 2:
            self._unacknowledged += [asked.waiter for asked in batch]
        else:
            for asked in batch:
                asked.waiter.answered.set()
        self._out += framed
        self._out_news.set()

    def _record(self, asked: Asked) -> bytes:
        self._seq += 1
        data = self._encode(
            BareOperation(
                actor=ACTOR_A,
                seq=self._seq,
                lamport=1_000_000 + self._seq,
                changes=((ACTOR_B, 100_000 + self._seq),),
                kind=9,
                folder=2,
                entry=asked.request.entry,
                flag=asked.request.flag,
                client=ACTOR_A[:8],
                number=asked.number,
                time_ms=1_700_000_000_000 + self._seq,
                digest=ACTOR_B[:4],
                contents=sha256(asked.contents).digest() if asked.contents else b"",
            )
        )
        self._chain = sha256(self._chain + data).digest()
        return data

    async def _send(self) -> None:
        while True:
            await self._out_news.wait()
            self._out_news = trio.Event()
            data = b"".join(self._out)
            self._out.clear()
            await self._link.send_all(data)

    async def _receive(self) -> None:
        held = b""
        while received := await self._link.receive_some(RECEIVE_BYTES):
            held += received
            whole = len(held) - len(held) % ACK.size
            if whole:
                (durable,) = ACK.unpack_from(held, whole - ACK.size)
                held = held[whole:]
                while self._unacknowledged and self._unacknowledged[0].seq <= durable:
                    self._unacknowledged.popleft().answered.set()


class Taken(NamedTuple):
    seq: int
    frame: bytes
    data: bytes
    contents: bytes


class Peer:
    """Makes durable what it receives, in batches, and acknowledges the position reached."""

    def __init__(
        self, disk: Disk, link: trio.SSLStream[trio.SocketStream], *, watched: bool
    ) -> None:
        self._disk = disk
        self._link = link
        self._watched = watched
        self._taken: list[Taken] = []
        self._taken_bytes = 0
        self._news = trio.Event()
        self._room = trio.Event()
        self._decode = msgspec.msgpack.Decoder(BareOperation).decode
        self._chain = bytes(32)
        self.visible_ns: dict[int, int] = {}
        """Where watched: when the state with each seq was committed (monotonic)."""

    async def run(self) -> None:
        """Until the origin closes the connection."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep)
            await self._receive()
            nursery.cancel_scope.cancel()

    async def _receive(self) -> None:
        held = bytearray()
        while received := await self._link.receive_some(RECEIVE_BYTES):
            held += received
            taken, used = self._parse(bytes(held))
            del held[:used]
            if taken:
                self._taken += taken
                self._taken_bytes += used
                self._news.set()
            while self._taken_bytes > WAITING_BYTES_MAX:
                self._room = trio.Event()
                await self._room.wait()

    def _parse(self, held: bytes) -> tuple[list[Taken], int]:
        taken: list[Taken] = []
        at = 0
        while len(held) - at >= FRAME.size:
            length, crc, contents_length = FRAME.unpack_from(held, at)
            start = at + FRAME.size
            middle = start + length
            end = middle + contents_length
            if len(held) < end:
                break
            data = held[start:middle]
            assert crc32c(data) == crc
            operation = self._decode(data)
            self._chain = sha256(self._chain + data).digest()
            contents = held[middle:end]
            if contents:
                assert sha256(contents).digest() == operation.contents
            taken.append(Taken(operation.seq, held[at:middle], data, contents))
            at = end
        return taken, at

    async def _keep(self) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            batch, self._taken, self._taken_bytes = self._taken, [], 0
            self._room.set()
            await self._disk.commit(
                b"".join([taken.frame for taken in batch]),
                [(taken.seq, taken.data) for taken in batch],
                b"".join([taken.contents for taken in batch]),
            )
            if self._watched:
                self.visible_ns |= dict.fromkeys((taken.seq for taken in batch), monotonic_ns())
            await self._link.send_all(ACK.pack(batch[-1].seq))
