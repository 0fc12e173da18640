"""What of a range can be sent without the disk: all of it in one message, or nothing."""

from __future__ import annotations

from contextlib import aclosing
from typing import cast

import pytest

from comm import CHAIN_PREFIX_BYTES, RECORDS_BYTES_TARGET, RECORDS_TARGET, Range
from crdt import Blob, Record
from samebox.events import Carried
from samebox.io import sending
from samebox.io.contents import Contents
from samebox.io.disk_thread import DiskThread
from samebox.io.refusals import Refusals
from samebox.io.sending import Source
from storage import Log, Packs
from tests.site import actor_named

A = actor_named("a")
HELD, ELSEWHERE = Blob(b"h" * 32, 4), Blob(b"e" * 32, 4)
LONG = Blob(b"l" * 32, RECORDS_BYTES_TARGET // 4)
NAMED = {b"names held": HELD, b"names another": ELSEWHERE, b"": LONG}


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    """One that has no disk: what asks for it fails."""
    contents = Contents(cast(DiskThread, None), cast(Packs, None), cast(Refusals, None))
    contents.remember([Carried(HELD.hash, b"held"), Carried(LONG.hash, bytes(LONG.size))])
    monkeypatch.setattr(sending, "rider", lambda record: NAMED.get(record.data))
    return Source(cast(DiskThread, None), cast(Log, None), contents)


def records(*data: bytes) -> list[Record]:
    return [Record(A, seq, bytes([seq % 256]) * 32, one) for seq, one in enumerate(data, 1)]


def test_a_range_in_memory_is_one_message(source: Source) -> None:
    source.recent.add(records(b"one", b"names held", b"three"))
    part = source.at_hand(Range(A, 2, 3))
    assert part is not None
    assert part.message.items == [(b"names held", (b"held",)), (b"three", ())]
    assert (part.message.first, part.message.chain) == (2, b"\x03" * CHAIN_PREFIX_BYTES)
    assert (part.span, part.length) == (Range(A, 2, 3), len(b"names heldheldthree"))


@pytest.mark.parametrize(
    "span", [Range(A, 1, 3), Range(A, 3, 3), Range(actor_named("b"), 1, 1)], ids=str
)
def test_of_a_range_that_is_not_all_in_memory_nothing_is_sent(source: Source, span: Range) -> None:
    source.recent.add(records(b"one", b"two"))
    assert source.at_hand(span) is None


def test_contents_that_are_not_in_memory_are_left_to_the_disk(source: Source) -> None:
    source.recent.add(records(b"one", b"names another", b"three"))
    assert source.at_hand(Range(A, 1, 3)) is None
    assert source.at_hand(Range(A, 3, 3)) is not None


@pytest.mark.parametrize(("over", "is_sent"), [(0, True), (1, False)])
def test_a_range_that_fills_more_than_one_message_is_left_to_the_sender(
    source: Source, over: int, is_sent: bool
) -> None:
    """A message is closed by the record that fills it."""
    half = bytes(RECORDS_BYTES_TARGET // 2)
    source.recent.add(records(half, half, *[b"x"] * over))
    assert (source.at_hand(Range(A, 1, 2 + over)) is not None) is is_sent


@pytest.mark.parametrize(("count", "is_sent"), [(4, True), (5, False)])
def test_contents_count_for_what_one_message_takes(
    source: Source, count: int, is_sent: bool
) -> None:
    """Short records are read many at a time; with their contents they may fill many messages."""
    source.recent.add(records(*[b""] * count))
    assert (source.at_hand(Range(A, 1, count)) is not None) is is_sent


@pytest.mark.parametrize(("over", "is_sent"), [(0, True), (1, False)])
def test_one_message_takes_no_more_records_than_a_step_of_the_peer(
    source: Source, over: int, is_sent: bool
) -> None:
    count = RECORDS_TARGET + over
    source.recent.add(records(*[b"x"] * count))
    assert (source.at_hand(Range(A, 1, count)) is not None) is is_sent


async def test_a_long_range_is_sent_in_messages_that_are_a_step_each(source: Source) -> None:
    source.recent.add(records(*[b"x"] * (2 * RECORDS_TARGET + 1)))
    async with aclosing(source.messages(Range(A, 1, 2 * RECORDS_TARGET + 1))) as parts:
        lengths = [len(part.message.items) async for part in parts]
    assert lengths == [RECORDS_TARGET, RECORDS_TARGET, 1]
