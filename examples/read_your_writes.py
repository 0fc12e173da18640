"""A caller writes at one node, goes to another, and finds there what it wrote.

The receipt of a write names what was done; any node can be asked to wait for it.

    python examples/read_your_writes.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from samebox import Address, Create, Done, Late, Receipt, open_node
from samebox.testing import local_node_list

BOX = Address("mail/alice")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        node_list = local_node_list(Path(folder), ["a", "b"])
        receipt = await write_at_a_alone(node_list)
        async with open_node(node_list, "b") as b:
            # Node a is down: what was written there cannot be here yet, and b says so.
            late = await b.wait(receipt, timeout_s=0.1)
            assert isinstance(late, Late), late
            assert await b.box(BOX.box).find() is None
            print("b, alone:", "not here yet")

            async with open_node(node_list, "a"):
                done = await b.wait(receipt, timeout_s=30)
                assert isinstance(done, Done), done
                found = await b.box(BOX.box).find()
                assert found is not None
                print("b, once a is back: found", found.name)


async def write_at_a_alone(node_list: Path) -> Receipt:
    """Confirmed as soon as it is durable at a; then a goes away."""
    async with open_node(node_list, "a") as a:
        done = await a.ask(Create(BOX), copies=1)
        assert isinstance(done, Done), done
        return done.receipt


if __name__ == "__main__":
    trio.run(main)
