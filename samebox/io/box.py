"""One box, for reading: what it shows, the bytes behind it, and what changes in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from crdt import Address, Blob, Clock, Dot, EntryView, NodeView
from samebox.changes import Change
from samebox.io.shard import Shard

PAGE = 500
"""Entries in one look: a long listing leaves the loop to others between its pages."""


class Box:
    """Made by Node.box. It shows what is committed here at the moment of each call."""

    def __init__(self, shard: Shard, name: str) -> None:
        self.name = name
        self.shard = shard

    async def find(self, path: str = "") -> NodeView | None:
        """The box (empty path), mailbox or file at `path`, shallow; None where nothing shows."""
        return await self.shard.look(lambda state: state.find(Address(self.name, path)))

    async def children(self, path: str = "") -> list[NodeView]:
        """What is directly below `path`, by name, shallow."""
        node = await self.find(path)
        if node is None:
            return []
        return list(await self.shard.look(lambda state: state.node_children(node.ids)))

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
        return await self.shard.look(
            lambda state: list(state.entries(node.ids, after=after, limit=PAGE))
        )

    def read(self, blob: Blob) -> AsyncGenerator[bytes, None]:
        """The bytes of an entry or file, verified; fetched from a peer where they are not here."""
        return self.shard.read(blob)

    async def changes(self, since: Clock | None = None) -> AsyncGenerator[Change, None]:
        """Changes in this box as they become visible, each once; `since` is the cursor of the
        last one seen (None: from now on). Those whose place shows nowhere any more come too."""
        async with aclosing(self.shard.changes(since)) as changes:
            async for change in changes:
                if change.box in (None, self.name):
                    yield change
