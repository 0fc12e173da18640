"""Whom a connection replaces, and who learns of it."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import MockClock, memory_stream_pair

from comm import Accepted
from comm.handshake import QUIET_S
from comm.io import Connection, FrameStream
from samebox.io.standing import Standings
from tests.comm.phrases import hello, welcome


def connection(dialer: str, life: bytes = b"1") -> Connection:
    """Of a with b, as a sees it."""
    frames = FrameStream(memory_stream_pair()[0])
    theirs = welcome("b", incarnation=life)
    return Connection(frames, hello("a"), theirs, Accepted("b", (), True), dialer, 1)


async def test_who_waits_for_the_end_of_a_connection_waits_for_that_of_its_successor() -> None:
    standings = Standings("a", ("a", "b"))
    is_down = trio.Event()

    async def dial_later() -> None:
        await standings.until_down("b")
        is_down.set()

    standings.up(connection("b"), 1, trio.CancelScope())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial_later)
        await trio.testing.wait_all_tasks_blocked()
        standings.up(connection("b"), 2, trio.CancelScope())
        standings.down("b", 1, "a newer connection took over")
        await trio.testing.wait_all_tasks_blocked()
        assert not is_down.is_set()
        standings.down("b", 2, "lost")
        await trio.testing.wait_all_tasks_blocked()
        assert is_down.is_set()
        nursery.cancel_scope.cancel()


async def test_who_waits_for_a_connection_learns_of_each() -> None:
    standings = Standings("a", ("a", "b"))
    for link in (1, 2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(standings.until_up, "b")
            await trio.testing.wait_all_tasks_blocked()
            standings.up(connection("b"), link, trio.CancelScope())
        standings.down("b", link, "lost")


async def test_after_a_power_cut_the_peer_of_the_greater_name_is_taken_at_once() -> None:
    standings = Standings("a", ("a", "b"))
    half_open = trio.CancelScope()
    standings.up(connection("a"), 1, half_open)
    assert not standings.takes(connection("b")), "both dialed at once"
    again = connection("b", life=b"2")
    assert standings.takes(again)
    standings.up(again, 2, trio.CancelScope())
    assert half_open.cancel_called


async def test_a_silent_connection_makes_way_long_before_it_is_given_up(
    autojump_clock: MockClock,
) -> None:
    standings = Standings("a", ("a", "b"))
    standings.up(connection("a"), 1, trio.CancelScope())
    await trio.sleep(QUIET_S - 1)
    assert not standings.takes(connection("b"))
    await trio.sleep(1)
    assert standings.takes(connection("b"))
