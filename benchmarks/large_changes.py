"""How long do others wait while a mailbox, or a tree, of many entries is deleted or renamed?

python -m benchmarks.large_changes [--entries N]

The log is written directly: one mailbox with N entries, and one tree of FOLDERS folders, one inside
the other ten deep, with N in all. A node, alone in its node list, so that all is stable at once,
renames the tree and deletes the mailbox, and forgets what is gone, while a caller stores one flag
after the other elsewhere. What others wait is how long such a store takes, and how late a task of
the same loop wakes. A request goes over the wire as the records that it makes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time

import msgspec
import trio
from msgspec import Struct
from typing_extensions import override

from benchmarks.big_box import CONTENTS_BYTES, tick
from benchmarks.children import CLUSTER, Children, say
from benchmarks.figures import Figure, at_most, print_table
from benchmarks.filled import fill
from benchmarks.machine import disk_folder
from benchmarks.product import confirmed, free_ports
from benchmarks.rounds import Bench
from certs import make_certificates
from crdt import (
    Address,
    Blob,
    Body,
    BoxMade,
    Delete,
    Dot,
    EntryAppended,
    FolderMade,
    Rename,
    Request,
    State,
    Store,
)
from crdt.notes import ENTRIES_QUEUE, NODES_QUEUE
from samebox import Node, Shard, collect_seldom, open_node
from samebox.io.store import Store as ShardStore

MODULE = "benchmarks.large_changes"
ENTRIES = 100_000
ENTRIES_SHORT = 20_000
"""Among all the other questions."""
FOLDERS = 1000
DEPTH = 10
PAUSE_MS = 50
WIRE_BYTES = 1000
QUIET_S = 2.0
"""Of stores alone, to compare with."""
LOOK_S = 0.1
QUEUES = (NODES_QUEUE, ENTRIES_QUEUE)
"""Requests are kept for longer, however few wait."""
CHILD_S = 3600.0
BOX = "mail"
ELSEWHERE = Address(BOX, "Elsewhere")
CHANGES: dict[str, Request] = {
    "rename of the tree": Rename(Address(BOX, "Tree"), Address(BOX, "Moved")),
    "delete of the mailbox": Delete(Address(BOX, "Mailbox")),
}


class Task(Struct, frozen=True):
    config: str
    entry: Dot


class Change(Struct, frozen=True):
    """`took_ms`: until it was confirmed. `loop_ms`: how late a task of the loop woke at most;
    `cpu_ms`: the processor time of the loop's thread in that longest turn; `store_ms`: the longest
    that a store elsewhere took, all until what is gone was forgotten."""

    name: str
    took_ms: float
    wire_bytes: int
    loop_ms: float
    cpu_ms: float
    store_ms: float


class Seen(Struct, frozen=True):
    changes: list[Change]


def measure(bench: Bench, entries: int = ENTRIES_SHORT) -> list[Figure]:
    with TemporaryDirectory(prefix="samebox-large-", dir=bench.folder) as name:
        seen = lived(Path(name), entries)
    quiet, *changes = seen.changes
    figures = [
        Figure("large_changes", f"{what}, without any change", "ms", value)
        for what, value in (("loop late", quiet.loop_ms), ("store elsewhere", quiet.store_ms))
    ]
    pause, wire = at_most(PAUSE_MS, f"{PAUSE_MS} ms"), at_most(WIRE_BYTES, f"{WIRE_BYTES} bytes")
    for one in changes:
        name = f"{one.name}, {entries:,} entries"
        figures += [
            Figure("large_changes", f"{name}: loop late", "ms", one.loop_ms, target=pause),
            Figure(
                "large_changes", "… its longest turn, processor", "ms", one.cpu_ms, target=pause
            ),
            Figure("large_changes", "… store elsewhere", "ms", one.store_ms, target=pause),
            Figure("large_changes", "… itself", "ms", one.took_ms),
            Figure("large_changes", "… records", "bytes", one.wire_bytes, target=wire),
        ]
    return figures


# --- The box -------------------------------------------------------------------------------------


def lived(folder: Path, entries: int) -> Seen:
    make_certificates(folder / "certs", CLUSTER, {"a": ()})
    port, _ = free_ports()
    config = folder / "nodes.yaml"
    config.write_text(
        f'cluster: {CLUSTER}\ndata: data\nnodes:\n  a: {{address: "127.0.0.1:{port}"}}\n'
    )
    task = Task(str(config), fill(folder / "data", partial(bodies_of, entries)))
    with Children(folder) as children:
        return children.answer(children.start(MODULE, "live", task), Seen, seconds=CHILD_S)


def bodies_of(entries: int, box: Dot, store: ShardStore) -> Iterator[Body]:
    def after(number: int) -> Dot:
        return Dot(box.actor, box.seq + number)

    yield BoxMade(BOX, False)
    yield FolderMade(box, "Mailbox")
    yield FolderMade(box, "Elsewhere")
    yield FolderMade(box, "Tree")
    tree = [after(3)]
    for number in range(1, FOLDERS):
        parent = tree[-1] if number % DEPTH else tree[0]
        yield FolderMade(parent, f"{number}")
        tree.append(after(3 + number))
    contents = bytes(CONTENTS_BYTES)
    blob = Blob(sha256(contents).digest(), len(contents))
    store.packs.put(blob.hash, contents)
    for number in range(entries):
        yield EntryAppended(after(1), blob, (), 0)
        yield EntryAppended(tree[number % FOLDERS], blob, (), 0)
    yield EntryAppended(after(2), blob, (), 0)


# --- One life of the node ------------------------------------------------------------------------


async def live(task: Task) -> None:
    async with open_node(Path(task.config), "a") as node:
        collect_seldom()
        shard = node.shards["main"]
        seen = [await watched(shard, task.entry, "quiet", None)]
        for name, request in CHANGES.items():
            seen.append(await watched(shard, task.entry, name, request))
        await check(node)
        say(Seen(seen))


async def watched(shard: Shard, entry: Dot, name: str, request: Request | None) -> Change:
    late, waits, turns = [0.0], [0.0], [0.0]
    took_s, wire_bytes = 0.0, 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick, late)
        nursery.start_soon(store_on, shard, entry, waits)
        instrument = Turns(turns)
        trio.lowlevel.add_instrument(instrument)
        if request is None:
            await trio.sleep(QUIET_S)
        else:
            start = trio.current_time()
            done = confirmed(await shard.ask(request))
            took_s = trio.current_time() - start
            first, last = done.dots[0], done.dots[-1]
            records = shard.store.log.read(first.actor, first.seq, last.seq, max_bytes=1 << 30)
            wire_bytes = sum(len(record.data) for record in records)
            await until_forgotten(shard)
        trio.lowlevel.remove_instrument(instrument)
        nursery.cancel_scope.cancel()
    return Change(
        name, took_s * 1000, wire_bytes, max(late) * 1000, max(turns) * 1000, max(waits) * 1000
    )


async def until_forgotten(shard: Shard) -> None:
    """What waits to be forgotten now, and not what stores elsewhere leave meanwhile."""
    lasts = await shard.look(last_notes)
    is_over = False
    while not is_over:
        await trio.sleep(LOOK_S)
        is_over = await shard.look(partial(are_gone, lasts))


def last_notes(state: State) -> list[bytes]:
    """Of each queue; see crdt.notes."""
    notes = state.rows.notes
    return [max((key for key, _ in notes.queue(queue)), default=b"") for queue in QUEUES]


def are_gone(lasts: list[bytes], state: State) -> bool:
    """Each queue is read from its front: its first note tells."""
    firsts = (next(state.rows.notes.queue(queue), None) for queue in QUEUES)
    return all(first is None or first[0] > last for first, last in zip(firsts, lasts, strict=True))


class Turns(trio.abc.Instrument):
    """Processor time of each turn of a task, which is how long it kept the loop at least."""

    def __init__(self, turns: list[float]) -> None:
        self._turns = turns
        self._start = thread_time()

    @override
    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._start = thread_time()

    @override
    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._turns.append(thread_time() - self._start)


async def store_on(shard: Shard, entry: Dot, waits: list[float]) -> None:
    number = 0
    while True:
        number += 1
        start = trio.current_time()
        confirmed(await shard.ask(Store(ELSEWHERE, (entry,), (f"flag{number % 7}",))))
        waits.append(trio.current_time() - start)


async def check(node: Node) -> None:
    box = node.box(BOX)
    assert await box.find("Mailbox") is None, "the mailbox is still there"
    assert await box.find("Moved/1/2") is not None, "the tree did not move"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--folder", type=Path, help="on the disk in question")
    options = parser.parse_args()
    bench = Bench(0.0, 1, options.folder or disk_folder())
    print_table(measure(bench, options.entries))


if __name__ == "__main__":
    if sys.argv[1:2] == ["live"]:
        trio.run(live, msgspec.json.decode(sys.argv[2], type=Task))
    else:
        main()
