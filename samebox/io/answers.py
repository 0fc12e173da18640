"""What a node answers to each command of the control protocol."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeAlias

import trio
from msgspec.structs import replace

from crdt import Address, Dot, EntryView, Kind, NodeView
from samebox.asking import Declined, box_of, whole, with_content, with_whole_entries
from samebox.changes import ChangesGone
from samebox.control import (
    RECALLS_MAX,
    Answered,
    Ask,
    Body,
    Boxes,
    Command,
    Copies,
    Entries,
    EntryPage,
    Known,
    Listed,
    Look,
    Nodes,
    Opened,
    Piece,
    Problem,
    ProtocolError,
    Read,
    Recall,
    ShardShown,
    Status,
    Verify,
    Wait,
    Watch,
    Watched,
    pieces_of,
)
from samebox.events import Carried, Done, Failure, Late, Outcome, Refusal
from samebox.io.call import Call, Told
from samebox.io.contents import ContentsTooLong
from samebox.io.hosting import HostedShard, HostingNode
from samebox.io.shown import PAGE, counted, entry_in, entry_page, file_content, found, mailbox
from samebox.supply import carried
from samebox.verifying import pages
from storage import DiskFull, DiskReadOnly

log = logging.getLogger("samebox.control")

Emit: TypeAlias = Callable[[Body], Awaitable[None]]


def problem_of(error: Exception) -> Problem:
    """What a program is told of an error; an unforeseen one goes to the log, with its trace."""
    match error:
        case Declined():
            return error.problem
        case ProtocolError() | ContentsTooLong():
            return Problem("too-large", str(error))
        case DiskFull() | DiskReadOnly():
            return Problem("not-now", f"nothing was changed: {error}")
        case _:
            log.error("a command of a local program failed", exc_info=error)
            return Problem("failed", f"the node could not do it, and logged why: {error!r}")


def take_short(ask: Ask, data: bytes) -> tuple[Ask, tuple[Carried, ...]]:
    """A request whose contents travel beside its operation; it then names them."""
    blob, beside = carried(data)
    return replace(ask, request=with_content(ask.request, blob), content=False), (beside,)


class Answers:
    """`copies` is the level at which writes are confirmed when a program names none."""

    def __init__(self, node: HostingNode, copies: int) -> None:
        self._node = node
        self._shards = node.shards
        self._copies = copies

    async def take(self, ask: Ask, pieces: AsyncIterator[bytes]) -> tuple[Ask, tuple[Carried, ...]]:
        """Stream the contents of a request into the packs; the request then names them."""
        shard = await self._node.shard_of(box_of(ask.request))
        blob, carried = await shard.put(pieces)
        return replace(ask, request=with_content(ask.request, blob), content=False), carried

    async def answer(
        self, command: Command, carried: tuple[Carried, ...], emit: Emit
    ) -> Body | None:
        """Emit all replies but the last, which is returned. Raises Declined."""
        match command:
            case Ask():
                asking = self._ask(command, carried)
                del carried
                return await asking
            case Boxes():
                return await self._boxes(emit)
            case Look(address):
                return await self._look(address, emit)
            case Entries(address):
                return await self._entries(address, emit)
            case Read():
                return await self._read(command, emit)
            case Status(digest=digest):
                return await self._status(emit, digest=digest)
            case Watch():
                return await self._watch(command, emit)
            case Wait():
                return await self._wait(command)
            case Recall():
                return await self._recall(command)
            case Verify():
                return await self._verify(command, emit)

    # --- Writing ----------------------------------------------------------------------------------

    def takes_soon(self, command: Command) -> bool:
        """A request that need not be looked for a shard for, and is answered when it is done."""
        return isinstance(command, Ask) and command.timeout_s is None and len(self._shards) == 1

    async def bring(
        self, ask: Ask, carried: tuple[Carried, ...], then: Callable[[Body], None]
    ) -> Callable[[], None]:
        """Hand in a request that `takes_soon`, waiting while the shard is full. No task waits for
        what comes of it; what is returned abandons it. Raises Declined."""
        (shard,) = self._shards.values()
        request = with_whole_entries(ask.request, shard.clock)
        reply = Told(lambda outcome: then(answered(outcome)))
        copies = self._members(shard, ask.copies)
        token = await shard.bring_call(Call(request, reply, ask.id, copies, carried))
        return partial(shard.callers.abandon, token)

    async def _ask(self, ask: Ask, carried: tuple[Carried, ...]) -> Body:
        shard = await self._node.shard_of(box_of(ask.request))
        request = with_whole_entries(ask.request, shard.clock)
        asking = shard.ask(
            request,
            id=ask.id,
            copies=self._members(shard, ask.copies),
            timeout_s=ask.timeout_s,
            carried=carried,
        )
        del carried
        return answered(await asking)

    async def _wait(self, wait: Wait) -> Body:
        shard = self._shard(wait.receipt.shard)
        copies = self._members(shard, wait.copies)
        clock = wait.receipt.clock
        return answered(await shard.wait(clock, copies=copies, timeout_s=wait.timeout_s))

    async def _recall(self, recall: Recall) -> Body:
        ids = recall.ids
        if len(ids) > RECALLS_MAX:
            raise Declined("too-large", f"expected at most {RECALLS_MAX} ids, found {len(ids)}")
        shard = await self._node.shard_of(recall.box)
        return Known(await shard.look(lambda state: tuple(id for id in ids if state.issued(*id))))

    def _members(self, shard: HostedShard, copies: Copies) -> int:
        if copies == "all":
            return len(shard.members)
        return self._copies if copies is None else copies

    def _shard(self, name: str) -> HostedShard:
        found = self._node.shards.get(name)
        if found is None:
            names = ", ".join(sorted(self._node.shards))
            raise Declined(
                "no-such-shard",
                f"expected a shard of node {self._node.name} ({names}), found {name!r}; "
                "ask a node that hosts it",
            )
        return found

    # --- Looking ----------------------------------------------------------------------------------

    async def _boxes(self, emit: Emit) -> Body | None:
        nodes: list[NodeView] = []
        for name in sorted(self._node.shards):
            nodes += await self._node.shards[name].look(lambda state: state.boxes())
        nodes.sort(key=lambda node: node.name)
        for start in range(0, len(nodes), PAGE):
            page = nodes[start : start + PAGE]
            await emit(Nodes(tuple(Listed(node) for node in page)))
        return None

    async def _look(self, address: Address, emit: Emit) -> Body | None:
        shard = await self._node.shard_of(address.box)
        node = await shard.look(lambda state: found(state, address))
        nodes = [node]
        if node.kind is not Kind.FILE:
            nodes += await shard.look(lambda state: state.node_children(node.ids))
        for start in range(0, len(nodes), PAGE):
            page = partial(counted, nodes=nodes[start : start + PAGE])
            await emit(Nodes(await shard.look(page)))
        return None

    async def _entries(self, address: Address, emit: Emit) -> Body | None:
        shard = await self._node.shard_of(address.box)
        ids = (await shard.look(lambda state: mailbox(state, address))).ids
        after: Dot | None = None
        while True:
            page = await shard.look(partial(entry_page, ids=ids, after=after))
            await emit_entries(page, emit)
            if len(page) < PAGE:
                return None
            after = page[-1].id

    async def _read(self, read: Read, emit: Emit) -> Body:
        shard = await self._node.shard_of(read.address.box)
        if read.entry is None:
            blob = await shard.look(lambda state: file_content(state, read.address))
            await emit(Opened(blob))
        else:
            id = whole(read.entry, shard.clock)
            entry = await shard.look(lambda state: entry_in(state, read.address, id))
            blob = entry.blob
            await emit(Opened(blob, entry))
        async with aclosing(shard.read(blob)) as chunks:
            async for chunk in chunks:
                for piece in pieces_of(chunk):
                    await emit(Piece(piece))
        return Piece(b"", last=True)

    async def _status(self, emit: Emit, *, digest: bool) -> Body | None:
        for name in sorted(self._node.shards):
            shard = self._node.shards[name]
            shown = await shard.look(lambda state: state.digest()) if digest else b""
            await emit(ShardShown(shard.status(), shown))
        return None

    async def _verify(self, verify: Verify, emit: Emit) -> Body | None:
        names = sorted(self._node.shards) if verify.shard is None else [verify.shard]
        for shard in map(self._shard, names):
            told = 0
            async with aclosing(shard.verify(max(1, verify.bytes_per_s))) as steps:
                async for found in steps:
                    for page in pages(shard.name, found, told):
                        await emit(page)
                    told = len(found.damages)
        return None

    async def _watch(self, watch: Watch, emit: Emit) -> Body | None:
        shards = await self._watched(watch)
        if watch.since is not None and len(shards) != 1:
            raise Declined("unclear", "expected one shard with `since`, found several; name it")
        gone: list[ChangesGone] = []

        async def watch_one(shard: HostedShard) -> None:
            try:
                await self._watch_shard(shard, watch, emit)
            except ChangesGone as error:
                gone.append(error)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for shard in shards:
                nursery.start_soon(watch_one, shard)
        return Problem("gone", str(gone[0])) if gone else None

    async def _watched(self, watch: Watch) -> list[HostedShard]:
        if watch.shard is not None:
            return [self._shard(watch.shard)]
        if watch.box is not None:
            return [await self._node.shard_of(watch.box)]
        return [self._node.shards[name] for name in sorted(self._node.shards)]

    async def _watch_shard(self, shard: HostedShard, watch: Watch, emit: Emit) -> None:
        async with aclosing(shard.changes(watch.since)) as changes:
            async for change in changes:
                if watch.box is None or change.box in (None, watch.box):
                    await emit(Watched(shard.name, change))


async def emit_entries(page: Sequence[EntryView], emit: Emit) -> None:
    """In one frame, or if they have very many flags, in several."""
    try:
        await emit(EntryPage(tuple(page)))
    except ProtocolError:
        if len(page) == 1:
            raise
        middle = len(page) // 2
        await emit_entries(page[:middle], emit)
        await emit_entries(page[middle:], emit)


def answered(outcome: Outcome) -> Body:
    match outcome:
        case Done(receipt, dots, nodes):
            return Answered(receipt, dots, nodes)
        case Late(receipt, dots, nodes):
            return Answered(receipt, dots, nodes, late=True)
        case Refusal(code, message):
            return Problem(code, message)
        case Failure(reason):
            return Problem("not-now", f"nothing was changed: {reason}")
