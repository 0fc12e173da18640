"""Blobs pulled from several peers at once: one that stalls, trickles, lies or breaks delays no
other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from typing_extensions import override

from crdt import CHUNK_BYTES, Blob
from samebox.io.puller import GROUP_MAX, TURN_MAX
from samebox.pulling import STALL_S
from tests.replica.holders import (
    SHORT,
    SOON_S,
    Breaking,
    Deaf,
    Holder,
    Lying,
    Site,
    Trickling,
    named,
    short,
)


async def test_all_is_pulled_once_with_one_sync_for_many(autojump_clock: MockClock) -> None:
    site, b, c = Site(), Holder(*SHORT), Holder(*SHORT)
    async with site.pulling_from(b, c):
        for blob in short(*SHORT):
            site.wanted.add(blob)
        await trio.sleep(SOON_S)
    assert set(site.pieces.held) == set(map(named, SHORT))
    assert sorted(b.asked + c.asked) == sorted(map(named, SHORT)), "each was asked for once"
    assert b.asked and c.asked
    assert site.pieces.syncs <= len(SHORT) // GROUP_MAX + 2
    assert (b.connections, c.connections, site.reports) == (1, 1, [])


@pytest.mark.parametrize("hostile", [Deaf, Trickling, Lying])
async def test_a_hostile_peer_delays_no_blob_that_another_peer_has(
    autojump_clock: MockClock, hostile: Callable[..., Holder]
) -> None:
    site, bad, good = Site(), hostile(*SHORT), Holder(*SHORT)
    async with site.pulling_from(bad, good):
        for blob in short(*SHORT):
            site.wanted.add(blob)
        await site.has(*short(*SHORT), within_s=STALL_S * 2 + SOON_S)
        assert bad.asked, "it was asked, too"
        assert set(site.pieces.held) == set(map(named, SHORT))


async def test_a_peer_that_cannot_be_reached_delays_nothing_at_all(
    autojump_clock: MockClock,
) -> None:
    class Unreachable(Holder):
        @override
        async def answer_the_call(self) -> None:
            await trio.sleep_forever()

    site, away, good = Site(), Unreachable(*SHORT), Holder(*SHORT)
    async with site.pulling_from(away, good):
        for blob in short(*SHORT):
            site.wanted.add(blob)
        await site.has(*short(*SHORT), within_s=SOON_S)
    assert SOON_S < STALL_S


async def test_a_peer_that_lets_bytes_trickle_is_given_up_and_asked_again_later(
    autojump_clock: MockClock,
) -> None:
    data = bytes(CHUNK_BYTES)
    site, bad = Site(), Trickling(data)
    async with site.pulling_from(bad):
        site.wanted.add(*short(data))
        await trio.sleep(59)
        assert site.reports == []
        await trio.sleep(61)
    assert "no more than" in site.reports[0] and "for 60" in site.reports[0]
    assert bad.connections == 2


async def test_what_only_a_breaking_peer_has_comes_all_the_same_bit_by_bit(
    autojump_clock: MockClock,
) -> None:
    site, breaking = Site(), Breaking(3, *SHORT[:10])
    async with site.pulling_from(breaking):
        await site.has(*short(*SHORT[:10]), within_s=30)
    assert len(breaking.asked) <= 15, "what has come is not asked for again"


def long(count: int) -> tuple[Blob, list[bytes]]:
    """A blob of so many chunks, and its pieces: the list, then the chunks."""
    chunks = [bytes([number]) * CHUNK_BYTES for number in range(count)]
    listed = b"".join(map(named, chunks))
    return Blob(named(b"".join(chunks)), count * CHUNK_BYTES, named(listed)), [listed, *chunks]


async def test_a_long_blob_goes_on_at_another_peer_where_the_first_one_broke(
    autojump_clock: MockClock,
) -> None:
    blob, pieces = long(6)
    site, first, second = Site(), Breaking(4, *pieces), Holder(*pieces)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.puller("b", first, nursery).run)
        await trio.testing.wait_all_tasks_blocked()
        site.wanted.add(blob)
        await trio.testing.wait_all_tasks_blocked(0.001)
        assert len(first.asked) == 4
        nursery.start_soon(site.puller("c", second, nursery).run)
        await site.has(blob)
        nursery.cancel_scope.cancel()
    assert set(site.pieces.held) == set(map(named, pieces))
    assert site.stored == [blob]
    assert not set(first.asked[:3]) & set(second.asked), "what has come is not asked for again"


async def test_a_long_blob_that_stalls_is_taken_over_with_what_has_come_of_it(
    autojump_clock: MockClock,
) -> None:
    blob, pieces = long(5)

    class Stalling(Holder):
        @override
        async def read_blob(self, hash: bytes) -> bytes | None:
            if len(self.asked) == 3:
                await trio.sleep_forever()
            return await super().read_blob(hash)

    site, first, second = Site(), Stalling(*pieces), Holder(*pieces)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.puller("b", first, nursery).run)
        await trio.testing.wait_all_tasks_blocked()
        site.wanted.add(blob)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(site.puller("c", second, nursery).run)
        await site.has(blob, within_s=STALL_S * 2 + SOON_S)
        nursery.cancel_scope.cancel()
    assert not set(first.asked) & set(second.asked)


async def test_a_long_blob_keeps_no_other_waiting(autojump_clock: MockClock) -> None:
    blob, pieces = long(5 * TURN_MAX)
    site, b = Site(), Holder(*pieces, *SHORT[:3])
    async with site.pulling_from(b):
        site.wanted.add(blob)
        await trio.lowlevel.checkpoint()
        for one in short(*SHORT[:3]):
            site.wanted.add(one)
        await site.has(blob, within_s=60)
    assert site.stored[-1] == blob and len(site.stored) == 4
    last = max(b.asked.index(named(data)) for data in SHORT[:3])
    assert last <= TURN_MAX + 4
    assert len(b.asked) == len(set(b.asked)), "nothing is asked for twice"


async def test_what_has_come_is_told_before_a_long_blob_is_begun(
    autojump_clock: MockClock,
) -> None:
    blob, pieces = long(3)

    class Stopping(Holder):
        @override
        async def read_blob(self, hash: bytes) -> bytes | None:
            if hash == named(pieces[1]):
                await trio.sleep_forever()
            return await super().read_blob(hash)

    site, b = Site(), Stopping(*pieces, *SHORT[:3])
    async with site.pulling_from(b):
        for one in (*short(*SHORT[:3]), blob):
            site.wanted.add(one)
        await trio.sleep(SOON_S)
        assert site.stored == short(*SHORT[:3])


async def test_a_list_that_is_none_leaves_the_blob_missing_and_pulls_on(
    autojump_clock: MockClock,
) -> None:
    site, b = Site(), Holder(b"no list", *SHORT[:3])
    async with site.pulling_from(b):
        site.wanted.add(Blob(named(b"x"), 3 * CHUNK_BYTES, named(b"no list")))
        await site.has(*short(*SHORT[:3]))
    assert len(site.stored) == 3 and site.reports == []


async def test_while_the_disk_is_full_nothing_is_lost(autojump_clock: MockClock) -> None:
    site, b = Site(), Holder(*SHORT[:3])
    site.pieces.fails = 2
    async with site.pulling_from(b):
        await site.has(*short(*SHORT[:3]), within_s=60)
    assert site.pieces.fails == 0 and site.reports == [], "who keeps the pieces says so"


async def test_what_no_peer_has_is_asked_for_now_and_then_and_found_when_one_has_it(
    autojump_clock: MockClock,
) -> None:
    site, b, c = Site(), Holder(), Holder()
    async with site.pulling_from(b, c), trio.open_nursery() as nursery:
        nursery.start_soon(partial(site.has, *short(SHORT[0]), within_s=60))
        await trio.sleep(20)
        assert 20 <= len(b.asked) <= 50
        c.pieces[named(SHORT[0])] = SHORT[0]
        await site.has(*short(SHORT[0]))


async def test_an_error_that_nobody_foresaw_ends_no_puller(autojump_clock: MockClock) -> None:
    site, b = Site(), Holder(*SHORT[:2])
    take = site.take

    def fail_once(blob: Blob) -> None:
        site.take = take  # type: ignore[method-assign]
        raise ZeroDivisionError("planted")

    site.take = fail_once  # type: ignore[method-assign]
    async with site.pulling_from(b):
        await site.has(*short(*SHORT[:2]), within_s=20)
    assert site.reports == ["pulling blobs failed: ZeroDivisionError('planted')"]


async def test_a_connection_on_which_nothing_is_asked_is_closed_and_opened_again(
    autojump_clock: MockClock,
) -> None:
    site, b = Site(), Holder(*SHORT)
    async with site.pulling_from(b):
        await site.has(*short(SHORT[0]))
        await trio.sleep(400)
        await site.has(*short(SHORT[1]))
    assert (b.connections, site.reports) == (2, [])
