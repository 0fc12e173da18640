"""What the control server uses of a running node: of Node, of Shard, and of State."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from crdt import Address, Blob, Clock, Dot, EntryView, NodeView, Request, RequestId
from samebox.changes import Change
from samebox.events import Carried, Outcome
from samebox.io.call import Call
from samebox.status import ShardStatus
from samebox.verifying import Findings

T = TypeVar("T")


class Shown(Protocol):
    """The committed state of a shard, as a reader sees it. Node views are shallow."""

    def boxes(self) -> Sequence[NodeView]: ...

    def find(self, address: Address) -> NodeView | None: ...

    def node_children(self, ids: Sequence[Dot]) -> Sequence[NodeView]: ...

    def entries(
        self, ids: Sequence[Dot], *, after: Dot | None = None, limit: int | None = None
    ) -> Iterable[EntryView]: ...

    def entry(self, id: Dot) -> tuple[EntryView, Dot] | None: ...

    def count(self, ids: Sequence[Dot]) -> int: ...

    def digest(self) -> bytes: ...

    def issued(self, client: bytes, number: int) -> Sequence[object]: ...


class HostedCallers(Protocol):
    def abandon(self, token: int) -> None: ...


class HostedShard(Protocol):
    @property
    def callers(self) -> HostedCallers: ...

    @property
    def name(self) -> str: ...

    @property
    def members(self) -> tuple[str, ...]: ...

    @property
    def clock(self) -> Clock: ...

    async def ask(
        self,
        request: Request,
        *,
        id: RequestId | None = None,
        copies: int = 1,
        timeout_s: float | None = None,
        carried: Sequence[Carried] = (),
        principal: str = "",
    ) -> Outcome: ...

    async def bring_call(self, call: Call) -> int: ...

    async def wait(
        self, clock: Clock, *, copies: int = 1, timeout_s: float | None = None
    ) -> Outcome: ...

    async def put(self, pieces: AsyncIterator[bytes]) -> tuple[Blob, tuple[Carried, ...]]: ...

    def read(self, blob: Blob) -> AsyncGenerator[bytes, None]: ...

    async def look(self, question: Callable[[Shown], T]) -> T: ...

    def changes(self, since: Clock | None = None) -> AsyncGenerator[Change, None]: ...

    def verify(self, bytes_per_s: int) -> AsyncGenerator[Findings, None]: ...

    def status(self) -> ShardStatus: ...


class HostingNode(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def shards(self) -> Mapping[str, HostedShard]: ...

    async def shard_of(self, box: str) -> HostedShard: ...
