"""The beginning of a log goes: what may, how, and what a start makes of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import Record
from sim.disk import Draw, PowerCut, SimulatedDisk, keep_all, lose_all
from storage import (
    Bounds,
    DiskReadOnly,
    FileMissing,
    Log,
    LogDamaged,
    LogLimits,
    LogPart,
    MemoryDisk,
    removable,
)
from storage.header import LOG_MAGIC, Header
from storage.index import Base, Tip
from storage.tail import Tail
from tests.storage.phrases import (
    ANN,
    BOB,
    EVE,
    append,
    flattened,
    head_of,
    numbered,
    replayed,
    segments,
    start,
)

LIMITS = LogLimits(segment_bytes=4900, recent_bytes=0)
BATCHES: list[list[Record]] = [
    [*numbered(ANN, 2 * n + 2, size=400)[2 * n :], numbered(BOB, n + 1, size=60)[n]]
    for n in range(6)
]
ALL = {ANN: 12, BOB: 6}


# --- What may go ---------------------------------------------------------------------------------


def parts(*lasts: Mapping[bytes, int], tail: bool = True) -> list[LogPart]:
    return [
        LogPart(number, 100, last, tail and number == len(lasts))
        for number, last in enumerate(lasts, 1)
    ]


FOUR = parts({ANN: 2}, {ANN: 4, BOB: 1}, {BOB: 5}, {ANN: 6})


def count(
    covered: Mapping[bytes, int],
    by_all: Mapping[bytes, int],
    by_quorum: Mapping[bytes, int],
    bytes_max: int = 1 << 30,
) -> int:
    bounds = Bounds(covered=covered, by_all=by_all, by_quorum=by_quorum, bytes_max=bytes_max)
    return removable(FOUR, bounds)


WHOLE = {ANN: 9, BOB: 9}


@pytest.mark.parametrize(
    ("covered", "by_all", "most"),
    [
        (WHOLE, WHOLE, 3),
        ({}, WHOLE, 0),
        (WHOLE, {}, 0),
        ({ANN: 4, BOB: 1}, WHOLE, 2),
        ({ANN: 3, BOB: 9}, WHOLE, 1),
        (WHOLE, {ANN: 1, BOB: 9}, 0),
        (WHOLE, {ANN: 9, BOB: 4}, 2),
    ],
)
def test_what_snapshots_stand_for_and_all_hold_goes_from_the_front(
    covered: Mapping[bytes, int], by_all: Mapping[bytes, int], most: int
) -> None:
    assert count(covered, by_all, WHOLE) == most


@pytest.mark.parametrize(
    ("bytes_max", "by_quorum", "most"),
    [(400, WHOLE, 0), (399, WHOLE, 1), (300, WHOLE, 1), (299, WHOLE, 2), (0, WHOLE, 3), (0, {}, 0)],
)
def test_a_silent_member_is_not_waited_for_beyond_the_bound_if_a_quorum_holds_it(
    bytes_max: int, by_quorum: Mapping[bytes, int], most: int
) -> None:
    assert count(WHOLE, {}, by_quorum, bytes_max) == most


def test_whatever_anyone_holds_no_snapshot_no_cut() -> None:
    assert count({}, WHOLE, WHOLE, 0) == 0


CLOCKS = st.fixed_dictionaries({ANN: st.integers(0, 7), BOB: st.integers(0, 7)})


@given(st.lists(CLOCKS, max_size=6), CLOCKS, CLOCKS, CLOCKS, st.integers(0, 700))
def test_nothing_goes_that_is_not_covered_and_held(
    lasts: list[dict[bytes, int]],
    covered: dict[bytes, int],
    by_all: dict[bytes, int],
    by_quorum: dict[bytes, int],
    bytes_max: int,
) -> None:
    every = parts(*lasts)
    bounds = Bounds(covered=covered, by_all=by_all, by_quorum=by_quorum, bytes_max=bytes_max)
    gone = every[: removable(every, bounds)]
    left = 100 * len(every)
    for part in gone:
        for actor, seq in part.lasts.items():
            assert seq <= covered[actor]
            assert seq <= by_all[actor] or (left > bytes_max and seq <= by_quorum[actor])
        left -= 100
    assert not every or len(gone) < len(every)


# --- How it goes, and what is left ---------------------------------------------------------------


def told(records: list[Record], clock: Mapping[bytes, int]) -> dict[bytes, tuple[int, bytes]]:
    """What a snapshot at `clock` says."""
    chains = {(r.actor, r.seq): r.chain for r in records}
    return {actor: (seq, chains[actor, seq]) for actor, seq in clock.items() if seq}


def filled(disk: SimulatedDisk | MemoryDisk) -> Log:
    log = start(disk, limits=LIMITS)[0]
    for batch in BATCHES:
        append(log, batch)
    assert len(segments(disk)) == 6
    return log


def cut(log: Log, count: int) -> None:
    log.truncate(log.segments()[count].number)


def test_what_is_left_reads_and_goes_on() -> None:
    disk = SimulatedDisk()
    log = filled(disk)
    cut(log, 3)
    assert log.base() == {ANN: 6, BOB: 3} and log.clock() == ALL
    assert replayed(log) == flattened(BATCHES[3:])
    assert log.read(ANN, 7, 8, max_bytes=9999) == BATCHES[3][:2]
    assert log.chain_at(ANN, 6) == BATCHES[2][1].chain, "the base names it"
    assert log.chain_at(ANN, 5) is None
    append(log, numbered(ANN, 13, size=400)[12:])
    again, recovery = start(disk, limits=LIMITS)
    assert again.is_cut and [(m.actor, m.last) for m in recovery.missing] == [(ANN, 6), (BOB, 3)]
    assert again.unproven(told(flattened(BATCHES), {ANN: 6, BOB: 3})) is None
    again.stand_on({ANN: 6, BOB: 3})
    assert again.renewed(recovery).missing == again.missing() == ()
    assert again.renewed(recovery).problems == ()
    assert again.base() == {ANN: 6, BOB: 3} and again.clock() == {ANN: 13, BOB: 6}
    again.append(numbered(EVE, 1), {EVE: head_of(1)})


@pytest.mark.parametrize(
    ("clock", "problem"),
    [
        ({ANN: 6, BOB: 3}, None),
        ({ANN: 9, BOB: 6}, None),
        (ALL, None),
        ({ANN: 5, BOB: 3}, "begins behind 6"),
        ({ANN: 9}, "begins behind 3"),
        ({}, "begins behind"),
    ],
)
def test_a_log_goes_on_from_what_covers_its_beginning(
    clock: Mapping[bytes, int], problem: str | None
) -> None:
    disk = MemoryDisk()
    cut(filled(disk), 3)
    log = start(disk, limits=LIMITS)[0]
    found = log.unproven(told(flattened(BATCHES), clock))
    assert found is None if problem is None else problem in (found or "")


def test_what_is_of_another_history_or_ahead_of_the_log_is_told() -> None:
    disk = MemoryDisk()
    cut(filled(disk), 3)
    log = start(disk, limits=LIMITS)[0]
    good = told(flattened(BATCHES), ALL)
    assert "goes up to 616e6e00:14" in (log.unproven({**good, ANN: (14, b"x" * 32)}) or "")
    assert "goes up to 65766500:1" in (log.unproven({**good, EVE: (1, b"x" * 32)}) or "")
    for seq in (6, 8, 12):
        found = log.unproven({**good, ANN: (seq, b"x" * 32)})
        assert "nothing shows that the history" in (found or "")


def read_back(disk: MemoryDisk) -> Log:
    """Opened again where damage is met, as a start does."""
    while True:
        log = start(disk, limits=LIMITS)[0]
        try:
            replayed(log)
            log.unproven(told(flattened(BATCHES), {ANN: 8, BOB: 5}))
        except LogDamaged:
            continue
        return log


def test_damage_below_what_a_snapshot_stands_for_is_not_missed() -> None:
    """In the first segment that is left, its base included: what follows bears the snapshot out."""
    disk = MemoryDisk()
    cut(filled(disk), 3)
    name = segments(disk)[0]
    for at in range(0, len(disk.files[name]), 61):
        harmed = MemoryDisk()
        harmed.files = {n: bytearray(c) for n, c in disk.files.items()}
        harmed.files[name][at : at + 61] = bytes(len(harmed.files[name][at : at + 61]))
        log = read_back(harmed)
        assert log.is_cut
        assert log.unproven(told(flattened(BATCHES), {ANN: 8, BOB: 5})) is None, at
        log.stand_on({ANN: 8, BOB: 5})
        assert (log.missing(), log.clock()) == ((), ALL), at


def test_a_damaged_segment_is_set_aside_and_not_removed() -> None:
    disk = MemoryDisk()
    filled(disk)
    disk.files[segments(disk)[0]][5000] ^= 1
    log = read_back(disk)
    assert segments(disk, "damaged") == ["log-0000000001.damaged"]
    cut(log, 2)
    assert segments(disk, "aside") == ["log-0000000001.aside"]
    assert len(segments(disk)) == 4


def test_a_segment_that_went_while_it_was_read_is_no_damage() -> None:
    disk = MemoryDisk()
    log = filled(disk)
    parts = log.replay_segments()
    next(parts)
    (_, second, *_) = [next(parts), next(parts)]
    log.truncate(4)
    with pytest.raises(FileMissing):
        list(second.records)


def test_the_last_segment_never_goes() -> None:
    disk = MemoryDisk()
    log = filled(disk)
    log.truncate(1 << 30)
    assert len(segments(disk)) == 1 and log.clock() == ALL
    append(log, numbered(ANN, 13, size=400)[12:])


def test_a_disk_that_cannot_be_written_keeps_what_was_not_removed() -> None:
    disk = SimulatedDisk()
    log = filled(disk)
    disk.read_only_from = disk.operations
    with pytest.raises(DiskReadOnly):
        cut(log, 3)
    disk.heal()
    assert replayed(log) == flattened(BATCHES)
    cut(log, 3)
    assert replayed(log) == flattened(BATCHES[3:])


def draws() -> list[Draw | None]:
    return [None, lose_all, keep_all, *(Random(seed).randrange for seed in range(6))]


def test_power_cut_at_every_operation_leaves_a_log_without_a_gap() -> None:
    disk = SimulatedDisk()
    filled(disk)
    stood_on = told(flattened(BATCHES), {ANN: 8, BOB: 4})
    operation, lengths = 0, set[int]()
    while True:
        operation += 1
        crashing = deepcopy(disk)
        log = start(crashing, limits=LIMITS)[0]
        crashing.crash_at = crashing.operations + operation
        try:
            cut(log, 4)
        except PowerCut:
            for draw in draws():
                after = deepcopy(crashing)
                after.end_process() if draw is None else after.lose_power(draw)
                again, _ = start(after, limits=LIMITS)
                left = replayed(again)
                assert left == flattened(BATCHES)[-len(left) :], f"a gap at {operation}"
                lengths.add(len(left))
                if again.is_cut:
                    assert again.unproven(stood_on) is None
                    again.stand_on({ANN: 8, BOB: 4})
                assert (again.missing(), again.clock()) == ((), ALL)
                append(again, numbered(ANN, 13, size=400)[12:])
                cut(again, 2)
        else:
            assert operation >= 8 and len(lengths) == 5
            return


def test_a_log_that_begins_anew_is_done_with_what_was_before() -> None:
    """Whatever of that is still there."""
    disk = MemoryDisk()
    filled(disk)
    header = Header(
        magic=LOG_MAGIC,
        number=7,
        id=b"i" * 16,
        cluster="example.org",
        shard="main",
        first_batch=7,
        synced=6,
        begins=True,
    )
    tips = {a: Tip(seq, chain, b"") for a, (seq, chain) in told(flattened(BATCHES), ALL).items()}
    Tail.create(disk, header, Base(tips)).publish()
    log = start(disk, limits=LIMITS)[0]
    for _ in range(3):
        log = start(disk, limits=LIMITS)[0]
        assert log.is_cut and log.tips() == tips
        log.stand_on(ALL)
        assert (log.clock(), replayed(log), len(segments(disk))) == (ALL, [], 1)
    append(log, numbered(ANN, 13, size=400)[12:])
    log = start(disk, limits=LIMITS)[0]
    assert log.is_cut and len(replayed(log)) == 1
