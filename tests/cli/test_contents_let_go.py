"""What a call that waits for other nodes keeps in memory, with a real node behind the socket."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path

import trio

from crdt import Address, Append, Create
from samebox import open_node
from samebox.control import NO_BLOB, Ask, Status
from samebox.io.control_server import serve_control
from samebox.supply import Hashed
from samebox.testing import local_node_list
from tests.cli.talk import Talk

INBOX = Address("mail/alice", "INBOX")
DATA = b"contents that are looked for in memory"


async def test_who_waits_for_other_nodes_with_a_deadline_keeps_no_contents_in_memory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.sock"
    async with open_node(local_node_list(tmp_path, ["a", "b"]), "a") as node:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_control, node, path, cluster="c"))
            async with await trio.open_unix_socket(path) as stream:
                talk = Talk(stream)
                await talk.hear()
                await talk.ask(Ask(Create(Address(INBOX.box)), copies=1))
                before = dict(node.shards["main"].clock)
                await talk.say(Ask(Append(INBOX, NO_BLOB), None, 2, 600.0, content=True), DATA)
                with trio.fail_after(10):
                    while node.shards["main"].clock == before or kept():
                        await trio.lowlevel.checkpoint()
                await talk.say(Status())
                assert (await talk.reply()).call == 3, "the append waits for b"
            nursery.cancel_scope.cancel()


def kept() -> int:
    return len([one for one in gc.get_objects() if isinstance(one, Hashed) and one.data == DATA])
