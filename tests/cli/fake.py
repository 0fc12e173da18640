"""A node without disk and network: the real core of a shard, and members that hold what they are
told to. It is served on a real unix socket, in the test's own task tree or in a thread."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import trio

from crdt import CHUNK_BYTES, Actor, Blob, Clock, MemoryRows, Operation, Request, RequestId, State
from samebox.changes import Change, describe
from samebox.events import Asked, Carried, Done, Failure, Late, Outcome, Reborn, Receipt, Synced
from samebox.history import History
from samebox.io.call import Call
from samebox.io.control_server import serve_control
from samebox.making import Place
from samebox.replica import Replica
from samebox.stability import HeldBack
from samebox.state_check import Compared
from samebox.status import LimboStatus, PeerStatus, ShardStatus
from samebox.verifying import Findings
from storage import Damage, Portion

T = TypeVar("T")
CLUSTER = "test.example.org"
MEMBERS = ("a", "b", "c")
ACTOR = bytes.fromhex("a1b2c3d4") + bytes(12)


class FakeCallers:
    def __init__(self) -> None:
        self.scopes: dict[int, trio.CancelScope] = {}

    def abandon(self, token: int) -> None:
        self.scopes[token].cancel()


class FakeShard:
    """`holders` hold every operation at once. `gate`, where set, holds every request back."""

    def __init__(self, name: str = "main", actor: Actor = ACTOR) -> None:
        self.name = name
        self.members = MEMBERS
        self.callers = FakeCallers()
        self.holders: tuple[str, ...] = ("a",)
        self.gate: trio.Event | None = None
        self.asked: list[Request] = []
        self.abandoned = 0
        self.fails: str | None = None
        self.put_fails: Exception | None = None
        self.blobs: dict[bytes, bytes] = {}
        self.damages: list[Damage] = []
        self.compared = Compared(3)
        self.verified_at = 0
        self._operations: list[Operation] = []
        self._news = trio.Event()
        self._number = 0
        place = Place(name, "a", MEMBERS)
        state = State(MemoryRows())
        history = History(CLUSTER, name, state.rows)
        self.replica = Replica(
            place, history, state, None, lambda blob: True, has_blob=lambda blob: True
        )
        self._step(Reborn(actor, b"key", 0, "a test"))

    @property
    def clock(self) -> Clock:
        return self.replica.clock

    async def ask(
        self,
        request: Request,
        *,
        id: RequestId | None = None,
        copies: int = 1,
        timeout_s: float | None = None,
        carried: Sequence[Carried] = (),
        principal: str = "",
    ) -> Outcome:
        self.asked.append(request)
        await self._pass_gate()
        if self.fails is not None:
            return Failure(self.fails)
        self.blobs.update({blob.hash: blob.data for blob in carried})
        self._number += 1
        identity = id or RequestId(b"fake....", self._number)
        asked = Asked(self._number, request, identity, tuple(carried), 1, principal, 1000)
        outcome = self._step(asked)
        assert outcome is not None, "a request is answered in the step after its sync"
        if not isinstance(outcome, Done):
            return outcome
        return await self._held(outcome.receipt, outcome, copies, timeout_s)

    async def bring_call(self, call: Call) -> int:
        """In a task of its own, as if the shard went on by itself."""
        await trio.lowlevel.checkpoint()
        self._number += 1
        token, scope = self._number, trio.CancelScope()
        self.callers.scopes[token] = scope

        async def answer() -> None:
            with scope:
                outcome = await self.ask(
                    call.request, id=call.id, copies=call.copies, carried=call.carried
                )
                assert call.reply is not None
                call.reply.give(outcome)

        trio.lowlevel.spawn_system_task(answer)
        return token

    async def wait(
        self, clock: Clock, *, copies: int = 1, timeout_s: float | None = None
    ) -> Outcome:
        receipt = Receipt(self.name, clock)
        return await self._held(receipt, Done(receipt, (), ()), copies, timeout_s)

    async def put(self, pieces: AsyncIterator[bytes]) -> tuple[Blob, tuple[Carried, ...]]:
        data = b""
        async for piece in pieces:
            data += piece
            if self.put_fails is not None:
                raise self.put_fails
        chunks = sha256(b"a list of chunks").digest() if len(data) > CHUNK_BYTES else None
        blob = Blob(sha256(data).digest(), len(data), chunks)
        if len(data) <= 64 << 10:
            return blob, (Carried(blob.hash, data),)
        self.blobs[blob.hash] = data
        return blob, ()

    async def read(self, blob: Blob) -> AsyncGenerator[bytes, None]:
        await trio.lowlevel.checkpoint()
        yield self.blobs[blob.hash] if blob.size else b""

    async def look(self, question: Callable[[State], T]) -> T:
        await trio.lowlevel.checkpoint()
        return question(self.replica.state)

    async def changes(self, since: Clock | None = None) -> AsyncGenerator[Change, None]:
        at = len(self._operations) if since is None else since.get(ACTOR, 0)
        while True:
            while at < len(self._operations):
                at += 1
                yield describe(self.replica.state, self._operations[at - 1], {ACTOR: at})
            await self._news.wait()

    async def verify(self, bytes_per_s: int) -> AsyncGenerator[Findings, None]:
        """As if it had found what a test has put into `damages`."""
        self.verified_at = bytes_per_s
        found = Findings(bytes=100, records=2, blobs=1)
        yield found
        await trio.lowlevel.checkpoint()
        found.add(Portion(bytes=50, records=1, damages=tuple(self.damages)))
        found.compared = self.compared
        found.has_ended = True
        yield found

    def status(self) -> ShardStatus:
        peers = (
            PeerStatus("b", True, "", 61.0, 0, 0, 0.0, self.clock),
            PeerStatus("c", False, "connection refused", 3.0, 2, 200, 3.0, {}),
        )
        return ShardStatus(
            self.name,
            "a",
            ACTOR,
            self.clock,
            1234,
            1,
            5678,
            3,
            0,
            1,
            {bytes(16): "forked"},
            peers,
            LimboStatus(
                {ACTOR: 2},
                2,
                200,
                700_000.0,
                1,
                (HeldBack("c", 2, "not heard of"),),
                "an operation of a later version is here",
                ("operations have waited over 7 days to be stable",),
            ),
        )

    async def _pass_gate(self) -> None:
        if self.gate is None:
            return
        try:
            await self.gate.wait()
        except trio.Cancelled:
            self.abandoned += 1
            raise

    async def _held(
        self, receipt: Receipt, done: Done, copies: int, timeout_s: float | None
    ) -> Outcome:
        if copies <= len(self.holders):
            return Done(receipt, done.dots, self.holders)
        if timeout_s is None:
            await trio.sleep_forever()
        return Late(receipt, done.dots, self.holders)

    def _step(self, event: Asked | Reborn) -> Outcome | None:
        ready = self.replica.step([event])
        if ready.append is not None:
            ready = self.replica.step([Synced(ready.append.number)])
        self._operations += ready.delivered
        news, self._news = self._news, trio.Event()
        news.set()
        return ready.replies[0][1] if ready.replies else None


class FakeNode:
    def __init__(self) -> None:
        self.name = "a"
        self.main = FakeShard()
        self.shards = {"main": self.main}

    async def shard_of(self, box: str) -> FakeShard:
        return self.main


class Running:
    """A node in a thread of its own, at `socket`, until the block ends. `node` may be looked at
    while no command runs."""

    def __init__(self, node: FakeNode, socket: Path) -> None:
        self.node = node
        self.socket = socket


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    socket = folder / "a.sock"
    ready = threading.Event()
    made: list[tuple[FakeNode, trio.lowlevel.TrioToken, trio.CancelScope]] = []

    async def main() -> None:
        node = FakeNode()
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_control, node, socket, cluster=CLUSTER))
            made.append((node, trio.lowlevel.current_trio_token(), nursery.cancel_scope))
            ready.set()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert ready.wait(10), "the node did not start"
        node, token, scope = made[0]
        try:
            yield Running(node, socket)
        finally:
            token.run_sync_soon(scope.cancel)
    finally:
        thread.join(10)
        assert not thread.is_alive(), "the node did not stop"
