"""One box, for reading: what it shows, the bytes behind it, and what changes in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from crdt import Address, Blob, Clock, Dot, EntryView, NodeView, State
from samebox.changes import Change
from samebox.io.shard import Shard

T = TypeVar("T")
PAGE = 500
"""Entries in one look: a long listing leaves the loop to others between its pages."""


class Box:
    """Made by Node.box. It shows what is committed here at the moment of each call."""

    def __init__(self, shard_of: Callable[[str], Awaitable[Shard]], name: str) -> None:
        self.name = name
        self._shard_of = shard_of

    async def find(self, path: str = "") -> NodeView | None:
        """The box (empty path), mailbox or file at `path`, shallow; None where nothing shows."""
        return await self._look(lambda state: state.find(Address(self.name, path)))

    async def children(self, path: str = "") -> list[NodeView]:
        """What is directly below `path`, by name, shallow."""
        node = await self.find(path)
        if node is None:
            return []
        return list(await self._look(lambda state: state.node_children(node.ids)))

    async def entries(self, path: str) -> AsyncGenerator[EntryView, None]:
        """The entries of a mailbox in order, a page at a time; what is appended meanwhile comes
        in its place."""
        last: Dot | None = None
        while page := await self._page(path, last):
            for entry in page:
                yield entry
            last = page[-1].id

    async def _page(self, path: str, after: Dot | None) -> list[EntryView]:
        node = await self.find(path)
        if node is None:
            return []
        return await self._look(
            lambda state: list(state.entries(node.ids, after=after, limit=PAGE))
        )

    async def read(self, blob: Blob) -> AsyncGenerator[bytes, None]:
        """The bytes of an entry or file, verified; fetched from a peer where they are not here."""
        shard = await self._shard_of(self.name)
        async with aclosing(shard.read(blob)) as pieces:
            async for piece in pieces:
                yield piece

    async def changes(self, since: Clock | None = None) -> AsyncGenerator[Change, None]:
        """Changes in this box as they become visible, each once; `since` is the cursor of the
        last one seen (None: from now on). Those whose place shows nowhere any more come too."""
        shard = await self._shard_of(self.name)
        async with aclosing(shard.changes(since)) as changes:
            async for change in changes:
                if change.box in (None, self.name):
                    yield change

    async def _look(self, question: Callable[[State], T]) -> T:
        shard = await self._shard_of(self.name)
        return await shard.look(question)
