"""A local program under Trio, as the control server sees one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from samebox.control import Body, Call, Command, FromNode, Greeting, Piece, Reply, frame, from_node
from samebox.io.control_server import serve_control
from tests.cli.fake import CLUSTER, FakeNode


class Talk:
    """One program. `say` sends a call with its contents, `hear` gives the next message."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._frames = from_node()
        self._number = 0

    async def say(self, command: Command, *pieces: bytes) -> int:
        self._number += 1
        await self.stream.send_all(frame(Call(self._number, command)))
        for at, data in enumerate(pieces, 1):
            await self.stream.send_all(frame(Piece(data, last=at == len(pieces))))
        return self._number

    async def hear(self) -> FromNode | None:
        while (message := self._frames.next()) is None:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._frames.feed(data)
        return message

    async def reply(self) -> Reply:
        message = await self.hear()
        assert isinstance(message, Reply), message
        return message

    async def ask(self, command: Command, *pieces: bytes) -> list[Body]:
        """All that comes back for one call, with nothing else under way."""
        number = await self.say(command, *pieces)
        found: list[Body] = []
        while True:
            reply = await self.reply()
            assert reply.call == number
            if reply.body is not None:
                found.append(reply.body)
            if not reply.more:
                return found


class Served:
    def __init__(self, node: FakeNode, path: Path) -> None:
        self.node = node
        self.path = path

    @asynccontextmanager
    async def talk(self, *, greeted: bool = True) -> AsyncIterator[Talk]:
        async with await trio.open_unix_socket(self.path) as stream:
            talk = Talk(stream)
            if greeted:
                assert isinstance(await talk.hear(), Greeting)
            yield talk


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    node, path = FakeNode(), folder / "run" / "a.sock"
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_control, node, path, cluster=CLUSTER))
            yield Served(node, path)
            nursery.cancel_scope.cancel()
