"""The product under the floor's load: two nodes as two processes, one of which is asked.

The asked node's process opens the node and makes the load through the local channel. The other
one is a plain node, and where visibility is in question, one watcher.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic_ns
from typing import TypeVar

import msgspec
import trio
from msgspec import Struct

from benchmarks.children import CLUSTER, Children, say
from benchmarks.load import ENTRIES, Ask, Asked, Load, Seen, contents_of, run_load
from benchmarks.machine import disk_folder
from certs import make_certificates
from samebox import (
    Address,
    Append,
    Create,
    Done,
    Dot,
    Request,
    Shard,
    Store,
    collect_seldom,
    open_node,
)

T = TypeVar("T")

MODULE = "benchmarks.product"
SHARD = "main"
BOX = Address("mail/bench")
MAILBOX = Address("mail/bench", "Load")
COPIES = 2
PREPARING_MAX = 100
"""Entries under way while the mailbox is filled."""
CHILD_S = 600
"""No child outlives this."""
PREPARE_S = 30.0


class Task(Struct, frozen=True):
    config: str
    load: Load


def run_product(load: Load, *, within: Path | None = None) -> tuple[Asked, Seen]:
    """One run of two nodes, in a new folder below `within`, which is removed."""
    with TemporaryDirectory(prefix="samebox-bench-", dir=within or disk_folder()) as name:
        folder = Path(name)
        make_certificates(folder / "certs", CLUSTER, {"a": (), "b": ()})
        task = Task(str(write_config(folder)), load)
        with Children(folder) as children:
            peer = children.start(MODULE, "peer", task)
            origin = children.start(MODULE, "origin", task)
            asked = children.answer(origin, Asked, seconds=load.seconds + PREPARE_S)
            return asked, children.answer(peer, Seen, seconds=0)


def write_config(folder: Path) -> Path:
    first, second = free_ports()
    config = folder / "nodes.yaml"
    config.write_text(
        f"cluster: {CLUSTER}\n"
        "nodes:\n"
        f'  a: {{address: "127.0.0.1:{first}"}}\n'
        f'  b: {{address: "127.0.0.1:{second}"}}\n'
    )
    return config


def free_ports() -> tuple[int, int]:
    """Two that were free a moment ago."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        return one.getsockname()[1], other.getsockname()[1]


# --- The node that is asked --------------------------------------------------------------------


async def origin(task: Task) -> Asked:
    async with open_node(Path(task.config), "a") as node:
        shard = node.shards[SHARD]
        entries = await prepare(shard)
        return await run_load(asking(shard, entries, task.load), task.load)


async def prepare(shard: Shard, *, copies: int = COPIES) -> list[Dot]:
    """One mailbox with ENTRIES entries, held by so many nodes."""
    await done(shard, Create(BOX), copies)
    await done(shard, Create(MAILBOX), copies)
    entries: list[Dot] = []
    free = trio.Semaphore(PREPARING_MAX)

    async def append(number: int) -> None:
        entries.extend((await append_one(shard, b"%d" % number, copies=copies)).dots)
        free.release()

    async with trio.open_nursery() as nursery:
        for number in range(ENTRIES):
            await free.acquire()
            nursery.start_soon(append, number)
    return entries


async def done(shard: Shard, request: Request, copies: int) -> Done:
    return confirmed(await shard.ask(request, copies=copies))


def confirmed(outcome: object) -> Done:
    """A request that made one operation, as each of a load has to."""
    assert isinstance(outcome, Done) and len(outcome.dots) == 1, outcome
    return outcome


async def append_one(shard: Shard, contents: bytes, *, copies: int) -> Done:
    blob, carried = await shard.put(once(contents))
    return confirmed(await shard.ask(Append(MAILBOX, blob), copies=copies, carried=carried))


async def once(contents: bytes) -> AsyncIterator[bytes]:
    yield contents


def asking(shard: Shard, entries: list[Dot], load: Load) -> Ask:
    requests = [Store(MAILBOX, (entry,), ("\\Seen",)) for entry in entries]

    async def store(number: int) -> int:
        outcome = await shard.ask(requests[number % ENTRIES], copies=load.copies)
        return confirmed(outcome).dots[0].seq

    async def append(number: int) -> int:
        made = await append_one(shard, contents_of(number), copies=load.copies)
        return made.dots[0].seq

    return append if load.contents else store


# --- The other one -----------------------------------------------------------------------------


async def peer(task: Task) -> Seen:
    """Until the parent closes this process's input."""
    visible_ns: dict[int, int] = {}
    async with open_node(Path(task.config), "b") as node, trio.open_nursery() as nursery:
        if task.load.kind == "paced":
            nursery.start_soon(watch, node.shards[SHARD], visible_ns)
        await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    return Seen(visible_ns)


async def watch(shard: Shard, visible_ns: dict[int, int]) -> None:
    async for change in shard.changes():
        if change.kind == "store":
            visible_ns[change.dot.seq] = monotonic_ns()


async def bounded(
    role: Callable[[T], Awaitable[Struct]], task: T, seconds: float = CHILD_S
) -> Struct:
    with trio.fail_after(seconds):
        return await role(task)


def child(role: str, task: str) -> None:
    known: dict[str, Callable[[Task], Awaitable[Struct]]] = {"origin": origin, "peer": peer}
    collect_seldom()  # as `samebox run` does
    say(trio.run(bounded, known[role], msgspec.json.decode(task, type=Task)))


if __name__ == "__main__":
    child(*sys.argv[1:])
