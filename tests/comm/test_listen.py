"""Strangers at the port are few, short and reported; members get through; dialing never ends."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from comm import Backoff, Greeting, LinkLost, Refusal, WeRefused
from comm.io import Acceptor, Connection, Contexts, Local, dial, keep_dialing, serve
from comm.io.dial import LASTED_S
from comm.reports import AT_ONCE
from tests.comm.wires import Credentials, in_background, local, shake_hands


class Node:
    """What becomes of connections at one node."""

    def __init__(self, contexts: Contexts, name: str = "b", **limits: float) -> None:
        self.name = name
        self.reports: list[str] = []
        self.met: list[str] = []
        self.talks: Callable[[], None] = lambda: None
        self.acceptor = Acceptor(
            lambda: contexts,
            self.local_of,
            self.converse,
            self.reports.append,
            **limits,  # type: ignore[arg-type]
        )

    def local_of(self, theirs: Greeting) -> Local | Refusal:
        return local(self.name)

    async def converse(self, connection: Connection) -> None:
        self.met.append(connection.peer)
        self.talks()
        await connection.frames.send_frames(b"\0\0\0\x02hi", within_s=1)


async def is_closed(stream: trio.abc.Stream) -> bool:
    while await stream.receive_some():
        pass
    return True


# --- Strangers --------------------------------------------------------------------------------


async def test_beyond_the_bound_the_oldest_handshakes_are_ended_at_once_and_few_are_reported(
    credentials: Credentials,
    mock_clock: MockClock,  # time stands still: with it, more may be reported
) -> None:
    node = Node(credentials["b"], unfinished_max=3)
    async with trio.open_nursery() as nursery:
        idle = [memory_stream_pair() for _ in range(100)]
        for _, there in idle[:3]:
            nursery.start_soon(node.acceptor.handle, there)
        await wait_all_tasks_blocked()
        assert node.acceptor.unfinished == 3 and node.reports == []
        for _, there in idle[3:]:
            nursery.start_soon(node.acceptor.handle, there)
            await wait_all_tasks_blocked()
        for here, _ in idle[:-3]:
            assert await is_closed(here)
        assert (node.acceptor.unfinished, node.acceptor.turned_away) == (3, 97)
        assert "closed, 3 later handshakes are under way" in node.reports[-1]
        assert len(node.reports) == AT_ONCE
        nursery.cancel_scope.cancel()
    assert node.acceptor.unfinished == 0


async def test_a_member_gets_through_while_strangers_hold_all_places(
    credentials: Credentials,
) -> None:
    node = Node(credentials["b"], unfinished_max=3)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(listen, node)
        host, port = listeners[0].socket.getsockname()
        strangers = [await trio.open_tcp_stream(host, port) for _ in range(50)]
        connection = await dial_to(listeners, credentials)
        await connection.frames.close()
        for stranger in strangers:
            await trio.aclose_forcefully(stranger)
        nursery.cancel_scope.cancel()
    assert node.met == ["a"]
    assert node.acceptor.turned_away >= 47


async def test_idle_strangers_make_room_after_the_deadline(
    credentials: Credentials, autojump_clock: MockClock
) -> None:
    node = Node(credentials["b"], unfinished_max=2, handshake_s=10)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            _, there = memory_stream_pair()
            nursery.start_soon(node.acceptor.handle, there)
        await trio.sleep(11)
        assert node.acceptor.unfinished == 0
        assert [report for report in node.reports if "no TLS handshake within 10" in report]


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b""])
async def test_what_is_no_node_is_reported_and_harms_nobody(
    credentials: Credentials, said: bytes
) -> None:
    node = Node(credentials["b"])
    here, there = memory_stream_pair()
    await here.send_all(said)
    await here.send_stream.aclose()
    await node.acceptor.handle(there)
    assert len(node.reports) == 1 and "TLS handshake failed" in node.reports[0]
    assert node.met == []


async def test_a_conversation_that_fails_is_reported_and_ends_alone(
    credentials: Credentials,
) -> None:
    node = Node(credentials["b"])

    def fail() -> None:
        raise ZeroDivisionError("planted")

    node.talks = fail
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(listen, node)
        for _ in range(2):
            connection = await dial_to(listeners, credentials)
            with pytest.raises(LinkLost):
                await connection.frames.receive_frame(within_s=5)
            await connection.frames.close()
        nursery.cancel_scope.cancel()
    assert node.met == ["a", "a"]
    assert [report.partition(": ")[2] for report in node.reports] == [
        f"the connection with a failed: {ZeroDivisionError('planted')!r}"
    ] * 2


# --- Over loopback ----------------------------------------------------------------------------


async def listen(
    node: Node, task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED
) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners)
    await serve(listeners, node.acceptor)


async def dial_to(
    listeners: list[trio.SocketListener], credentials: Credentials, *, expected: str = "b"
) -> Connection:
    host, port = listeners[0].socket.getsockname()
    return await dial(host, port, credentials["a"], lambda: local("a"), expected=expected)


async def test_two_nodes_meet_on_loopback(credentials: Credentials) -> None:
    node = Node(credentials["b"])
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(listen, node)
        connection = await dial_to(listeners, credentials)
        assert await connection.frames.receive_frame(within_s=5) == b"hi"
        await connection.frames.close()
        nursery.cancel_scope.cancel()
    assert node.met == ["a"]


async def test_the_wrong_node_at_an_address_is_told_apart(credentials: Credentials) -> None:
    node = Node(credentials["c"], "c")
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(listen, node)
        with pytest.raises(WeRefused, match="wrong address or certificate"):
            await dial_to(listeners, credentials)
        nursery.cancel_scope.cancel()


async def test_nobody_at_an_address_is_a_lost_link(credentials: Credentials) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    host, port = listener.socket.getsockname()
    await listener.aclose()
    with pytest.raises(LinkLost, match=f"cannot connect to {host}:{port}: Connection refused"):
        await dial(host, port, credentials["a"], lambda: local("a"), expected="b")


# --- Dialing without end ----------------------------------------------------------------------


class Attempts:
    """Attempts to connect, of which the numbers in `good` succeed."""

    def __init__(self, connection: Connection, good: tuple[int, ...]) -> None:
        self.connection = connection
        self.good = good
        self.times: list[float] = []
        self.reports: list[str] = []
        self.error: Exception = LinkLost("nobody there")
        self.lasts_s = LASTED_S

    async def attempt(self) -> Connection:
        self.times.append(trio.current_time())
        if len(self.times) in self.good:
            return self.connection
        raise self.error

    async def converse(self, connection: Connection) -> None:
        await trio.sleep(self.lasts_s)
        raise ZeroDivisionError

    async def run(self) -> None:
        backoff = Backoff(lambda: 1.0, least_s=1, most_s=8)
        await keep_dialing(self.attempt, self.converse, backoff=backoff, report=self.reports.append)

    def waits(self) -> list[float]:
        return [round(b - a) for a, b in zip(self.times, self.times[1:], strict=False)]


async def connected(credentials: Credentials) -> Connection:
    ends = await shake_hands(local("a"), local("b"), credentials)
    assert isinstance(ends.dialer, Connection)
    return ends.dialer


async def test_the_wait_grows_until_a_conversation_has_lasted(
    credentials: Credentials, autojump_clock: MockClock
) -> None:
    attempts = Attempts(await connected(credentials), good=(6,))
    async with in_background(attempts.run):
        await trio.sleep(34 + LASTED_S)
    assert attempts.waits() == [1, 2, 4, 8, 8, 1 + LASTED_S, 2, 4]
    assert attempts.reports.count("nobody there") == 8
    assert "the connection with b failed: ZeroDivisionError()" in attempts.reports


async def test_a_peer_that_hangs_up_after_every_handshake_is_dialed_less_and_less(
    credentials: Credentials, autojump_clock: MockClock
) -> None:
    attempts = Attempts(await connected(credentials), good=tuple(range(1, 10)))
    attempts.lasts_s = 0
    async with in_background(attempts.run):
        await trio.sleep(32)
    assert attempts.waits() == [1, 2, 4, 8, 8, 8]


async def test_no_error_ends_dialing(credentials: Credentials, autojump_clock: MockClock) -> None:
    attempts = Attempts(await connected(credentials), good=())
    attempts.error = ZeroDivisionError("planted")
    async with in_background(attempts.run):
        await trio.sleep(4)
    assert len(attempts.times) == 3
    assert "planted" in attempts.reports[0]
