"""A cluster in one Trio loop: the product's own node from open_node down, on simulated machines.

What is replaced: the thread of the disk by a task, files by `sim.Machine`, TCP by memory streams,
threads for a moment by a call. TLS, the lock on the data directory, and all else is the product's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
import trio

from comm.io import tls
from crdt import Address, Append, Create, MemoryRows, RequestId
from samebox.events import Done, Notice, Outcome
from samebox.io import node as product
from samebox.io.node import Node, open_node
from samebox.keeping import Keeper, Unkept
from samebox.limits import Limits
from samebox.making import Place
from samebox.store import Store, Surroundings, open_store
from sim import lose_all
from sim.machine import Machine
from tests.comm.wires import prompt_wire_of
from tests.shell.deterministic import run
from tests.shell.loop_disk import LoopDisk
from tests.shell.memory_network import MemoryNetwork

T = TypeVar("T")
CLIENT = b"client.."
INBOX = Address("mail/alice", "INBOX")
BEGINNING_MS = 1_700_000_000_000
SECONDS_MAX = 1000.0
"""Of mocked time, in which whatever is waited for has to happen: more than any time limit."""


class Cluster:
    """Machines and a network, for as many lives of the nodes as a test likes."""

    def __init__(self, node_list: Path, names: Sequence[str]) -> None:
        self.node_list = node_list
        self.machines = {name: Machine(name) for name in names}
        self.network = MemoryNetwork()
        self.disks: dict[str, LoopDisk] = {}
        self.notices: dict[str, list[str]] = {name: [] for name in names}
        self.limits = Limits(pack_bytes_max=1 << 20)
        self.confirmed: set[int] = set()
        self.hashes: dict[int, bytes] = {}
        self._random = Random(0)

    @asynccontextmanager
    async def node(self, name: str) -> AsyncIterator[Node]:
        """One life of a node."""

        def note(notice: Notice) -> None:
            self.notices[name].append(notice.text)

        async with open_node(self.node_list, name, log=note) as node:
            yield node

    def cut_power(self, name: str) -> None:
        """Whatever was not synced is gone."""
        self.machines[name].cut_power(lose_all)

    # --- In the place of what touches the world --------------------------------------------------

    def open_store(
        self,
        directory: Path,
        tell: Callable[[Notice], None],
        *,
        cluster: str,
        place: Place,
        key: bytes,
        keeper: Keeper | None = None,
    ) -> Store:
        assert LoopDisk.at_work is not None, "a store is opened in the disk thread"
        self.disks[place.node] = LoopDisk.at_work
        rows = Unkept(MemoryRows)
        around = Surroundings(self._random.randbytes, lambda: BEGINNING_MS, rows, self.limits)
        disks = self.machines[place.node].disks()
        return open_store(disks, around, cluster=cluster, place=place, key=key)

    # --- Accounts --------------------------------------------------------------------------------

    async def append(self, node: Node, number: int, size: int = 0, **how: object) -> Outcome:
        """Ask for message `number` under its own id; what was confirmed is kept account of."""
        data = message(number, size)
        self.hashes[number] = sha256(data).digest()
        shard = await node.shard_of(INBOX.box)
        blob, carried = await shard.put(pieces_of(data))
        outcome = await shard.ask(
            Append(INBOX, blob),
            id=RequestId(CLIENT, number),
            carried=carried,
            **how,  # type: ignore[arg-type]
        )
        if isinstance(outcome, Done):
            self.confirmed.add(number)
        return outcome


def message(number: int, size: int = 0) -> bytes:
    return b"message %d " % number + b"." * size


async def pieces_of(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def make_inbox(node: Node) -> None:
    outcome = await node.ask(Create(Address(INBOX.box)), id=RequestId(CLIENT, 1 << 20))
    assert isinstance(outcome, Done), outcome


async def shown(node: Node) -> list[bytes]:
    """The hash of every message in the inbox, as often as it is shown."""

    def entries(state: object) -> list[bytes]:
        found = state.find(INBOX)  # type: ignore[attr-defined]
        return [] if found is None else [e.blob.hash for e in state.entries(found.ids)]  # type: ignore[attr-defined]

    return await (await node.shard_of(INBOX.box)).look(entries)


async def agreed(*nodes: Node) -> None:
    """Until all hold the same operations, with all contents. Raises TooSlowError."""
    with trio.fail_after(SECONDS_MAX):
        while not at_rest(nodes):  # noqa: ASYNC110 - the clock jumps; the product has no such event
            await trio.sleep(0.1)


def at_rest(nodes: Sequence[Node]) -> bool:
    shards = [shard for node in nodes for shard in node.shards.values()]
    same = all(shard.clock == shards[0].clock for shard in shards)
    return same and not any(len(shard.replica.missing) for shard in shards)


@contextmanager
def replaced(patch: pytest.MonkeyPatch, cluster: Cluster) -> Iterator[None]:
    """The world of `cluster` in the place of the real one."""
    with patch.context() as world:
        world.setattr(product, "open_store", cluster.open_store)
        world.setattr(product, "DiskThread", LoopDisk)
        world.setattr(trio, "open_tcp_listeners", cluster.network.listen)
        world.setattr(trio, "open_tcp_stream", cluster.network.dial)
        world.setattr(tls, "wire_of", prompt_wire_of)
        world.setattr(trio.to_thread, "run_sync", at_once)
        yield


def play(
    cluster: Cluster, scenario: Callable[[Cluster], Awaitable[None]], patch: pytest.MonkeyPatch
) -> None:
    with replaced(patch, cluster):
        run(partial(scenario, cluster))


async def at_once(job: Callable[..., T], *args: object, **_: object) -> T:
    await trio.lowlevel.checkpoint()
    return job(*args)
