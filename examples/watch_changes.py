"""Every change once, across a restart: a watcher keeps the cursor of the last one that it saw.

python examples/watch_changes.py
"""

from __future__ import annotations

import json
import tempfile
from contextlib import aclosing
from pathlib import Path

import trio

from samebox import Address, Create, Node, open_node
from samebox.testing import local_node_list

BOX = "mail/alice"


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        node_list, kept = local_node_list(Path(folder), ["a"]), trio.Path(folder, "cursor.json")
        async with open_node(node_list, "a") as node:
            await node.ask(Create(Address(BOX)))
            await make(node, "One", "Two", "Three")
            first = await watch(node, kept, count=3)
        async with open_node(node_list, "a") as node:  # Three was not seen yet
            await make(node, "Four")
            then = await watch(node, kept, count=2)
    print("first:", first, "and after a restart:", then)


async def make(node: Node, *names: str) -> None:
    for name in names:
        await node.ask(Create(Address(BOX, name)))


async def watch(node: Node, kept: trio.Path, *, count: int) -> list[str]:
    """The next `count` changes; what was handled is remembered after each of them."""
    seen = []
    async with aclosing(node.box(BOX).changes(since=await cursor(kept))) as changes:
        async for change in changes:
            if change.kind == "create":
                seen.append(change.text)
            shown = {actor.hex(): seq for actor, seq in change.cursor.items()}
            await kept.write_text(json.dumps(shown))
            if len(seen) == count:
                break
    return seen


async def cursor(kept: trio.Path) -> dict[bytes, int]:
    """Where to go on; from the very beginning at first."""
    stored = json.loads(await kept.read_text()) if await kept.exists() else {}
    return {bytes.fromhex(actor): seq for actor, seq in stored.items()}


if __name__ == "__main__":
    trio.run(main)
