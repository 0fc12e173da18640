"""The control server under Trio, on real unix sockets."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from crdt import Address, Append, Create, Dot, Expunge, RequestId
from samebox.control import (
    CALLS_MAX,
    NO_BLOB,
    PIECE_BYTES_MAX,
    PROTOCOL,
    Answered,
    Ask,
    Body,
    Boxes,
    Call,
    Command,
    Entries,
    EntryPage,
    FromNode,
    Greeting,
    Known,
    Look,
    Nodes,
    Opened,
    Piece,
    Problem,
    Read,
    Recall,
    Reply,
    ShardShown,
    Status,
    Wait,
    Watch,
    Watched,
    frame,
    from_node,
)
from samebox.events import Receipt
from samebox.io.configuration import SOCKET_PATH_BYTES_MAX
from samebox.io.control_server import PROGRAMS_MAX, serve_control
from samebox.io.shown import PAGE
from samebox.io.socket_file import SocketRefused
from storage import DiskFull
from tests.cli.fake import ACTOR, CLUSTER, FakeNode

BOX = Address("mail/alice")
WORK = Address("mail/alice", "Work")


class Talk:
    """One program. `say` sends a call with its contents, `hear` gives the next message."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._frames = from_node()
        self._number = 0

    async def say(self, command: Command, *pieces: bytes) -> int:
        self._number += 1
        await self.stream.send_all(frame(Call(self._number, command)))
        for at, data in enumerate(pieces, 1):
            await self.stream.send_all(frame(Piece(data, last=at == len(pieces))))
        return self._number

    async def hear(self) -> FromNode | None:
        while (message := self._frames.next()) is None:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._frames.feed(data)
        return message

    async def reply(self) -> Reply:
        message = await self.hear()
        assert isinstance(message, Reply), message
        return message

    async def ask(self, command: Command, *pieces: bytes) -> list[Body]:
        """All that comes back for one call, with nothing else under way."""
        number = await self.say(command, *pieces)
        found: list[Body] = []
        while True:
            reply = await self.reply()
            assert reply.call == number
            if reply.body is not None:
                found.append(reply.body)
            if not reply.more:
                return found


class Served:
    def __init__(self, node: FakeNode, path: Path) -> None:
        self.node = node
        self.path = path

    @asynccontextmanager
    async def talk(self, *, greeted: bool = True) -> AsyncIterator[Talk]:
        async with await trio.open_unix_socket(self.path) as stream:
            talk = Talk(stream)
            if greeted:
                assert isinstance(await talk.hear(), Greeting)
            yield talk


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    node, path = FakeNode(), folder / "run" / "a.sock"
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_control, node, path, cluster=CLUSTER))
            yield Served(node, path)
            nursery.cancel_scope.cancel()


async def with_work(talk: Talk, *messages: bytes) -> None:
    await talk.ask(Ask(Create(BOX)))
    await talk.ask(Ask(Create(WORK)))
    for data in messages:
        await talk.ask(append(), data)


def append(number: int | None = None) -> Ask:
    id = None if number is None else RequestId(b"client..", number)
    return Ask(Append(WORK, NO_BLOB, (), number or 0), id, content=True)


# --- The conversation ---------------------------------------------------------------------------


async def test_a_program_is_greeted_with_cluster_node_and_protocol(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk(greeted=False) as talk:
        assert await talk.hear() == Greeting(CLUSTER, "a", PROTOCOL)


async def test_what_was_written_is_shown(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        (made,) = await talk.ask(Ask(Create(BOX)))
        assert made == Answered(Receipt("main", {ACTOR: 2}), (Dot(ACTOR, 2),), ("a",))
        await talk.ask(Ask(Create(WORK)))
        await talk.ask(append(), b"hel", b"lo")
        (nodes,) = await talk.ask(Look(BOX))
        assert isinstance(nodes, Nodes)
        assert [(one.node.name, one.entries) for one in nodes.nodes[1:]] == [
            ("INBOX", 0),
            ("Work", 1),
        ]
        (page,) = await talk.ask(Entries(WORK))
        assert isinstance(page, EntryPage)
        opened, *pieces = await talk.ask(Read(WORK, page.entries[0].id))
        assert opened == Opened(page.entries[0].blob, page.entries[0])
        assert b"".join(piece.data for piece in pieces if isinstance(piece, Piece)) == b"hello"


async def test_contents_longer_than_a_frame_go_both_ways(tmp_path: Path) -> None:
    data = os.urandom(1 << 20) + b"end"
    parts = [data[i : i + PIECE_BYTES_MAX] for i in range(0, len(data), PIECE_BYTES_MAX)]
    async with serving(tmp_path) as served, served.talk() as talk:
        await talk.ask(Ask(Create(BOX)))
        file = Address("mail/alice", "file")
        await talk.ask(Ask(Create(file, NO_BLOB), content=True), *parts)
        opened, *pieces = await talk.ask(Read(file))
        assert isinstance(opened, Opened) and opened.blob.size == len(data)
        assert b"".join(piece.data for piece in pieces if isinstance(piece, Piece)) == data
        assert max(len(p.data) for p in pieces if isinstance(p, Piece)) <= PIECE_BYTES_MAX


async def test_a_long_mailbox_comes_in_pages_each_entry_once_and_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        await with_work(talk)
        for number in range(1, PAGE + 2):
            await talk.ask(append(number), b"x")
        pages = await talk.ask(Entries(WORK))
        dates = [e.date_ms for page in pages if isinstance(page, EntryPage) for e in page.entries]
        assert dates == list(range(1, PAGE + 2)) and len(pages) == 2


async def test_requests_reach_the_shard_in_the_order_of_the_calls(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        await with_work(talk)
        served.node.main.gate = trio.Event()
        for number in range(1, CALLS_MAX + 1):
            await talk.say(append(number), b"x")
        served.node.main.gate.set()
        replies = [await talk.reply() for _ in range(CALLS_MAX)]
        assert all(isinstance(reply.body, Answered) for reply in replies)
        asked = [one.date_ms for one in served.node.main.asked if isinstance(one, Append)]
        assert asked == list(range(1, CALLS_MAX + 1))


async def test_one_call_too_many_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        served.node.main.gate = trio.Event()
        for _ in range(CALLS_MAX + 1):
            await talk.say(Ask(Create(BOX)))
        refused = await talk.reply()
        assert refused.call == CALLS_MAX + 1
        assert isinstance(refused.body, Problem) and refused.body.code == "too-many-calls"
        served.node.main.gate.set()
        calls = {(await talk.reply()).call for _ in range(CALLS_MAX)}
        assert calls == set(range(1, CALLS_MAX + 1))
        assert isinstance((await talk.ask(Boxes()))[0], Nodes)


# --- Answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Ask(Create(WORK)), "no-such-box"),
        (Look(BOX), "no-such-box"),
        (Entries(BOX), "no-such-box"),
        (Read(BOX), "no-such-box"),
        (Recall("x", (RequestId(b"c", 1),) * 1001), "too-large"),
        (Wait(Receipt("other", {})), "no-such-shard"),
        (Watch(shard="other"), "no-such-shard"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
async def test_a_refusal_has_a_code(tmp_path: Path, command: Command, code: str) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        (problem,) = await talk.ask(command)
        assert isinstance(problem, Problem) and problem.code == code


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Look(Address("mail/alice", "Nothing")), "no-such-name"),
        (Entries(BOX), "not-a-mailbox"),
        (Read(WORK), "not-a-file"),
        (Read(WORK, Dot(ACTOR, 1)), "no-such-entry"),
        (Ask(Expunge(WORK, (Dot(b"none", 1),))), "no-such-entry"),
        (Ask(Expunge(WORK, (Dot(b"", 1),))), "unclear"),
    ],
)
async def test_what_is_not_there_is_named(tmp_path: Path, command: Command, code: str) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        await with_work(talk, b"x")
        (problem,) = await talk.ask(command)
        assert isinstance(problem, Problem) and problem.code == code


async def test_an_entry_may_be_named_by_the_beginning_of_its_actor(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        await with_work(talk, b"x", b"y")
        opened, *_ = await talk.ask(Read(WORK, Dot(ACTOR[:4], 4)))
        assert isinstance(opened, Opened) and opened.entry and opened.entry.id == Dot(ACTOR, 4)
        (done,) = await talk.ask(Ask(Expunge(WORK, (Dot(ACTOR[:5], 4),))))
        assert isinstance(done, Answered)


async def test_copies_that_come_late_are_told_with_what_holds(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        served.node.main.holders = ("a", "b")
        (made,) = await talk.ask(Ask(Create(BOX), copies=2))
        assert isinstance(made, Answered) and made.nodes == ("a", "b") and not made.late
        (late,) = await talk.ask(Ask(Create(WORK), copies="all", timeout_s=0))
        assert isinstance(late, Answered) and late.late and late.nodes == ("a", "b")
        (held,) = await talk.ask(Wait(made.receipt, 2))
        assert isinstance(held, Answered) and held.receipt == made.receipt


async def test_known_requests_are_recalled(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        await with_work(talk)
        await talk.ask(append(7), b"x")
        ids = tuple(RequestId(b"client..", number) for number in (6, 7, 8))
        assert await talk.ask(Recall("mail/alice", ids)) == [Known((ids[1],))]


async def test_a_watch_goes_on_from_a_cursor_and_shows_what_comes(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as watcher, served.talk() as talk:
        await with_work(talk)
        await watcher.say(Watch(box="mail/alice", since={ACTOR: 2}))
        first = await watcher.reply()
        assert isinstance(first.body, Watched) and first.body.change.dot == Dot(ACTOR, 3)
        await talk.ask(append(), b"x")
        second = await watcher.reply()
        assert isinstance(second.body, Watched) and second.body.change.kind == "append"
        assert first.more and second.more


async def test_status_has_a_digest_only_where_it_was_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        (plain,) = await talk.ask(Status())
        (whole,) = await talk.ask(Status(digest=True))
        assert isinstance(plain, ShardShown) and plain.digest == b""
        assert isinstance(whole, ShardShown) and len(whole.digest) == 32


async def test_a_full_disk_is_told_and_the_next_call_is_found(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        await with_work(talk)
        served.node.main.put_fails = DiskFull("no space left")
        (problem,) = await talk.ask(append(), b"one", b"two", b"three")
        assert isinstance(problem, Problem) and problem.code == "not-now"
        served.node.main.put_fails = None
        assert isinstance((await talk.ask(append(), b"x"))[0], Answered)


async def test_a_bug_behind_a_call_is_logged_and_the_program_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as served, served.talk() as talk:
        await with_work(talk, b"x")
        served.node.main.blobs.clear()
        *_, problem = await talk.ask(Read(WORK, Dot(ACTOR, 4)))
        assert isinstance(problem, Problem) and problem.code == "failed"
        assert "KeyError" in caplog.text
        assert isinstance((await talk.ask(Boxes()))[0], Nodes)


# --- Programs that misbehave, and those that leave ---------------------------------------------


async def test_a_program_that_leaves_abandons_its_wait(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as other:
        served.node.main.gate = trio.Event()
        async with served.talk() as talk:
            await talk.say(Ask(Create(BOX)))
            while not served.node.main.asked:
                await trio.lowlevel.checkpoint()
        while not served.node.main.abandoned:
            await trio.lowlevel.checkpoint()
        assert await other.ask(Boxes()) == []


async def test_a_program_that_leaves_in_the_middle_of_contents_changes_nothing(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served, served.talk() as other:
        await with_work(other)
        async with served.talk() as talk:
            await talk.stream.send_all(frame(Call(1, append())) + frame(Piece(b"half")))
        (nodes,) = await other.ask(Look(WORK))
        assert isinstance(nodes, Nodes) and nodes.nodes[0].entries == 0
        assert not any(isinstance(one, Append) for one in served.node.main.asked)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        frame(Piece(b"nobody asked")),
        frame(Call(1, append())) + frame(Call(2, Boxes())),
        frame(Call(1, append())) + frame(Piece(bytes(PIECE_BYTES_MAX + 1))),
    ],
    ids=["another protocol", "piece without call", "call among pieces", "piece too long"],
)
async def test_who_breaks_the_protocol_is_told_and_cut_off_alone(
    tmp_path: Path, data: bytes
) -> None:
    async with serving(tmp_path) as served, served.talk() as other, served.talk() as talk:
        await talk.stream.send_all(data)
        problem = await talk.hear()
        assert isinstance(problem, Problem) and problem.code == "protocol"
        assert await talk.hear() is None
        assert await other.ask(Boxes()) == []


async def test_a_program_that_never_reads_holds_up_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.talk() as slow, served.talk() as other:
        await with_work(other)
        big = Address("mail/alice", "big")
        pieces = [bytes(PIECE_BYTES_MAX)] * 8
        await other.ask(Ask(Create(big, NO_BLOB), content=True), *pieces)
        for _ in range(10):
            await slow.say(Read(big))
        for _ in range(10):
            assert len(await other.ask(Read(big))) > 8


async def test_the_program_above_the_bound_is_told_and_room_comes_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        talks = [await trio.open_unix_socket(served.path) for _ in range(PROGRAMS_MAX)]
        for stream in talks:
            assert isinstance(await Talk(stream).hear(), Greeting)
        async with served.talk(greeted=False) as talk:
            problem = await talk.hear()
            assert isinstance(problem, Problem) and problem.code == "too-many-programs"
            assert await talk.hear() is None
        for stream in talks:
            await stream.aclose()
        while True:
            async with served.talk(greeted=False) as talk:
                if isinstance(await talk.hear(), Greeting):
                    break


# --- The socket's file ---------------------------------------------------------------------------


async def test_the_socket_is_for_its_owner_alone_and_goes_with_the_node(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert stat.S_IMODE(served.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(served.path.parent.stat().st_mode) == 0o700
    assert not served.path.exists()


async def test_the_socket_of_a_dead_node_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "run" / "a.sock"))
    async with serving(tmp_path) as served, served.talk() as talk:
        assert await talk.ask(Boxes()) == []


async def test_a_live_node_keeps_its_socket(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with pytest.raises(SocketRefused, match="a running node"):
            await serve_control(FakeNode(), served.path, cluster=CLUSTER)
        async with served.talk() as talk:
            assert await talk.ask(Boxes()) == []


async def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    path.write_text("precious")
    with pytest.raises(SocketRefused, match="another kind of file"):
        await serve_control(FakeNode(), path, cluster=CLUSTER)
    assert path.read_text() == "precious"


async def test_a_path_that_is_too_long_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / ("x" * SOCKET_PATH_BYTES_MAX)
    with pytest.raises(SocketRefused, match="set a shorter `socket`"):
        await serve_control(FakeNode(), path, cluster=CLUSTER)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SocketRefused, match="writable"):
        await serve_control(FakeNode(), tmp_path / "file" / "a.sock", cluster=CLUSTER)
