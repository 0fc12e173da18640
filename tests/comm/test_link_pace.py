"""A peer that talks without end leaves others their turns, and of small talk gets a pace."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from comm import FRAME_BYTES_MAX, Ack, LogBase, Message, Records, Want, encode, encode_frame
from comm.io import FrameStream, run_link
from comm.io.link import CONTROL_BURST_S, CONTROL_BYTE_S, CONTROL_EVERY_S
from comm.messages import ACK_ENTRIES_MAX
from tests.comm.phrases import A
from tests.comm.wires import in_background


class Quiet:
    """Counts what it hears, and has nothing to say."""

    def __init__(self) -> None:
        self.heard = 0
        self.turns = 0

    async def received(self, message: Records | Ack | Want | LogBase) -> None:
        self.heard += 1

    def measured(self, round_trip_s: float) -> None:
        pass

    async def next(self) -> Sequence[Message] | None:
        await trio.sleep_forever()
        raise AssertionError

    async def count_turns(self) -> None:
        """Of the scheduler, for as long as messages come."""
        while True:
            await trio.lowlevel.checkpoint()
            self.turns += 1


def framed(message: Message) -> bytes:
    return encode_frame(encode(message))


RECORDS = framed(Records(A, 1, bytes(8), [(b"one", ())]))
WANT = framed(Want(A, 1, 7))


@pytest.mark.parametrize(
    ("one_turn", "messages"), [(RECORDS + WANT, 2), (RECORDS * 2, 2), (WANT, 1)]
)
async def test_records_and_what_came_with_them_have_one_turn_and_then_all_others_have_theirs(
    one_turn: bytes, messages: int
) -> None:
    quiet = Quiet()
    here, there = memory_stream_pair()
    await there.send_all(one_turn * 100)
    await there.send_stream.aclose()
    async with in_background(quiet.count_turns):
        await run_link(FrameStream(here), inbox=quiet, outbox=quiet)
        assert quiet.heard == 100 * messages
        assert 100 <= quiet.turns < 150


async def test_small_talk_goes_by_a_pace_and_little_of_it_is_never_held_up(
    autojump_clock: MockClock,
) -> None:
    quiet = Quiet()
    here, there = memory_stream_pair()
    async with in_background(lambda: run_link(FrameStream(here), inbox=quiet, outbox=quiet)):
        free = round(CONTROL_BURST_S / CONTROL_EVERY_S) - 10
        for _ in range(3):
            quiet.heard = 0
            await trio.sleep(1)
            await there.send_all(framed(Ack([(A, 2)])) * free)
            await wait_all_tasks_blocked()
            assert quiet.heard == free
        await trio.sleep(1)
        quiet.heard = 0
        await there.send_all(framed(Want(A, 1, 7)) * 10 * free)
        await trio.sleep(CONTROL_BURST_S)
        assert quiet.heard <= 3 * free
        await trio.sleep(10 * CONTROL_BURST_S)
        assert quiet.heard == 10 * free


async def test_long_small_talk_is_paced_by_its_length(autojump_clock: MockClock) -> None:
    quiet = Quiet()
    here, there = memory_stream_pair()
    frames = FrameStream(here)
    frames.reader.limit = FRAME_BYTES_MAX
    long = framed(Ack([(number.to_bytes(16, "big"), 1) for number in range(ACK_ENTRIES_MAX)]))
    began = trio.current_time()
    await there.send_all(long * 3)
    await there.send_stream.aclose()
    await run_link(frames, inbox=quiet, outbox=quiet)
    assert quiet.heard == 3
    assert trio.current_time() - began >= 3 * len(long) * CONTROL_BYTE_S - CONTROL_BURST_S
