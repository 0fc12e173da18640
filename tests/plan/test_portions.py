"""Long lists become several operations; what cannot be cut is refused one above its bound."""

from __future__ import annotations

import pytest

from crdt.ids import Dot
from crdt.operations import (
    DELETED,
    EntriesExpunged,
    EntriesMoved,
    EntryCopied,
    FlagsStored,
    FolderMade,
)
from crdt.records import RECORD_BYTES_MAX
from crdt.refusals import Code
from crdt.requests import Copy, Expunge, Mode, Rename, Store
from crdt.view import EntryView
from tests.plan.fake import FakeReading, Shown, box, content, dot, folder
from tests.plan.world import ALICE, OLD, WORK, at, bodies, next_dot, record_bytes, refusal

BLOB = content("")


def crowd(count: int, *flags: str) -> list[EntryView]:
    """Every second id, so that no two make a run."""
    return [EntryView(dot((1 << 40) + 2 * n), BLOB, 0, flags) for n in range(count)]


def shown(entries: list[EntryView], *, in_inbox: bool = False) -> FakeReading:
    full = folder(WORK, first=[] if in_inbox else entries)
    below: dict[str, Shown] = {"Full": full, "Other": folder(OLD)}
    return FakeReading({"a": box(ALICE, below, *(entries if in_inbox else []))})


def test_ids_are_spread_over_operations_that_fit() -> None:
    entries = crowd(20_001, DELETED)
    reading = shown(entries)
    ids = tuple(view.id for view in entries)
    stored = bodies(Store(at("a:Full"), flags=("a" * 30,), mode=Mode.SET), reading)
    expunged = bodies(Expunge(at("a:Full")), reading)
    assert [len(body.entries) for body in stored if isinstance(body, FlagsStored)] == [20_000, 1]
    assert expunged == (EntriesExpunged(ids[:20_000]), EntriesExpunged(ids[20_000:]))
    assert max(map(record_bytes, (*stored, *expunged))) <= RECORD_BYTES_MAX


def test_an_inbox_is_emptied_in_portions() -> None:
    reading = shown(crowd(20_001), in_inbox=True)
    making, *moves = bodies(Rename(at("a:INBOX"), at("a:Old")), reading)
    assert making == FolderMade(ALICE, "Old")
    assert [(len(m.entries), m.folder) for m in moves if isinstance(m, EntriesMoved)] == [
        (20_000, next_dot(0)),
        (1, next_dot(0)),
    ]


@pytest.mark.slow
def test_a_request_of_too_many_entries_is_refused() -> None:
    reading = shown(crowd(100_001, DELETED))
    assert refusal(Expunge(at("a:Full")), reading)[0] == Code.TOO_LARGE
    assert refusal(Store(at("a:Full"), flags=("a",)), reading)[0] == Code.TOO_LARGE
    many: tuple[Dot, ...] = (dot(1),) * 100_001
    assert refusal(Rename(at("a:Full"), at("a:Other"), many), reading)[0] == Code.TOO_LARGE
    full = shown(crowd(100_001), in_inbox=True)
    assert refusal(Rename(at("a:INBOX"), at("a:Old")), full)[0] == Code.TOO_LARGE


@pytest.mark.slow
def test_a_request_of_as_many_entries_as_allowed_is_planned() -> None:
    assert len(bodies(Expunge(at("a:Full")), shown(crowd(100_000, DELETED)))) == 5


def test_too_many_copies_in_one_request_are_refused() -> None:
    entries = crowd(10_001)
    assert refusal(Copy(at("a:Full"), at("a:Other")), shown(entries))[0] == Code.TOO_LARGE
    assert len(bodies(Copy(at("a:Full"), at("a:Other")), shown(entries[1:]))) == 10_000


def test_a_copy_of_more_flags_than_an_operation_holds_is_refused() -> None:
    flags = [f"flag{n:04}" for n in range(1001)]
    reading = shown(crowd(1, *flags))
    assert refusal(Copy(at("a:Full"), at("a:Other")), reading)[0] == Code.TOO_LARGE
    (body,) = bodies(Copy(at("a:Full"), at("a:Other")), shown(crowd(1, *flags[1:])))
    assert isinstance(body, EntryCopied)
