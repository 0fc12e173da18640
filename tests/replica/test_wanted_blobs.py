"""Blobs to be pulled: who waits comes first, who has gone is forgotten, and nobody starves."""

from __future__ import annotations

from hashlib import sha256

import trio
import trio.testing

from crdt import Blob
from samebox.io.wanted_blobs import WANTED_MAX, WantedBlobs


def blob(number: int) -> Blob:
    return Blob(sha256(str(number).encode()).digest(), 1)


async def test_a_blob_that_somebody_waits_for_comes_first_and_wakes_all_who_wait() -> None:
    wanted = WantedBlobs()
    wanted.add(blob(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wanted.wait, blob(2))
        nursery.start_soon(wanted.wait, blob(2))
        await trio.testing.wait_all_tasks_blocked()
        assert await wanted.next() == [blob(2), blob(1)]
        wanted.stored(blob(2))
    assert await wanted.next() == [blob(1)]


async def test_a_blob_that_nobody_waits_for_any_more_is_forgotten_where_no_peer_has_it() -> None:
    wanted = WantedBlobs()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wanted.wait, blob(1))
        await trio.testing.wait_all_tasks_blocked()
        wanted.forget([blob(1)])
        assert len(wanted) == 1
        nursery.cancel_scope.cancel()
    wanted.forget([blob(1)])
    assert len(wanted) == 0


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
        wanted.forget([blob(1)])
        assert len(wanted) == 1
        wanted.stored(blob(1))


async def test_blobs_that_no_peer_has_let_others_go_first_though_somebody_waits() -> None:
    wanted = WantedBlobs()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wanted.wait, blob(1))
        await trio.testing.wait_all_tasks_blocked()
        wanted.add(blob(2))
        wanted.forget([blob(1)])
        assert await wanted.next() == [blob(2), blob(1)]
        nursery.cancel_scope.cancel()


async def test_what_is_remembered_is_bounded() -> None:
    wanted = WantedBlobs()
    for number in range(WANTED_MAX + 5):
        wanted.add(blob(number))
    assert len(wanted) == WANTED_MAX
