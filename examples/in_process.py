"""Three nodes in one Trio program: requests through a channel, with and without an answer.

python examples/in_process.py
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from samebox import Address, Append, Call, Create, Done, Reply, open_node
from samebox.testing import local_node_list

BOX = Address("mail/alice")
WORK = Address("mail/alice", "Work")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        node_list = local_node_list(Path(folder), ["a", "b", "c"])
        async with AsyncExitStack() as stack:
            a, _, c = [await stack.enter_async_context(open_node(node_list, n)) for n in "abc"]

            # Through the channel, which is bounded: send waits while the node is busy.
            await a.channel.send(Call(Create(BOX)))
            reply = Reply()
            await a.channel.send(Call(Create(WORK), reply, copies=3))
            print("created, says a:", held(await reply.wait()))

            # In one call, with a message. Contents may be of any size: they come in pieces.
            blob, carried = await (await a.shard_of(BOX.box)).put(pieces())
            done = await a.ask(Append(WORK, blob, ("\\Seen",)), carried=carried, copies=2)
            print("appended, says a:", held(done))

            assert isinstance(done, Done)
            await c.wait(done.receipt)
            box = c.box(BOX.box)
            async for entry in box.entries(WORK.path):
                content = b"".join([piece async for piece in box.read(entry.blob)])
                print("read at c:", entry.flags, content)


def held(outcome: object) -> str:
    """Late, Refusal and Failure are what else may come of a request."""
    assert isinstance(outcome, Done), outcome
    return f"held by {', '.join(outcome.nodes)}"


async def pieces() -> AsyncIterator[bytes]:
    yield b"Subject: hello\r\n\r\n"
    yield b"Written at a.\r\n"


if __name__ == "__main__":
    trio.run(main)
