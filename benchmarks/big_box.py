"""One box with many entries: what it costs to open, to hold, to list and to write in.

python -m benchmarks.big_box [--entries N] [--seconds S] [--folder DIR] [--json FILE]

The log is written directly, without a node: N messages in MAILBOXES mailboxes, the first of which
has LISTED. Then one node, alone in its node list, is started again and again as a process of its
own: to make the state from the log, after a clean stop, after kill -9 under load, to make the state
from a snapshot, and empty.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, process_time

import msgspec
import trio
from msgspec import Struct

from benchmarks.children import CLUSTER, Children, say
from benchmarks.filled import fill
from benchmarks.load import Load, run_load
from benchmarks.machine import Machine, disk_folder, machine, resident_mb
from benchmarks.product import confirmed, free_ports
from certs import make_certificates
from crdt import Address, Blob, Body, BoxMade, Dot, EntryAppended, FolderMade, Store
from samebox import Node, Notice, Shard, collect_seldom, open_node
from samebox.io.snapshotting import take
from samebox.io.store import Store as ShardStore

MODULE = "benchmarks.big_box"
BOX, MAILBOXES, LISTED = "mail", 1000, 10_000
ENTRIES = 100_000
LOG, SNAPSHOT = "state made from the log", "state made from a snapshot"
IN_USE = 1000
"""Entries that stores go round: in the big box, one of each mailbox."""
CONTENTS_BYTES = 100
ROUNDS = 5
CHILD_S = 3600.0
TICK_S = 0.001


class Task(Struct, frozen=True):
    """`ends`: how the process does: `stop`, `kill`, or `snapshot`, a stop behind a new snapshot.
    `first` is the seq of the first entry."""

    config: str
    entries: int
    first: int
    actor: bytes
    seconds: float
    ends: str


class Life(Struct, frozen=True):
    """What one process saw. Sizes in MB; times of processor and of the wall; `held_ms` is the
    longest time for which a listing kept the loop from a task that wakes every millisecond."""

    open_s: float
    open_cpu_s: float
    told: list[str]
    opened_mb: float
    listed_ms: list[float]
    listed_cpu_ms: list[float]
    held_ms: float
    stores_per_s: float
    store_cpu_us: float
    loaded_mb: float


class Results(Struct, frozen=True):
    machine: Machine
    entries: int
    log_bytes: int
    state_bytes: int
    lives: dict[str, Life]


# --- The box -------------------------------------------------------------------------------------


def make_box(data: Path, entries: int) -> tuple[bytes, int]:
    """Fill the log of a new data directory; its actor, and the seq of the first entry."""
    last = fill(data, partial(bodies_of, entries))
    return last.actor, last.seq - entries + 1


def bodies_of(entries: int, box: Dot, store: ShardStore) -> Iterator[Body]:
    folders = [Dot(box.actor, box.seq + 1 + number) for number in range(MAILBOXES)]
    yield BoxMade(BOX, False)
    for number in range(MAILBOXES):
        yield FolderMade(box, name_of(number))
    for number in range(entries):
        contents = number.to_bytes(8, "big") * (CONTENTS_BYTES // 8)
        blob = Blob(sha256(contents).digest(), len(contents))
        store.packs.put(blob.hash, contents)
        yield EntryAppended(folders[mailbox_of(number)], blob, (), 0)


def mailbox_of(number: int) -> int:
    return 0 if number < LISTED else number % MAILBOXES


def name_of(mailbox: int) -> str:
    return f"Folder {mailbox:04}"


# --- One life of the node ------------------------------------------------------------------------


async def live(task: Task) -> None:
    told: list[str] = []

    def log(notice: Notice) -> None:
        told.append(notice.text)
        print(notice.text, file=sys.stderr, flush=True)

    collect_seldom()  # as `samebox run` does
    start, cpu = monotonic(), process_time()
    async with open_node(Path(task.config), "a", log=log) as node:
        open_s, open_cpu_s = monotonic() - start, process_time() - cpu
        collect_seldom()
        opened_mb = resident_mb()
        walls, cpus, held = await list_rounds(node) if task.entries else ([], [], 0.0)
        per_s, cpu_us = await stores(node.shards["main"], task)
        say(
            Life(
                open_s, open_cpu_s, told, opened_mb, walls, cpus, held, per_s, cpu_us, resident_mb()
            )
        )
        if task.ends == "kill":
            os._exit(0)
        if task.ends == "snapshot":
            shard = node.shards["main"]
            shard.store.snapshots.last_number += 1  # the node may be making one itself
            await take(shard, shard.store.snapshots.last_number)


async def list_rounds(node: Node) -> tuple[list[float], list[float], float]:
    """The first round finds nothing in memory."""
    walls: list[float] = []
    cpus: list[float] = []
    late: list[float] = [0.0]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick, late)
        for _ in range(ROUNDS):
            start, cpu = monotonic(), process_time()
            count = await counted(node.box(BOX).entries(name_of(0)))
            walls.append((monotonic() - start) * 1000)
            cpus.append((process_time() - cpu) * 1000)
            assert count, "the mailbox is empty"
        nursery.cancel_scope.cancel()
    return walls, cpus, max(late) * 1000


async def counted(entries: AsyncIterator[object]) -> int:
    count = 0
    async for _ in entries:
        count += 1
    return count


async def tick(late: list[float]) -> None:
    while True:
        planned = trio.current_time() + TICK_S
        await trio.sleep_until(planned)
        late.append(trio.current_time() - planned)


async def stores(shard: Shard, task: Task) -> tuple[float, float]:
    """Flags stored a second, a thousand outstanding, durable here; processor time of each."""
    dots = [Dot(task.actor, task.first + LISTED + number) for number in range(IN_USE)]
    places = [mailbox_of(LISTED + number) for number in range(IN_USE)]
    requests = [
        Store(Address(BOX, name_of(place)), (dot,), ("\\Seen",))
        for place, dot in zip(places, dots, strict=True)
    ]

    async def ask(number: int) -> int:
        return confirmed(await shard.ask(requests[number % IN_USE])).dots[0].seq

    load = Load("many", task.seconds, copies=1)
    done = await run_load(ask, load)
    return done.per_s, done.cpu_s / done.count * 1e6


# --- All lives -----------------------------------------------------------------------------------


def measure(folder: Path, entries: int, seconds: float) -> Results:
    lives: dict[str, Life] = {}
    big, small = folder / "big", folder / "small"
    task = prepare(big, entries, seconds)
    log_bytes = size_of(big / "data/shards/main/log")
    state = big / "data/shards/main/state"
    for name, ends in (
        (LOG, "stop"),
        ("after a clean stop", "kill"),
        ("after kill -9", "snapshot"),
        (SNAPSHOT, "stop"),
    ):
        if name == SNAPSHOT:
            shutil.rmtree(state)
        lives[name] = life(folder, msgspec.structs.replace(task, ends=ends))
    state_bytes = size_of(state)
    few = prepare(small, LISTED + IN_USE, seconds)
    life(folder, few)
    lives["almost empty"] = life(folder, few)
    return Results(machine(folder), entries, log_bytes, state_bytes, lives)


def prepare(folder: Path, entries: int, seconds: float) -> Task:
    folder.mkdir()
    make_certificates(folder / "certs", CLUSTER, {"a": ()})
    port, _ = free_ports()
    config = folder / "nodes.yaml"
    config.write_text(
        f'cluster: {CLUSTER}\ndata: data\nnodes:\n  a: {{address: "127.0.0.1:{port}"}}\n'
    )
    actor, first = make_box(folder / "data", entries)
    return Task(str(config), entries, first, actor, seconds, "stop")


def life(folder: Path, task: Task) -> Life:
    with Children(folder) as children:
        child = children.start(MODULE, "live", task)
        return children.answer(child, Life, seconds=CHILD_S)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def report(results: Results) -> None:
    print(
        f"{results.entries:,} entries in {MAILBOXES:,} mailboxes; log "
        f"{results.log_bytes / 1e6:,.0f} MB, state {results.state_bytes / 1e6:,.0f} MB"
    )
    for name, one in results.lives.items():
        print(
            f"{name}: open {one.open_s:.2f} s (processor {one.open_cpu_s:.2f} s), "
            f"resident {one.opened_mb:.0f} MB, under load {one.loaded_mb:.0f} MB"
        )
        print(f"  stores {one.stores_per_s:,.0f}/s, {one.store_cpu_us:.1f} µs of processor each")
        if one.listed_ms:
            print(
                f"  mailbox of {LISTED:,} listed in {one.listed_ms[0]:.0f} ms at first "
                f"({one.listed_cpu_ms[0]:.0f} ms of processor), at best in "
                f"{min(one.listed_ms):.0f} ({min(one.listed_cpu_ms):.0f}); "
                f"loop held {one.held_ms:.1f} ms at most"
            )
    for name in (LOG, SNAPSHOT):
        made = results.lives[name]
        print(
            f"{name} at {results.entries / made.open_s:,.0f} operations/s "
            f"({made.open_cpu_s / results.entries * 1e6:.1f} µs of processor each)"
        )
    big, few = results.lives["after kill -9"], results.lives["almost empty"]
    print(
        f"stores against the almost empty box: {big.stores_per_s / few.stores_per_s:.2f} by the "
        f"clock, {few.store_cpu_us / big.store_cpu_us:.2f} by processor time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load in each life")
    parser.add_argument("--folder", type=Path, help="on the disk in question")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="samebox-big-", dir=options.folder or disk_folder()) as name:
        results = measure(Path(name), options.entries, options.seconds)
    report(results)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["live"]:
        trio.run(live, msgspec.json.decode(sys.argv[2], type=Task))
    else:
        main()
