"""One node in this process: what its loop owes to callers, whatever the disk does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from comm.messages import CHUNK_BYTES_MAX
from crdt import CHUNK_BYTES, HASH_BYTES, Blob, Clock, Operation, State, StateLost
from samebox import (
    Address,
    Call,
    Change,
    Create,
    Done,
    Failure,
    Outcome,
    Rename,
    Reply,
    Shard,
    incoming,
    open_node,
)
from samebox.changes import describe
from samebox.chunk_list import CONTENTS_BYTES_MAX, chunks_in
from samebox.events import Batch, Event, Ready, Synced
from samebox.io import contents
from samebox.io import shard as running
from samebox.io.disk_thread import DiskThread, Ended
from samebox.io.feed import PAGE_MAX
from samebox.limbo import LOST
from samebox.starting import Restored
from samebox.store import Store
from samebox.testing import local_node_list

NO_TICK_S = 3600.0
WAIT_S = 20.0
"""For an answer that comes at once, on a busy machine."""


async def test_a_request_made_while_a_batch_is_written_needs_no_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "TICK_S", NO_TICK_S)
    at_disk, go_on = threading.Event(), threading.Event()
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        answers: dict[str, Outcome] = {}

        async def make(name: str) -> None:
            answers[name] = await shard.ask(Create(Address(name)))

        await make("earlier")
        hold_first_job(monkeypatch, shard.disk, at_disk, go_on)
        with trio.fail_after(WAIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(make, "first")
                await trio.to_thread.run_sync(at_disk.wait)
                nursery.start_soon(make, "second")
                await trio.testing.wait_all_tasks_blocked()
                assert "first" not in answers
                go_on.set()
    assert all(isinstance(answer, Done) for answer in answers.values()), answers
    assert set(answers) == {"earlier", "first", "second"}


async def test_who_asks_alone_waits_for_no_turn_and_callers_who_come_together_share_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    append = Store.append

    def counted(self: Store, batch: Batch) -> None:
        sizes.append(len(batch.records))
        append(self, batch)

    monkeypatch.setattr(Store, "append", counted)
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        for name in ("with the birth", "alone"):
            await shard.ask(Create(Address(name)))
        with monkeypatch.context() as patch:
            patch.setattr(shard.inbox, "stir", lambda: pytest.fail("the loop was waited for"))
            for number in range(3):
                await shard.ask(Create(Address(f"alone {number}")))
        for name in ("first", "second"):
            sizes.clear()
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(shard.ask, Create(Address(f"{name} {number}")))
            assert sizes == ([1, 19] if name == "first" else [20])


async def test_a_deadline_holds_also_while_the_shard_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "REQUESTS_MAX", 1)
    at_disk, go_on = threading.Event(), threading.Event()
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        await shard.ask(Create(Address("earlier")))
        hold_first_job(monkeypatch, shard.disk, at_disk, go_on)
        with trio.fail_after(WAIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shard.ask, Create(Address("first")))
                await trio.to_thread.run_sync(at_disk.wait)
                nursery.start_soon(shard.ask, Create(Address("second")))
                await trio.testing.wait_all_tasks_blocked()
                with trio.fail_after(WAIT_S / 2):
                    outcome = await shard.ask(Create(Address("third")), timeout_s=0)
                assert isinstance(outcome, Failure)
                go_on.set()
        names = await shard.look(lambda state: [box.name for box in state.boxes()])
        assert names == ["earlier", "first", "second"]


async def test_a_full_shard_holds_up_no_call_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "REQUESTS_MAX", 1)
    at_disk, go_on = threading.Event(), threading.Event()
    node_list = local_node_list(tmp_path, ["a"])
    with node_list.open("a") as file:
        file.write("shards:\n  main: {nodes: [a]}\n  other: {nodes: [a]}\n")
    async with open_node(node_list, "a") as node:
        await node.shards["other"].ask(Create(Address("files/there")))
        hold_first_job(monkeypatch, node.shards["main"].disk, at_disk, go_on)
        with trio.fail_after(WAIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.channel.send, Call(Create(Address("first"))))
                await trio.to_thread.run_sync(at_disk.wait)
                for name in ("second", "third"):
                    nursery.start_soon(node.channel.send, Call(Create(Address(name))))
                await trio.testing.wait_all_tasks_blocked()
                reply = Reply()
                await node.channel.send(Call(Create(Address("files/there", "Work")), reply))
                assert isinstance(await reply.wait(), Done)
                go_on.set()


async def test_a_channel_that_was_closed_takes_no_call(tmp_path: Path) -> None:
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        await node.channel.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await node.channel.send(Call(Create(Address("late"))))


async def test_contents_beyond_the_bound_are_refused_before_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "CONTENTS_BYTES_MAX", 1000)

    async def without_end() -> AsyncGenerator[bytes, None]:
        while True:
            yield bytes(100)

    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        async with aclosing(without_end()) as pieces:
            with pytest.raises(contents.ContentsTooLong, match="at most 1000 bytes"):
                await shard.put(pieces)
        assert isinstance(await shard.ask(Create(Address("mail/alice"))), Done)


def test_the_longest_contents_have_a_list_of_chunks_that_one_message_carries() -> None:
    chunks = CONTENTS_BYTES_MAX // CHUNK_BYTES
    listed = bytes(chunks * HASH_BYTES)
    assert len(listed) <= CHUNK_BYTES_MAX
    blob = Blob(bytes(32), CONTENTS_BYTES_MAX, bytes(32))
    assert chunks_in(blob, listed) is not None


async def test_who_watches_has_its_turn_once_for_many_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn comes at the end of a batch: with one for each change, no watcher would keep up."""
    looks: list[object] = []
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        for number in range(PAGE_MAX):
            await shard.ask(Create(Address(f"mail/{number}")))
        look = shard.look

        async def counted(question: Callable[[State], object]) -> object:
            looks.append(question)
            return await look(question)

        monkeypatch.setattr(shard, "look", counted)
        seen: list[Change] = []
        with trio.fail_after(WAIT_S):
            async with aclosing(shard.changes({})) as changes:
                async for change in changes:
                    seen.append(change)
                    if len(seen) == PAGE_MAX + 1:
                        break
    assert [change.text for change in seen[1:]] == [f"mail/{n}" for n in range(PAGE_MAX)]
    assert len(looks) == 2


async def test_who_watches_live_is_told_what_each_batch_changed_without_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the next batch has changed it again by the time that the watcher has its turn."""

    async def never(question: object) -> None:
        raise AssertionError("a look")

    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        async with watching(shard) as changes:
            monkeypatch.setattr(shard, "look", never)
            earlier, later = (Address("mail/alice", path) for path in ("Earlier", "Later"))
            await shard.ask(Create(earlier))
            await shard.ask(Rename(earlier, later))
            seen = [await changes.receive() for _ in range(2)]
    assert [change.path for change in seen] == ["Earlier", "Later"]
    assert seen[-1].cursor == shard.clock


async def test_what_cannot_be_told_at_once_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is too long, and one at which telling failed: no node ends of that."""
    fails = True

    def telling(state: State, operation: Operation, cursor: Clock) -> Change:
        nonlocal fails
        if fails:
            fails = False
            raise ZeroDivisionError
        return describe(state, operation, cursor)

    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        async with watching(shard) as changes:
            monkeypatch.setattr("samebox.io.feed.describe", telling)
            await shard.ask(Create(Address("mail/bob")))
            assert (await changes.receive()).box == "mail/bob"
            assert not fails
            names = [f"mail/{number}" for number in range(2 * PAGE_MAX)]
            async with trio.open_nursery() as nursery:
                for name in names:
                    nursery.start_soon(shard.ask, Create(Address(name)))
            seen = [(await changes.receive()).box for _ in names]
    assert sorted(map(str, seen)) == sorted(names)


async def test_an_error_of_the_core_ends_the_node_whoever_brought_the_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk's own task gives the core what has become durable."""

    def failing(events: Sequence[Event]) -> Ready:
        if any(isinstance(event, Synced) for event in events):
            raise ZeroDivisionError
        return step(events)

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True), trio.fail_after(WAIT_S):
        async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
            shard = await node.shard_of("mail/alice")
            await shard.ask(Create(Address("mail/alice")))
            step = shard.replica.step
            monkeypatch.setattr(shard.replica, "step", failing)
            await shard.ask(Create(Address("mail/bob")))


@asynccontextmanager
async def watching(shard: Shard) -> AsyncIterator[trio.MemoryReceiveChannel[Change]]:
    """What a watcher sees that has seen the box mail/alice come."""

    async def watch() -> None:
        async with aclosing(shard.changes()) as changes:
            async for change in changes:
                await seen.send(change)

    seen, changes = trio.open_memory_channel[Change](0)
    with trio.fail_after(WAIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.testing.wait_all_tasks_blocked()
            await shard.ask(Create(Address("mail/alice")))
            while (await changes.receive()).box != "mail/alice":
                pass  # the birth
            yield changes
            nursery.cancel_scope.cancel()


async def test_a_status_is_told_while_the_state_is_made_again(tmp_path: Path) -> None:
    """A snapshot is thought of then as well, and the node went down with the question."""
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        await shard.ask(Create(Address("mail/alice")))
        keeper = shard.store.keeper
        await shard.disk.run(lambda: keeper.close(is_whole=False))
        status = shard.status()
        assert (status.limbo.blocked, sum(status.clock.values())) == (LOST, 2)
        await shard.disk.run(keeper.open)


async def test_a_box_is_looked_for_in_all_shards_also_while_the_state_of_one_is_lost(
    tmp_path: Path,
) -> None:
    node_list = local_node_list(tmp_path, ["a"])
    with node_list.open("a") as file:
        file.write("shards:\n  mail: {nodes: [a]}\n  files: {nodes: [a]}\n")
    async with open_node(node_list, "a") as node:
        files = node.shards["files"]
        assert isinstance(await files.ask(Create(Address("team"))), Done)
        assert await node.shard_of("team") is files
        assert await node.box("team").find() is not None
        await files.disk.run(lambda: files.store.keeper.close(is_whole=False))
        with trio.fail_after(WAIT_S):
            assert isinstance(await node.ask(Create(Address("other"))), Done)
            assert isinstance(await node.ask(Create(Address("team", "notes"))), Done)
        assert await files.look(lambda state: state.find(Address("team", "notes"))) is not None


async def test_a_snapshot_that_is_taken_over_may_deliver_what_waited_behind_a_hole(
    tmp_path: Path,
) -> None:
    async with open_node(local_node_list(tmp_path, ["a"]), "a") as node:
        shard = await node.shard_of("mail/alice")
        async with watching(shard) as changes:
            before = dict(shard.clock)
            for name in ("mail/bob", "mail/bob's"):
                await shard.ask(Create(Address(name)))
                assert (await changes.receive()).box == name
            await shard.adopt(lambda _: shard.store.restored(before, StateLost("adopted")))
            await shard.ask(Create(Address("mail/carol")))
            assert (await changes.receive()).box == "mail/carol"


async def test_nobody_looks_at_the_state_while_a_snapshot_is_taken_over(tmp_path: Path) -> None:
    """The rows are taken away then; who found that so had the state made again once more."""
    at_disk, go_on = threading.Event(), threading.Event()
    said: list[str] = []
    node_list = local_node_list(tmp_path, ["a"])
    async with open_node(node_list, "a", log=lambda notice: said.append(notice.text)) as node:
        shard = await node.shard_of("mail/alice")
        await shard.ask(Create(Address("mail/alice")))

        def adopt(known: Clock) -> Restored:
            shard.store.keeper.close(is_whole=False)
            at_disk.set()
            assert go_on.wait(WAIT_S)
            return shard.store.restored(known, StateLost("adopted"))

        async def look() -> None:
            assert await shard.look(lambda state: state.find(Address("mail/alice"))) is not None

        with trio.fail_after(WAIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shard.adopt, adopt)
                await trio.to_thread.run_sync(at_disk.wait)
                nursery.start_soon(look)
                await trio.testing.wait_all_tasks_blocked()
                go_on.set()
    assert not any("the state is lost" in text for text in said), said


def hold_first_job(
    monkeypatch: pytest.MonkeyPatch,
    disk: DiskThread,
    at_disk: threading.Event,
    go_on: threading.Event,
) -> None:
    """The next job handed to the disk says that it has begun, and waits."""
    submit = disk.submit

    def held(job: Callable[[], object], done: Ended) -> None:
        monkeypatch.setattr(disk, "submit", submit)

        def later() -> object:
            at_disk.set()
            assert go_on.wait(WAIT_S)
            return job()

        submit(later, done)

    monkeypatch.setattr(disk, "submit", held)
