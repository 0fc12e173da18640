"""The blocking client against nodes that answer oddly, or not at all."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from crdt import Address, Append, Create
from samebox.__main__ import main
from samebox.control import (
    NO_BLOB,
    PIECE_BYTES_MAX,
    PROTOCOL,
    Answered,
    Ask,
    Body,
    Boxes,
    Call,
    Command,
    Greeting,
    Piece,
    Problem,
    ProtocolError,
    Reply,
    frame,
    joined,
)
from samebox.io.control_client import (
    UNSENT_BYTES_MAX,
    WRITTEN_BYTES,
    Connection,
    NodeGone,
    NodeRefused,
    NotReachable,
)
from samebox.io.conversation import Conversation, Silent, asking
from tests.cli.fake import CLUSTER, running

HELLO = frame(Greeting(CLUSTER, "a"))
WAIT_S = 10.0


class Odd:
    """A node that does with its one program what a function says."""

    def __init__(self, folder: Path, act: Callable[[socket.socket], object]) -> None:
        self.path = folder / "odd.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._act = act
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Path:
        self._thread.start()
        return self.path

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def _run(self) -> None:
        program, _ = self._listener.accept()
        with program:
            self._act(program)


def test_nobody_and_a_dead_nodes_socket_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotReachable, match="nothing there"):
        Connection(tmp_path / "none.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(NotReachable, match="not running"):
        Connection(tmp_path / "dead.sock")
    (tmp_path / "nodes.yaml").touch()
    with pytest.raises(NotReachable, match="found a file; --socket takes"):
        Connection(tmp_path / "nodes.yaml")


def test_a_node_of_another_protocol_is_told(tmp_path: Path) -> None:
    later = frame(Greeting(CLUSTER, "a", PROTOCOL + 1))
    with Odd(tmp_path, lambda program: program.sendall(later)) as path:
        with pytest.raises(NotReachable, match="expected protocol 1"):
            Connection(path)


def test_who_hangs_up_without_a_greeting_is_no_node(tmp_path: Path) -> None:
    with Odd(tmp_path, lambda program: None) as path, pytest.raises(NotReachable):
        Connection(path)


def test_another_kind_of_server_is_told(tmp_path: Path) -> None:
    with Odd(tmp_path, lambda program: program.sendall(b"* OK IMAP4rev1 ready\r\n")) as path:
        with pytest.raises(ProtocolError):
            Connection(path)


def test_a_full_node_says_so(tmp_path: Path) -> None:
    full = frame(Problem("too-many-programs", "try again later"))
    with Odd(tmp_path, lambda program: program.sendall(full)) as path:
        with pytest.raises(NodeRefused, match="try again later"):
            Connection(path)


def test_a_node_that_dies_before_its_answer_leaves_it_open(tmp_path: Path) -> None:
    def die(program: socket.socket) -> None:
        program.sendall(HELLO)
        program.recv(1)

    with Odd(tmp_path, die) as path, Connection(path) as node:
        with pytest.raises(NodeGone):
            list(node.call(Boxes()))


def test_a_write_that_was_not_answered_is_repeated_under_its_id(tmp_path: Path) -> None:
    def die(program: socket.socket) -> None:
        program.sendall(HELLO)
        program.recv(1)

    with Odd(tmp_path, die) as path:
        words = ["append", "b:INBOX", "/dev/null", "--socket", str(path)]
        done = CliRunner().invoke(main, words)
    assert done.exit_code == 4 and "not known" in done.stderr
    _, _, hint = done.stderr.partition("--request-id ")
    id, option, date = hint.split()[:3]
    assert option == "--date"
    again = ["append", "b:INBOX", "/dev/null", "--request-id", id, "--date", date, "--json"]
    with running(tmp_path) as served:
        CliRunner().invoke(main, ["create", "b", "--socket", str(served.socket)])
        for _ in range(2):
            done = CliRunner().invoke(main, [*again, "--socket", str(served.socket)])
            assert done.exit_code == 0, done.output
        assert '"a1b2c3d4:3"' in done.stdout


def test_a_write_that_is_interrupted_before_its_answer_may_be_done_and_says_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Connection.call

    def interrupted(
        node: Connection, command: Command, content: Iterable[bytes] | None = None
    ) -> Iterator[Body]:
        yield from asked(node, command, content)
        raise KeyboardInterrupt

    with running(tmp_path) as served:
        words = ["create", "b", "--socket", str(served.socket)]
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "call", interrupted)
            done = CliRunner().invoke(main, words)
        _, _, hint = done.stderr.partition("--request-id ")
        id = (hint.split() or ["1"])[0]
        again = CliRunner().invoke(main, [*words, "--request-id", id])
    assert (done.exit_code, "not known" in done.stderr) == (4, True), done.output
    assert again.exit_code == 0, again.output


def test_an_import_whose_node_dies_says_that_it_may_be_run_again(tmp_path: Path) -> None:
    def die(program: socket.socket) -> None:
        program.sendall(HELLO)
        program.recv(1)

    (tmp_path / "m").write_text("From me Fri Feb 13 23:31:30 2009\n\nx\n")
    with Odd(tmp_path, die) as path:
        done = CliRunner().invoke(main, ["import", str(tmp_path / "m"), "b", "--socket", str(path)])
    assert done.exit_code == 4 and "adds nothing twice" in done.stderr


def test_a_node_that_cuts_the_program_off_while_it_writes_is_heard(tmp_path: Path) -> None:
    def refuse(program: socket.socket) -> None:
        program.sendall(HELLO)
        program.recv(1)
        program.sendall(frame(Problem("protocol", "not like this")))

    endless = (bytes(PIECE_BYTES_MAX) for _ in range(1000))
    ask = Ask(Append(Address("b", "INBOX"), NO_BLOB), content=True)
    with Odd(tmp_path, refuse) as path, Connection(path) as node:
        with pytest.raises((NodeRefused, NodeGone)):
            list(node.call(ask, endless))


def test_two_full_buffers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """The node answers and reads no further until its answers are taken; the program writes."""
    count = 3000
    filler = "x" * 1000

    def answer_first(program: socket.socket) -> None:
        program.sendall(HELLO)
        for number in range(1, count + 1):
            program.sendall(frame(Reply(number, Problem("name-taken", filler))))
        while program.recv(1 << 20):
            pass

    with Odd(tmp_path, answer_first) as path, Connection(path) as node:
        for _ in range(count):
            node.send(Ask(Create(Address("b" * 1000))))
        calls = [node.receive().call for _ in range(count)]
    assert calls == list(range(1, count + 1))


def test_two_full_buffers_do_not_wait_for_each_other_in_a_conversation_with_a_deadline(
    tmp_path: Path,
) -> None:
    """Long contents are written before a reply is waited for, while there may be many."""
    count = 40

    def answer_first(program: socket.socket) -> None:
        program.sendall(HELLO)
        for number in range(1, count + 1):
            program.sendall(frame(Reply(number, Problem("name-taken", "x" * 30_000))))
        while program.recv(1 << 20):
            pass

    ask = asking(Append(Address("b", "INBOX"), NO_BLOB), bytes(2 * WRITTEN_BYTES))
    with Odd(tmp_path, answer_first) as path, Conversation(path, timeout_s=WAIT_S) as node:
        for _ in range(count):
            node.send(*ask)
        calls = [node.receive().call for _ in range(count)]
    assert calls == list(range(1, count + 1))


def test_a_node_that_takes_nothing_for_long_is_gone_for_a_conversation(tmp_path: Path) -> None:
    is_over = threading.Event()

    def take_nothing(program: socket.socket) -> None:
        program.sendall(HELLO)
        is_over.wait(WAIT_S)

    ask = asking(Append(Address("b", "INBOX"), NO_BLOB), bytes(2 * UNSENT_BYTES_MAX))
    with Odd(tmp_path, take_nothing) as path, Conversation(path, timeout_s=0.1) as node:
        with pytest.raises(Silent, match="nothing came"):
            node.send(*ask)
        is_over.set()


def test_calls_that_are_handed_in_are_written_when_an_answer_is_waited_for(tmp_path: Path) -> None:
    heard = bytearray()
    call = frame(Call(1, Boxes()))

    def answer_both(program: socket.socket) -> None:
        program.sendall(HELLO)
        program.settimeout(10)
        while len(heard) < 2 * len(call):
            heard.extend(program.recv(1 << 20))
        program.sendall(frame(Reply(1)) + frame(Reply(2)))

    with Odd(tmp_path, answer_both) as path, Connection(path) as node:
        numbers = [node.hand_in(Boxes()), node.hand_in(Boxes())]
        assert not heard
        assert [node.receive().call, node.receive().call] == numbers == [1, 2]


def test_a_program_goes_on_handing_in_while_the_node_takes_nothing(tmp_path: Path) -> None:
    handed_in = threading.Event()
    heard = bytearray()
    ask, content = Ask(Append(Address("b", "INBOX"), NO_BLOB), content=True), bytes(10_000)
    calls = range(1, UNSENT_BYTES_MAX // 11_000)
    said = [frame(Call(number, ask)) + frame(Piece(content, last=True)) for number in calls]

    def take_late(program: socket.socket) -> None:
        program.sendall(HELLO)
        program.settimeout(WAIT_S)
        if handed_in.wait(WAIT_S):
            while len(heard) < len(b"".join(said)):
                heard.extend(program.recv(1 << 20))
            program.sendall(frame(Reply(calls[-1])))

    with Odd(tmp_path, take_late) as path, Connection(path) as node:
        for _ in calls:
            node.hand_in(ask, [content])
        handed_in.set()
        assert node.receive().call == calls[-1]
    assert heard == b"".join(said)


def test_a_program_waits_for_a_node_that_takes_nothing_before_it_holds_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    wait = select.select

    def noted(
        reading: list[int], writing: list[int], odd: list[int], seconds: float | None = None
    ) -> tuple[list[int], list[int], list[int]]:
        if seconds is None:
            waits.set()
        return wait(reading, writing, odd, seconds)

    def take_late(program: socket.socket) -> None:
        program.sendall(HELLO)
        while waits.wait(WAIT_S) and program.recv(1 << 20):
            pass

    monkeypatch.setattr("samebox.io.control_client.select.select", noted)
    with Odd(tmp_path, take_late) as path, Connection(path) as node:
        for _ in range(2 * UNSENT_BYTES_MAX // 1000):
            node.hand_in(Ask(Create(Address("b" * 1000))))
        assert waits.is_set()


def test_a_node_that_cuts_the_program_off_while_it_hands_in_is_heard(tmp_path: Path) -> None:
    told = threading.Event()

    def refuse(program: socket.socket) -> None:
        program.sendall(HELLO + frame(Problem("protocol", "not like this")))
        told.set()

    with Odd(tmp_path, refuse) as path, Connection(path) as node:
        assert told.wait(WAIT_S)
        with pytest.raises(NodeRefused, match="not like this"):
            for _ in range(2 * UNSENT_BYTES_MAX // 1000):
                node.hand_in(Ask(Create(Address("b" * 1000))))


def test_a_node_that_cuts_the_program_off_just_before_it_writes_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look whether anything came, and the writing."""
    refuse, has_ended = threading.Event(), threading.Event()
    send = Connection._write_some

    def refuse_late(program: socket.socket) -> None:
        program.sendall(HELLO)
        assert refuse.wait(WAIT_S)
        program.sendall(frame(Problem("protocol", "not like this")))
        program.close()
        has_ended.set()

    def write_too_late(node: Connection) -> None:
        refuse.set()
        assert has_ended.wait(WAIT_S)
        send(node)

    monkeypatch.setattr(Connection, "_write_some", write_too_late)
    with Odd(tmp_path, refuse_late) as path, Connection(path) as node:
        with pytest.raises(NodeRefused, match="not like this"):
            node.send(Boxes())


def test_a_message_that_comes_in_parts_travels_in_one_piece() -> None:
    assert list(joined([b"a", b"", b"bc"])) == [Piece(b"abc", last=True)]
    assert list(joined([])) == [Piece(b"", last=True)]
    long = bytes(PIECE_BYTES_MAX)
    assert list(joined([long])) == [Piece(long, last=True)]
    assert list(joined([b"a", long])) == [
        Piece(b"a" + long[1:]),
        Piece(b"\0", last=True),
    ]


def test_contents_of_any_length_go_through_a_real_server(tmp_path: Path) -> None:
    with running(tmp_path) as served, Connection(served.socket) as node:
        list(node.call(Ask(Create(Address("b")))))
        for size in (0, 1, PIECE_BYTES_MAX - 1, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1):
            ask = Ask(Append(Address("b", "INBOX"), NO_BLOB), content=True)
            (body,) = node.call(ask, [bytes(size)])
            assert isinstance(body, Answered)
            asked = served.node.main.asked[-1]
            assert isinstance(asked, Append) and asked.content.size == size
