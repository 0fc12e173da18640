"""A node that one caller asks until it is told to end, while its peer is away or stopped.

The asked node is a child. It tells by a file that its preparation is done, and where it stands by
then; what each request waited, and the memory of the node, are its answer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct as Layout
from tempfile import TemporaryDirectory
from time import monotonic, monotonic_ns, sleep

import msgspec
import trio
from msgspec import Struct

from benchmarks.children import CLUSTER, Children, say
from benchmarks.load import NS_PER_MS, Ask, Load
from benchmarks.machine import disk_folder, resident_mb
from benchmarks.product import CHILD_S, SHARD, asking, bounded, prepare, write_config
from certs import make_certificates
from samebox import Shard, collect_seldom, open_node
from storage import Disk

MODULE = "benchmarks.lasting"
PER_S = 200
"""Requests of the one caller, as far as the node answers in time."""
DEPTH = 1000
READY_S = 300.0
END_S = 60.0
LOOK_S = 0.005
MEMORY_S = 0.25


class Task(Struct, frozen=True):
    """`behind`: operations to make before the node is ready, durable here. The peer ends when it
    has `seq` operations of `actor`. Neither lives longer than `seconds`."""

    config: str
    seconds: float
    behind: int = 0
    actor: str = ""
    seq: int = 0


class Ready(Struct, frozen=True):
    """Who wrote so far, and how much."""

    actor: str
    seq: int


class Lasted(Struct, frozen=True):
    """When each request was made and what it waited; what each fdatasync of the log took; the
    resident memory now and then."""

    asked_ns: list[int]
    waits_ms: list[float]
    syncs_ms: list[tuple[int, float]]
    resident_mb: list[tuple[int, float]]

    def waits(self, start_ns: int, end_ns: int) -> list[float]:
        """Of what was asked then."""
        pairs = zip(self.asked_ns, self.waits_ms, strict=True)
        return [wait for asked, wait in pairs if start_ns <= asked < end_ns]

    def syncs(self, start_ns: int, end_ns: int) -> list[float]:
        return [took for at, took in self.syncs_ms if start_ns <= at < end_ns]

    def memory(self, start_ns: int, end_ns: int) -> list[float]:
        return [mb for at, mb in self.resident_mb if start_ns <= at < end_ns]


class Returned(Struct, frozen=True):
    """When the peer had the first of what it lacked, and the last (monotonic, ns)."""

    first_ns: int
    last_ns: int


class Pair:
    """The asked node, which runs, and its peer."""

    def __init__(self, children: Children, task: Task) -> None:
        self._children = children
        self._task = task
        self._origin = children.start(MODULE, "origin", task)

    def ready(self) -> Ready:
        """Wait until the asked node is."""
        file = ready_file(self._task)
        self._await(file, self._origin)
        return msgspec.json.decode(file.read_bytes(), type=Ready)

    def caught_up(self, peer: subprocess.Popen[bytes]) -> None:
        """Wait until `peer` has what the asked node had when that was ready."""
        self._await(caught_up_file(self._task), peer)

    def _await(self, file: Path, child: subprocess.Popen[bytes]) -> None:
        deadline = monotonic() + READY_S
        while not file.exists():
            assert child.poll() is None, f"it ended before there was {file.name}"
            assert monotonic() < deadline, f"no {file.name} within {READY_S} s"
            sleep(LOOK_S)

    def start_peer(self, until: Ready) -> subprocess.Popen[bytes]:
        lives_s = self._task.seconds
        task = Task(self._task.config, lives_s, actor=until.actor, seq=until.seq)
        return self._children.start(MODULE, "peer", task)

    def returned(self, peer: subprocess.Popen[bytes], *, seconds: float) -> Returned:
        return self._children.answer(peer, Returned, seconds=seconds)

    def end(self) -> Lasted:
        return self._children.answer(self._origin, Lasted, seconds=END_S)


@contextmanager
def lasting(within: Path | None, *, behind: int = 0, seconds: float = 0.0) -> Iterator[Pair]:
    """`seconds`: how long it lasts by intent."""
    with TemporaryDirectory(prefix="samebox-lasting-", dir=within or disk_folder()) as name:
        folder = Path(name)
        make_certificates(folder / "certs", CLUSTER, {"a": (), "b": ()})
        with Children(folder) as children:
            yield Pair(children, Task(str(write_config(folder)), seconds + CHILD_S, behind))


def ready_file(task: Task) -> Path:
    return Path(task.config).with_name("ready")


def caught_up_file(task: Task) -> Path:
    return Path(task.config).with_name("caught-up")


# --- The children ------------------------------------------------------------------------------


class Notes:
    """Times, and a figure at each. They are kept in a file that has no place on a disk: what is
    noted in ten minutes must neither show in the memory of this process nor be synced."""

    LAYOUT = Layout("=qd")

    def __init__(self) -> None:
        self._file = os.fdopen(os.memfd_create("notes"), "w+b")

    def add(self, at_ns: int, figure: float) -> None:
        self._file.write(self.LAYOUT.pack(at_ns, figure))

    def since(self, start_ns: int) -> None:
        """How many milliseconds it took."""
        self.add(start_ns, (monotonic_ns() - start_ns) / NS_PER_MS)

    def all(self) -> list[tuple[int, float]]:
        self._file.seek(0)
        return list(self.LAYOUT.iter_unpack(self._file.read()))


async def origin(task: Task) -> Lasted:
    waits, syncs, memory = Notes(), Notes(), Notes()
    async with open_node(Path(task.config), "a") as node, trio.open_nursery() as nursery:
        shard = node.shards[SHARD]
        note_syncs(shard.store.disks.log, syncs)
        ask = asking(shard, await prepare(shard, copies=1), Load("one", 0, copies=1))
        await make_many(ask, task.behind)
        tell_ready(task, shard)
        nursery.start_soon(ask_on, ask, waits)
        nursery.start_soon(note_memory, memory)
        await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    asked = waits.all()
    times, waited = [at_ns for at_ns, _ in asked], [waited_ms for _, waited_ms in asked]
    return Lasted(times, waited, syncs.all(), memory.all())


async def make_many(ask: Ask, count: int) -> None:
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await ask(number)

    async with trio.open_nursery() as nursery:
        for _ in range(DEPTH):
            nursery.start_soon(caller)


def tell_ready(task: Task, shard: Shard) -> None:
    actor = shard.replica.actor
    assert actor is not None, "a node that has written has an actor"
    file = ready_file(task)
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(Ready(actor.hex(), shard.clock[actor])))
    new.rename(file)


async def ask_on(ask: Ask, waits: Notes) -> None:
    start = trio.current_time()
    number = 0
    while True:
        number += 1
        await trio.sleep_until(start + number / PER_S)
        asked_ns = monotonic_ns()
        await ask(number)
        waits.since(asked_ns)


def note_syncs(disk: Disk, syncs: Notes) -> None:
    """Whatever is synced on `disk` from now on."""
    sync = disk.sync

    def noted(name: str) -> None:
        start_ns = monotonic_ns()
        sync(name)
        syncs.since(start_ns)

    setattr(disk, "sync", noted)  # noqa: B010 - a method, as far as types go


async def note_memory(memory: Notes) -> None:
    while True:
        memory.add(monotonic_ns(), resident_mb())
        await trio.sleep(MEMORY_S)


async def peer(task: Task) -> Returned:
    actor = bytes.fromhex(task.actor)
    async with open_node(Path(task.config), "b") as node:
        shard = node.shards[SHARD]
        await shard.wait({actor: 1})
        first_ns = monotonic_ns()
        await shard.wait({actor: task.seq})
        last_ns = monotonic_ns()
        caught_up_file(task).touch()
        await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
    return Returned(first_ns, last_ns)


def child(role: str, task: str) -> None:
    known = {"origin": origin, "peer": peer}
    collect_seldom()  # as `samebox run` does
    decoded = msgspec.json.decode(task, type=Task)
    say(trio.run(bounded, known[role], decoded, decoded.seconds))


if __name__ == "__main__":
    child(*sys.argv[1:])
