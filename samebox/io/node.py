"""A node, running: its shards, its listener, and the links to its peers."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from typing_extensions import override

from comm import Greeting, Refusal
from comm.io import Acceptor, Connection, Contexts, Local, serve
from crdt import Address, Request, RequestId, StateLost, box_problem
from samebox.asking import box_of
from samebox.config import Config, ConfigurationRefused
from samebox.errors import SameboxError
from samebox.events import Carried, Notice, Outcome, Receipt
from samebox.io.box import Box
from samebox.io.call import Call
from samebox.io.compacting import keep_compact
from samebox.io.configuration import check, load_config
from samebox.io.disk_thread import DiskThread
from samebox.io.links import Links
from samebox.io.renewal import Renewal
from samebox.io.shard import Shard
from samebox.io.snapshotting import keep_snapshots
from samebox.io.store import Store, identity_owner, kept_in, open_store
from samebox.keeping import Keeper
from samebox.making import Place
from storage import StorageError
from storage.io import DirectoryLock

Log = Callable[[Notice], None]

events = logging.getLogger("samebox")


class NodeStopped(SameboxError):
    """The node cannot go on: the disk failed in a way after which nothing it says is certain."""


class CannotListen(SameboxError):
    """The address that the node list gives is not to be had on this machine."""


class Channel(trio.abc.SendChannel[Call]):
    """Takes calls for any shard; whoever sends waits while that shard is full, and for no other."""

    def __init__(self, shard_of: Callable[[str], Awaitable[Shard]]) -> None:
        self._shard_of = shard_of
        self._closed = False

    @override
    async def send(self, value: Call) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        shard = await self._shard_of(box_of(value.request))
        await shard.bring_call(value)

    @override
    async def aclose(self) -> None:
        self._closed = True
        await trio.lowlevel.checkpoint()


class Node:
    """Made by open_node. `channel` takes calls for any shard."""

    def __init__(self, name: str, config: Config, shards: Mapping[str, Shard]) -> None:
        self.name = name
        self.config = config
        self.shards = shards
        self.channel = Channel(self.shard_of)

    async def shard_of(self, box: str) -> Shard:
        """The shard that shows `box`, or the one where it would be made: the first in the list.

        Those that are at work are asked last: one of them may wait for its disk for long.
        """
        first, *others = self.shards.values()
        if others and box_problem(box) is None:
            for shard in sorted(self.shards.values(), key=lambda shard: not shard.is_at_rest):
                if await shard.look(lambda state: state.find(Address(box))) is not None:
                    return shard
        return first

    def box(self, name: str) -> Box:
        """A view of one box, for reading."""
        return Box(self.shard_of, name)

    async def ask(
        self,
        request: Request,
        *,
        id: RequestId | None = None,
        copies: int | None = None,
        timeout_s: float | None = None,
        carried: Sequence[Carried] = (),
    ) -> Outcome:
        """Carry out one request and tell what came of it; see Shard.ask. `copies` is how many
        members have to hold it, this one included; by default what the node list says."""
        level = self.config.copies if copies is None else copies
        shard = await self.shard_of(box_of(request))
        return await shard.ask(request, id=id, copies=level, timeout_s=timeout_s, carried=carried)

    async def wait(
        self, receipt: Receipt, *, copies: int = 1, timeout_s: float | None = None
    ) -> Outcome:
        """Until this node, and copies − 1 other members, hold what `receipt` names: a caller that
        comes from another node reads its own writes then."""
        shard = self.shards[receipt.shard]
        return await shard.wait(receipt.clock, copies=copies, timeout_s=timeout_s)


@asynccontextmanager
async def open_node(
    config: Path | str, name: str, *, log: Log | None = None
) -> AsyncIterator[Node]:
    """Run node `name` of the node list `config` in this task tree, until the block ends.

    `log` takes one notice for each event; by default they go to the logger "samebox". Raises
    ConfigurationRefused with all problems at once, StorageError where the data directory cannot
    be used, NodeStopped where the disk fails later.
    """
    say = log or _to_logger
    found = await trio.to_thread.run_sync(partial(_checked, Path(config), name))
    paths = found.paths_for(name)
    paths.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        lock = DirectoryLock.acquire(paths.data)
        stack.callback(lock.release)
        shards: dict[str, Shard] = {}
        for shard in found.shards_of(name):
            shards[shard] = await _open_shard(stack, found, name, shard, say)
        try:
            async with trio.open_nursery() as nursery:
                await _start(nursery, found, name, shards, say)
                yield Node(name, found, shards)
                nursery.cancel_scope.cancel()
        except* StateLost as group:
            raise NodeStopped(
                f"the state is lost: {_first(group)}; start again, and it is made from the log"
            ) from group
        except* StorageError as group:
            raise NodeStopped(
                f"the disk failed: {_first(group)}; see it, and start again"
            ) from group


async def _open_shard(
    stack: AsyncExitStack, config: Config, node: str, name: str, log: Log
) -> Shard:
    disk = await stack.enter_async_context(DiskThread(name))
    place = Place(name, node, config.shards[name].nodes)
    paths = config.paths_for(node)
    key = await trio.to_thread.run_sync(_fingerprint, paths.certificate)
    token = trio.lowlevel.current_trio_token()
    opened: list[Store] = []  # also where this task is cancelled while the thread still opens it
    keeper = kept_in(paths.data, name)
    stack.push_async_callback(_close, disk, keeper, opened)

    def tell(notice: Notice) -> None:
        token.run_sync_soon(log, notice)

    def open_it() -> Store:
        found = open_store(
            paths.data, tell, cluster=config.cluster, place=place, key=key, keeper=keeper
        )
        opened.append(found)
        return found

    store = await disk.run(open_it)
    shard = Shard(store, disk, log, config.limbo)
    if store.birth is not None:  # before any request of those who get the node
        shard.tell(store.birth)
    return shard


async def _close(disk: DiskThread, keeper: Keeper, opened: Sequence[Store]) -> None:
    """A start that is under way, or a state that is made again, ends soon; the next start goes on
    from what is written of it."""
    keeper.give_up()

    def close_it() -> None:
        for store in opened:
            store.close()

    with trio.CancelScope(shield=True):
        await disk.run(close_it)


async def _start(
    nursery: trio.Nursery,
    config: Config,
    name: str,
    shards: Mapping[str, Shard],
    log: Log,
) -> None:
    def renewed(key: bytes) -> None:
        for shard in shards.values():
            shard.store.key = key  # of the next actor, if ever there is one

    renewal = Renewal(config, name, say=log, renewed=renewed)

    def contexts() -> Contexts:
        return renewal.contexts

    addresses = {node: entry.address for node, entry in config.nodes.items()}
    links = {shard.name: Links(shard, addresses, contexts) for shard in shards.values()}
    own = addresses[name]
    try:
        listeners = await trio.open_tcp_listeners(own.port, host=own.host)
    except OSError as error:
        text = f"cannot listen at {own}: {error.strerror or error}; is another program there?"
        raise CannotListen(f"node {name}: {text} See `address` in the node list") from error
    local_of, converse = partial(_local_of, links), partial(_converse, links)
    acceptor = Acceptor(contexts, local_of, converse, partial(_report, log))
    nursery.start_soon(renewal.run)
    for shard in shards.values():
        nursery.start_soon(shard.run)
        nursery.start_soon(keep_compact, shard)
        nursery.start_soon(keep_snapshots, shard, config.log.size_mib << 20)
        nursery.start_soon(links[shard.name].look_here)
        nursery.start_soon(links[shard.name].pull_snapshots, random.random)
        for peer in shard.members:
            if peer != name:
                nursery.start_soon(links[shard.name].keep_connected, peer, random.random)
                nursery.start_soon(links[shard.name].pull_blobs, peer, random.random)
    nursery.start_soon(serve, listeners, acceptor)


def _local_of(links: Mapping[str, Links], theirs: Greeting) -> Local | Refusal:
    """The answer to a dialer, by the shard that it names."""
    mine = links.get(theirs.shard)
    if mine is None:
        hosted = ", ".join(links)
        return Refusal("shard", f"expected one of the shards {hosted}, found {theirs.shard}")
    return mine.local(theirs.purpose)


async def _converse(links: Mapping[str, Links], connection: Connection) -> None:
    await links[connection.mine.shard].converse(connection)


def _report(log: Log, line: str) -> None:
    log(Notice(line))


def _to_logger(notice: Notice) -> None:
    events.log(logging.WARNING if notice.alarm else logging.INFO, "%s", notice.text)


def _checked(path: Path, name: str) -> Config:
    problems = check(path, name, read_identity=identity_owner)
    if problems:
        raise ConfigurationRefused(problems)
    return load_config(path)


def _fingerprint(certificate: Path) -> bytes:
    from certs import read_certificate

    return read_certificate(certificate.read_bytes()).fingerprint


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
