"""Power is cut at every disk operation, and of the unsynced writes any part may be there after.

What was confirmed is there, whole and once; of what was not, a batch is there whole or not at all;
and a second crash during the recovery from the first changes nothing of that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import deepcopy
from random import Random

import pytest

from crdt import Record
from sim.disk import Draw, PowerCut, SimulatedDisk, keep_all, lose_all
from storage import DiskFull, Log, LogDamaged, LogLimits, Missing, Recovery, SyncFailed
from tests.storage.phrases import ANN, BOB, append, flattened, numbered, replayed, start

LIMITS = LogLimits(segment_bytes=4900, recent_bytes=0)
BATCHES: list[list[Record]] = [
    [*numbered(ANN, 2 * n + 2, size=60)[2 * n :], numbered(BOB, n + 1, size=60)[n]]
    for n in range(4)
]
Work = Callable[[SimulatedDisk, list[list[Record]]], None]


def appends(disk: SimulatedDisk, confirmed: list[list[Record]]) -> None:
    """A start, appends with a roll in between, a clean end."""
    log = start(disk, limits=LIMITS)[0]
    for batch in BATCHES[len(confirmed) :]:
        append(log, batch)
        confirmed.append(batch)
    log.close()


def draws(seeds: Iterable[int]) -> list[Draw | None]:
    """What of the unsynced writes is kept; None where only the process dies."""
    return [None, lose_all, keep_all, *(Random(seed).randrange for seed in seeds)]


def crash(disk: SimulatedDisk, draw: Draw | None) -> None:
    if draw is None:
        disk.end_process()
    else:
        disk.lose_power(draw)


def crashes(
    work: Work, disk: SimulatedDisk, confirmed: Sequence[list[Record]], seeds: Iterable[int]
) -> int:
    """Does `work` with a power cut at each of its operations; returns how many there were.

    A disk that holds what another one held is not tried again: the same would come of it.
    """
    operation, tried = 0, set[Hashable]()
    while True:
        operation += 1
        crashing, done = deepcopy(disk), list(confirmed)
        crashing.crash_at = disk.operations + operation
        try:
            work(crashing, done)
        except PowerCut:
            for draw in draws(seeds):
                after = deepcopy(crashing)
                crash(after, draw)
                if _is_new(tried, "one cut", after.picture(), len(done)):
                    check(after, done, f"operation {operation}", tried)
        else:
            return operation - 1


def _is_new(tried: set[Hashable], *case: Hashable) -> bool:
    before = len(tried)
    tried.add(case)
    return len(tried) > before


def check(
    disk: SimulatedDisk, confirmed: list[list[Record]], where: str, tried: set[Hashable]
) -> None:
    """Starts twice, the first time with a crash at every operation of the recovery."""
    once = deepcopy(disk)
    log, recovery = start(once, limits=LIMITS)
    operations = once.operations - disk.operations
    found = replayed(log)
    cold = deepcopy(once)
    cold.lose_power(lose_all)
    assert replayed(start(cold, limits=LIMITS)[0]) == found, f"{where}: trusted too early"
    check_recovered(log, recovery, confirmed, where)
    found = replayed(log)
    once.lose_power(lose_all)
    assert replayed(start(once, limits=LIMITS)[0]) == found, f"{where}: confirmed too early"
    for operation in range(1, operations + 1):
        second = deepcopy(disk)
        second.crash_at = disk.operations + operation
        with pytest.raises(PowerCut):
            start(second, limits=LIMITS)
        for draw in draws([operation, operation + 100]):
            third = deepcopy(second)
            crash(third, draw)
            if _is_new(tried, "two cuts", third.picture(), len(confirmed)):
                log, recovery = start(third, limits=LIMITS)
                check_recovered(log, recovery, confirmed, f"{where}, then {operation}")


def check_recovered(
    log: Log, recovery: Recovery, confirmed: list[list[Record]], where: str
) -> None:
    found = replayed(log)
    expected = flattened(confirmed)
    more = flattened(BATCHES[: len(confirmed) + 1])
    assert found in (expected, more), where
    assert recovery.quarantined == recovery.unidentified == (), where
    assert recovery.missing == (), where
    if found != flattened(BATCHES):
        append(log, BATCHES[len(confirmed) + (found == more)])


SEEDS = range(40)


@pytest.mark.slow
def test_power_cut_at_every_operation_of_append_roll_and_seal() -> None:
    assert crashes(appends, SimulatedDisk(), [], SEEDS) > 20


@pytest.mark.slow
def test_power_cut_at_every_operation_of_the_recovery_of_an_unsealed_tail() -> None:
    disk = SimulatedDisk()
    log = start(disk, limits=LIMITS)[0]
    append(log, BATCHES[0])
    assert crashes(appends, disk, BATCHES[:1], SEEDS) > 20


def test_power_cut_at_every_operation_of_a_quarantine() -> None:
    """The damage is found by the replay; marking it may be lost, and is then done again."""
    disk = SimulatedDisk()
    confirmed: list[list[Record]] = []
    appends(disk, confirmed)
    first = disk.names()[0]
    whole = disk.read(first, 0, disk.size(first))
    disk.flip(first, whole.index(BATCHES[0][1].data))
    for operation in range(1, 3):
        for draw in draws(range(12)):
            crashing = deepcopy(disk)
            crashing.crash_at = disk.operations + operation
            with pytest.raises(PowerCut):
                replayed(start(crashing, limits=LIMITS)[0])
            crash(crashing, draw)
            with_mark = crashing.names()[0].endswith("damaged")
            if not with_mark:
                with pytest.raises(LogDamaged):
                    replayed(start(crashing, limits=LIMITS)[0])
            log, recovery = start(crashing, limits=LIMITS)
            assert recovery.missing == (Missing(ANN, 2, 2),)
            assert sorted(replayed(log)) == sorted(set(flattened(BATCHES)) - {BATCHES[0][1]})


def test_power_cut_at_every_operation_of_taking_over_a_damaged_tail() -> None:
    disk = SimulatedDisk()
    log = start(disk)[0]
    for batch in BATCHES:
        append(log, batch)
    (name,) = disk.names()
    disk.flip(name, disk.read(name, 0, disk.size(name)).index(BATCHES[1][0].data))
    whole = deepcopy(disk)
    start(whole)
    operations = whole.operations - disk.operations
    assert operations > 8
    for operation in range(1, operations + 1):
        for draw in draws(range(12)):
            crashing = deepcopy(disk)
            crashing.crash_at = disk.operations + operation
            with pytest.raises(PowerCut):
                start(crashing)
            crash(crashing, draw)
            log, recovery = start(crashing)
            assert recovery.missing == (Missing(ANN, 3, 3),), operation
            kept = [other for other in crashing.names() if not other.endswith("new")]
            assert "log-0000000001.aside" in kept, operation
            assert sorted(replayed(log)) == sorted(set(flattened(BATCHES)) - {BATCHES[1][0]})


def test_a_tail_that_lives_in_the_page_cache_alone_is_made_durable_before_it_is_trusted() -> None:
    """A sync failed, the process ended, and another one starts without a reboot in between."""
    disk = SimulatedDisk()
    log = start(disk)[0]
    append(log, BATCHES[0])
    disk.failing_syncs = 1
    with pytest.raises(SyncFailed):
        append(log, BATCHES[1])
    log = start(disk)[0]
    found = replayed(log)
    assert found == flattened(BATCHES[:2]), "it reads well"
    disk.lose_power(lose_all)
    assert replayed(start(disk)[0]) == found


def test_a_refused_batch_is_never_read_though_power_is_cut_in_the_next() -> None:
    """Sectors of the refused and of the next batch may be mixed on the disk."""
    for seed in range(200):
        disk = SimulatedDisk()
        log = start(disk)[0]
        append(log, BATCHES[0])
        disk.capacity = sum(disk.size(name) for name in disk.names()) + 200
        with pytest.raises(DiskFull):
            append(log, BATCHES[1])
        disk.capacity = None
        disk.crash_at = disk.operations + 2
        other = numbered(ANN, 4, size=60)[2:]
        with pytest.raises(PowerCut):
            append(log, other)
        disk.lose_power(Random(seed).randrange)
        assert replayed(start(disk)[0]) in (BATCHES[0], [*BATCHES[0], *other]), seed


DEEDS: dict[str, Callable[[SimulatedDisk], None]] = {
    "written": lambda disk: disk.write("old", 0, b"content"),
    "synced": lambda disk: disk.sync("old"),
    "listed": lambda disk: disk.sync_directory(),
    "renamed": lambda disk: disk.rename("old", "new"),
}


def a_file_that_is(*done: str) -> SimulatedDisk:
    disk = SimulatedDisk()
    disk.create("old")
    for deed in done:
        DEEDS[deed](disk)
    return disk


def test_disks_that_may_end_otherwise_have_different_pictures() -> None:
    """Else a case would be left out above as if it had been tried."""
    ways = [
        [], ["listed"], ["written"], ["written", "synced"], ["written", "listed"],
        ["written", "synced", "listed"], ["written", "synced", "renamed"],
        ["written", "synced", "listed", "renamed"],
        ["written", "synced", "renamed", "listed"],
    ]  # fmt: skip
    pictures = [a_file_that_is(*way).picture() for way in ways]
    assert len(set(pictures)) == len(ways)
    assert [a_file_that_is(*way).picture() for way in ways] == pictures
    assert [deepcopy(a_file_that_is(*way)).picture() for way in ways] == pictures
