"""A link carries messages both ways, feels a peer that is gone, and never holds more than a
frame for one that does not read."""

from collections import deque
from collections.abc import Sequence
from functools import partial

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked

from comm import (
    Ack,
    Bye,
    ConnectionFinished,
    Hello,
    LinkLost,
    LogBase,
    Message,
    NoBlob,
    PeerBroke,
    PeerRefused,
    Ping,
    Pong,
    Records,
    Refusal,
    Want,
    encode,
    encode_frame,
)
from comm.io import FrameStream, LinkEnd, LinkTimes, run_link
from comm.io.link import BYE_S
from tests.comm.phrases import A, B, chain, hello
from tests.comm.wires import OneByteAtATime, Peer, in_background

TIMES = LinkTimes(ping_every_s=5, silence_s=20, stall_s=60)
RUN = Records(A, 1, bytes(8), [(b"one", ()), (b"two", (b"blob",))])
SAID: list[Message] = [RUN, Ack([(A, 2)]), Want(B, 1, 7), Ack([], [(A, 2)], True)]


class Node:
    """Both ports of a link: keeps what is received, gives what was put."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.round_trips: list[float] = []
        self.taken = 0
        self._waiting: deque[Sequence[Message] | None] = deque()
        self._room = trio.Semaphore(0)
        self.is_open = trio.Event()
        self.is_open.set()

    async def received(self, message: Records | Ack | Want | LogBase) -> None:
        await self.is_open.wait()
        self.heard.append(message)

    def measured(self, round_trip_s: float) -> None:
        self.round_trips.append(round_trip_s)

    def put(self, *messages: Message) -> None:
        self._waiting.append(messages)
        self._room.release()

    def close(self) -> None:
        self._waiting.append(None)
        self._room.release()

    async def next(self) -> Sequence[Message] | None:
        await self._room.acquire()
        self.taken += 1
        return self._waiting.popleft()


class Link:
    """A link run by `node`, its other end in the hand of the test."""

    def __init__(self, streams: tuple[trio.abc.Stream, trio.abc.Stream] | None = None) -> None:
        here, there = streams or memory_stream_pair()
        self.node = Node()
        self.peer = Peer(there)
        self.frames = FrameStream(here)
        self.end: LinkEnd | None = None

    async def run(self) -> LinkEnd:
        self.end = await run_link(self.frames, inbox=self.node, outbox=self.node, times=TIMES)
        return self.end


async def ended_by(said: bytes) -> tuple[LinkEnd, Node]:
    """How a link ends on which the peer says this and closes."""
    link = Link()
    await link.peer.stream.send_all(said)
    await link.peer.stream.send_stream.aclose()  # type: ignore[attr-defined]
    return await link.run(), link.node


def framed(*messages: Message) -> bytes:
    return b"".join(encode_frame(encode(message)) for message in messages)


# --- Traffic ----------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [False, True], ids=["whole", "byte by byte"])
async def test_messages_travel_both_ways_in_order(slow: bool) -> None:
    here, there = memory_stream_pair()
    link = Link((OneByteAtATime(here), OneByteAtATime(there)) if slow else (here, there))
    async with in_background(link.run):
        link.node.put(*SAID)
        await link.peer.say(*SAID)
        assert [await link.peer.hear() for _ in SAID] == SAID
        await wait_all_tasks_blocked()
        assert link.node.heard == SAID


async def test_large_messages_are_written_one_after_the_other() -> None:
    link = Link()
    large = [Records(A, seq, bytes(8), [(bytes(300_000), ())]) for seq in range(1, 5)]
    async with in_background(link.run):
        link.node.put(*large, Ping(1))
        link.peer.frames.reader.limit = 1 << 20
        assert [await link.peer.hear() for _ in range(5)] == [*large, Ping(1)]


async def test_a_message_of_a_later_version_is_skipped_and_counted() -> None:
    later = b"\0\0\0\x03\x92\x63\x01"
    end, node = await ended_by(later + framed(RUN) + later)
    assert end.skipped == 2
    assert node.heard == [RUN]


async def test_a_full_node_reads_no_further_and_loses_nothing(autojump_clock: MockClock) -> None:
    link = Link()
    link.node.is_open = trio.Event()
    async with in_background(link.run):
        for seq in range(1, 100):
            await link.peer.say(Want(A, seq, seq))
        await trio.sleep(10 * TIMES.silence_s)
        assert link.end is None and link.node.heard == []
        link.node.is_open.set()
        await link.peer.say(Ping(1))
        await wait_all_tasks_blocked()
        assert link.node.heard == [Want(A, seq, seq) for seq in range(1, 100)]


# --- Life and death ---------------------------------------------------------------------------


async def test_two_idle_nodes_stay_linked_for_an_hour(autojump_clock: MockClock) -> None:
    here, there = memory_stream_pair()
    one, other = Link((here, there)), Link((there, here))
    async with in_background(one.run), in_background(other.run):
        await trio.sleep(3600)
        assert one.end is None and other.end is None
        assert len(one.node.round_trips) > 700 and set(one.node.round_trips) == {0}


async def test_the_round_trip_is_measured(autojump_clock: MockClock) -> None:
    link = Link()
    async with in_background(link.run):
        assert await link.peer.hear() == Ping(1)
        await trio.sleep(0.7)
        await link.peer.say(Pong(1), Pong(99))
        await wait_all_tasks_blocked()
        assert link.node.round_trips == [pytest.approx(0.7)]


async def test_a_ping_is_answered_at_once(autojump_clock: MockClock) -> None:
    link = Link()
    async with in_background(link.run):
        started = trio.current_time()
        await link.peer.say(Ping(70))
        assert await link.peer.hear() == Pong(70)
        assert trio.current_time() == started


async def test_of_pings_without_number_only_the_last_waits_for_an_answer(
    autojump_clock: MockClock,
) -> None:
    link = Link(lockstep_stream_pair())
    async with in_background(link.run):
        for number in range(1000):
            await link.peer.say(Ping(number))
        await wait_all_tasks_blocked()
        answers = [await link.peer.hear(), await link.peer.hear()]
        assert answers == [Pong(0), Pong(999)]


async def test_a_peer_that_falls_silent_is_given_up(autojump_clock: MockClock) -> None:
    link = Link()
    started = trio.current_time()
    end = await link.run()
    assert isinstance(end.error, LinkLost)
    assert end.reason == "nothing came from the peer for 20 s"
    assert trio.current_time() - started == pytest.approx(TIMES.silence_s)


async def test_a_peer_that_never_reads_costs_one_write_and_is_given_up(
    autojump_clock: MockClock,
) -> None:
    link = Link(lockstep_stream_pair())
    for _ in range(1000):
        link.node.put(RUN)

    async with in_background(link.peer.keep_pinging):
        end = await link.run()
    assert end.reason == "the peer took nothing for 60 s"
    assert link.node.taken == 1


async def test_a_peer_that_neither_reads_nor_speaks_is_given_up_for_its_silence(
    autojump_clock: MockClock,
) -> None:
    """Though the sender and the pings wait for it still."""
    link = Link(lockstep_stream_pair())
    link.node.put(RUN)
    started = trio.current_time()
    assert (await link.run()).reason == "nothing came from the peer for 20 s"
    assert trio.current_time() - started == pytest.approx(TIMES.silence_s)


async def test_the_silence_is_counted_from_when_this_node_listens_again(
    autojump_clock: MockClock,
) -> None:
    link = Link()
    link.node.is_open = trio.Event()
    async with in_background(link.run):
        await link.peer.say(RUN)
        await trio.sleep(3.5 * TIMES.silence_s)
        link.node.is_open.set()
        reasons: list[str] = []
        for share in (0.9, 0.2):
            await trio.sleep(share * TIMES.silence_s)
            reasons.append("" if link.end is None else link.end.reason)
    assert reasons == ["", "nothing came from the peer for 20 s"]


async def test_a_peer_that_reads_slowly_is_kept(autojump_clock: MockClock) -> None:
    link = Link(lockstep_stream_pair())
    link.node.put(RUN)

    async with in_background(link.run), in_background(link.peer.keep_pinging):
        for _ in range(100):
            await trio.sleep(1)
            await link.peer.stream.receive_some(1)
        assert link.end is None


async def test_a_link_that_is_closed_here_says_bye() -> None:
    link = Link()
    link.node.put(RUN)
    link.node.close()
    end = await link.run()
    assert str(end.error) == "this node closed the link"
    assert await link.peer.hear() == RUN
    assert isinstance(await link.peer.hear(), Bye)


async def test_bye_is_not_waited_for(autojump_clock: MockClock) -> None:
    link = Link(lockstep_stream_pair())
    link.node.close()
    started = trio.current_time()
    end = await link.run()
    assert isinstance(end.error, LinkLost)
    assert trio.current_time() - started == pytest.approx(BYE_S)


async def test_the_reasons_that_a_peer_gives() -> None:
    end, _ = await ended_by(framed(Bye("stopping")))
    assert isinstance(end.error, LinkLost) and "stopping" in end.reason
    end, _ = await ended_by(framed(Refusal("actor", "not you")))
    assert isinstance(end.error, PeerRefused) and end.error.code == "actor"


async def test_the_end_at_every_byte_ends_the_link_after_what_came_whole() -> None:
    stream = framed(*SAID)
    edges = [len(framed(*SAID[:count])) for count in range(len(SAID) + 1)]
    for length in range(len(stream) + 1):
        end, node = await ended_by(stream[:length])
        whole = sum(1 for edge in edges[1:] if edge <= length)
        assert node.heard == SAID[:whole]
        inside = "" if length in edges else " inside a frame"
        assert end.reason == f"the peer closed the connection{inside}"


@pytest.mark.parametrize("message", [hello(), NoBlob(chain("x"))], ids=["Hello", "NoBlob"])
async def test_a_message_that_belongs_elsewhere_ends_the_link(message: Hello | NoBlob) -> None:
    end, node = await ended_by(framed(RUN, message, RUN))
    assert isinstance(end.error, PeerBroke) and f"found {type(message).__name__}" in end.reason
    assert node.heard == [RUN]


@pytest.mark.parametrize(
    "garbage",
    [bytes(4), b"\xff" * 50, b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x04\x92\x06\x01\x01"],
)
async def test_garbage_ends_the_link_and_nothing_else(garbage: bytes) -> None:
    end, node = await ended_by(framed(RUN) + garbage)
    assert isinstance(end.error, PeerBroke)
    assert node.heard == [RUN]


async def test_an_error_of_a_port_passes_through_and_the_connection_is_closed() -> None:
    link = Link()

    async def fails(message: object) -> None:
        raise ZeroDivisionError

    link.node.received = fails  # type: ignore[method-assign]
    await link.peer.say(RUN)
    with pytest.RaisesGroup(ZeroDivisionError):
        await link.run()
    with pytest.raises(LinkLost, match="closed"):
        await link.peer.hear()


async def test_cancelling_a_link_closes_its_connection() -> None:
    link = Link()
    async with in_background(link.run):
        await wait_all_tasks_blocked()
    with pytest.raises(LinkLost, match="closed"):
        await link.peer.hear()


# --- Sends that did not end -------------------------------------------------------------------


async def test_after_a_cancelled_send_the_connection_is_finished() -> None:
    here, there = lockstep_stream_pair()
    frames = FrameStream(here)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(there.receive_some, 1)
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_when_blocked, scope)
            await frames.send_frames(framed(RUN), within_s=10)
        assert scope.cancelled_caught
    with pytest.raises(ConnectionFinished):
        await frames.send_frames(framed(RUN), within_s=10)


async def cancel_when_blocked(scope: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()


async def test_a_send_that_only_waited_for_its_turn_may_be_cancelled() -> None:
    here, there = lockstep_stream_pair()
    frames, peer = FrameStream(here), Peer(there)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: frames.send_frames(framed(RUN), within_s=10))
        await wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_when_blocked, scope)
            await frames.send_frames(framed(Ping(1)), within_s=10)
        assert await peer.hear() == RUN
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: frames.send_frames(framed(Ping(2)), within_s=10))
        assert await peer.hear() == Ping(2)


async def test_frames_of_several_senders_are_never_mixed() -> None:
    here, there = memory_stream_pair()
    frames, peer = FrameStream(OneByteAtATime(here)), Peer(there)
    async with trio.open_nursery() as nursery:
        for number in range(20):
            data = framed(Ping(number))
            nursery.start_soon(partial(frames.send_frames, data, within_s=10))
    heard = [await peer.hear() for _ in range(20)]
    assert sorted(map(repr, heard)) == sorted(repr(Ping(number)) for number in range(20))


async def test_after_close_nothing_is_sent_or_received() -> None:
    here, _ = memory_stream_pair()
    frames = FrameStream(here)
    await frames.close()
    with pytest.raises(ConnectionFinished):
        await frames.send_frames(b"x", within_s=1)
    with pytest.raises(LinkLost, match="closed here"):
        await frames.receive_frame(within_s=1)
