"""Whom a connection replaces, and who learns of it."""

from __future__ import annotations

import trio
import trio.testing

from samebox.io.standing import Standings


async def test_who_waits_for_the_end_of_a_connection_waits_for_that_of_its_successor() -> None:
    standings = Standings("a", ("a", "b"))
    is_down = trio.Event()

    async def dial_later() -> None:
        await standings.until_down("b")
        is_down.set()

    standings.up("b", 1, "b", trio.CancelScope())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial_later)
        await trio.testing.wait_all_tasks_blocked()
        standings.up("b", 2, "b", trio.CancelScope())
        standings.down("b", 1, "a newer connection took over")
        await trio.testing.wait_all_tasks_blocked()
        assert not is_down.is_set()
        standings.down("b", 2, "lost")
        await trio.testing.wait_all_tasks_blocked()
        assert is_down.is_set()
        nursery.cancel_scope.cancel()
