"""Blobs to be pulled: all who wait are woken, and who asks the peers learns of what is new."""

from __future__ import annotations

from hashlib import sha256

import trio
import trio.testing
from trio.testing import MockClock

from crdt import Blob
from samebox.io.wanted_blobs import WantedBlobs
from samebox.pulling import STALL_S


def blob(number: int) -> Blob:
    return Blob(sha256(str(number).encode()).digest(), 1)


async def test_a_blob_that_somebody_waits_for_comes_first_and_wakes_all_who_wait() -> None:
    wanted = WantedBlobs()
    wanted.up("b")
    wanted.add(blob(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wanted.wait, blob(2))
        nursery.start_soon(wanted.wait, blob(2))
        await trio.testing.wait_all_tasks_blocked()
        assert wanted.is_urgent(blob(2))
        assert [wanted.next_nowait("b"), wanted.next_nowait("b")] == [blob(2), blob(1)]
        wanted.stored(blob(2))
    assert len(wanted) == 1


async def test_one_of_two_who_wait_may_go() -> None:
    wanted = WantedBlobs()
    async with trio.open_nursery() as nursery:
        gone = trio.CancelScope()

        async def waits_and_goes() -> None:
            with gone:
                await wanted.wait(blob(1))

        nursery.start_soon(waits_and_goes)
        nursery.start_soon(wanted.wait, blob(1))
        await trio.testing.wait_all_tasks_blocked()
        gone.cancel()
        await trio.testing.wait_all_tasks_blocked()
        wanted.stored(blob(1))


async def test_who_waits_for_what_no_peer_has_has_it_looked_for_again_and_again(
    autojump_clock: MockClock,
) -> None:
    wanted = WantedBlobs()
    wanted.up("b")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wanted.wait, blob(1))
        for _ in range(3):
            await wanted.wait_for("b")
            assert wanted.next_nowait("b") == blob(1)
            wanted.lacks("b", blob(1))
            assert len(wanted) == 0
        wanted.stored(blob(1))


async def test_who_asks_a_peer_is_woken_by_what_is_new_what_is_free_and_what_stalls(
    autojump_clock: MockClock,
) -> None:
    wanted = WantedBlobs()
    wanted.up("b")
    wanted.up("c")
    got: list[Blob | None] = []

    async def ask() -> None:
        await wanted.wait_for("c")
        got.append(wanted.next_nowait("c"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        wanted.add(blob(1))
    assert wanted.next_nowait("b") is None
    async with trio.open_nursery() as nursery:
        wanted.add(blob(2))
        assert wanted.next_nowait("b") == blob(2)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        wanted.release("b", blob(2))
    began = trio.current_time()
    wanted.add(blob(3))
    assert wanted.next_nowait("b") == blob(3)
    wanted.progressed("c", blob(1))
    wanted.stored(blob(1))
    wanted.stored(blob(2))
    await ask()
    assert got == [blob(1), blob(2), blob(3)]
    assert STALL_S <= trio.current_time() - began <= 2 * STALL_S


async def test_a_long_blob_is_looked_for_here_too() -> None:
    wanted = WantedBlobs()
    long = Blob(bytes(32), 5 << 20, bytes(32))
    wanted.add(blob(1))
    wanted.add(long)
    assert await wanted.next_long() == long
