"""The control server under Trio, on real unix sockets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
import trio.testing

from crdt import Address, Append, Create, Dot, Expunge, RequestId
from samebox.control import (
    CALLS_MAX,
    NO_BLOB,
    PIECE_BYTES_MAX,
    PROTOCOL,
    Answered,
    Ask,
    Boxes,
    Call,
    Command,
    Entries,
    EntryPage,
    Greeting,
    Known,
    Look,
    Nodes,
    Opened,
    Piece,
    Problem,
    Read,
    Recall,
    ShardShown,
    Status,
    Wait,
    Watch,
    Watched,
    frame,
)
from samebox.events import Receipt
from samebox.io.control_server import PROGRAMS_MAX, READ_BYTES
from samebox.io.shown import PAGE
from storage import DiskFull
from tests.cli.fake import ACTOR, CLUSTER
from tests.cli.talk import Talk, serving

BOX = Address("mail/alice")
WORK = Address("mail/alice", "Work")


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
        assert await talk.hear() == Greeting(CLUSTER, "a", PROTOCOL, CALLS_MAX)


async def test_want_of_memory_in_a_conversation_ends_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive, is_short = trio.SocketStream.receive_some, [False]

    async def receive_some(self: trio.SocketStream, size: int | None = None) -> bytes:
        data = await receive(self, size)
        if size == READ_BYTES and is_short[0]:  # the server's
            raise MemoryError
        return bytes(data)

    monkeypatch.setattr(trio.SocketStream, "receive_some", receive_some)
    async with serving(tmp_path) as served, served.talk() as talk, served.talk() as other:
        is_short[0] = True
        await other.say(Boxes())
        assert await other.hear() is None
        is_short[0] = False
        (made,) = await talk.ask(Ask(Create(BOX)))
        assert isinstance(made, Answered)


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
        numbers = range(1, CALLS_MAX + 1)
        calls = [frame(Call(n, append(n))) + frame(Piece(b"x", last=True)) for n in numbers]
        await talk.stream.send_all(b"".join(calls))
        while len(served.node.main.asked) < CALLS_MAX + 2:
            await trio.lowlevel.checkpoint()
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


async def test_requests_of_a_program_that_reads_no_replies_wait_and_none_is_lost(
    tmp_path: Path,
) -> None:
    count = 3000
    async with serving(tmp_path) as served, served.talk() as slow, served.talk() as other:
        served.node.main.fails = "x" * 1000

        async def ask_all() -> None:
            for _ in range(count):
                await slow.say(Ask(Create(BOX)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_all)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert len(served.node.main.asked) < count
            assert await other.ask(Boxes()) == []
            calls = [(await slow.reply()).call for _ in range(count)]
        assert sorted(calls) == list(range(1, count + 1))


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
