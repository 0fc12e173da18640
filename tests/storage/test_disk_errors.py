"""A disk that refuses, fails or loses: what is raised, and what is true afterwards."""

from __future__ import annotations

from copy import deepcopy

import pytest

from sim.disk import SimulatedDisk, lose_all
from storage import (
    DiskFull,
    DiskReadOnly,
    DiskWriteFailed,
    LogDamaged,
    LogLimits,
    Missing,
    Poisoned,
    SyncFailed,
)
from tests.storage.phrases import (
    ANN,
    BOB,
    append,
    flattened,
    numbered,
    replayed,
    restarted,
    start,
)

FIRST, SECOND, THIRD = (numbered(ANN, 3 * n + 3)[3 * n :] for n in range(3))


def used(disk: SimulatedDisk) -> int:
    return sum(disk.size(name) for name in disk.names())


def test_no_space_at_any_byte_of_a_batch_refuses_it_whole_and_passes() -> None:
    probe = SimulatedDisk()
    log = restarted(probe)
    append(log, FIRST)
    before = used(probe)
    append(log, SECOND)
    for space in range(used(probe) - before):
        disk = SimulatedDisk()
        log = restarted(disk)
        append(log, FIRST)
        disk.capacity = used(disk) + space
        with pytest.raises(DiskFull):
            append(log, SECOND)
        assert log.clock() == {ANN: 3}
        assert replayed(log) == log.read(ANN, 1, 9, max_bytes=999) == FIRST, space
        assert used(disk) == before, "what was written of it is gone"
        assert replayed(restarted(disk_copy(disk))) == FIRST, space
        disk.capacity = None
        assert append(log, SECOND) == 2
        assert replayed(restarted(disk)) == [*FIRST, *SECOND], space


def disk_copy(disk: SimulatedDisk) -> SimulatedDisk:
    copy = deepcopy(disk)
    copy.capacity = None
    return copy


@pytest.mark.slow
def test_no_space_for_sealing_or_for_a_new_segment_refuses_the_batch() -> None:
    limits = LogLimits(segment_bytes=4600, recent_bytes=0)
    batches = [numbered(ANN, n + 1, size=60)[n:] for n in range(6)]
    probe = SimulatedDisk()
    log = restarted(probe, limits=limits)
    sizes = [(append(log, batch), used(probe))[1] for batch in batches]
    roll = next(n for n in range(1, 6) if sizes[n] - sizes[n - 1] > 4000)
    for space in range(0, sizes[roll] - sizes[roll - 1], 7):
        disk = SimulatedDisk()
        log = restarted(disk, limits=limits)
        for batch in batches[:roll]:
            append(log, batch)
        disk.capacity = used(disk) + space
        with pytest.raises(DiskFull):
            append(log, batches[roll])
        with pytest.raises(DiskFull):
            append(log, batches[roll])
        assert replayed(log) == flattened(batches[:roll]), space
        assert replayed(restarted(disk_copy(disk))) == flattened(batches[:roll]), space
        disk.capacity = None
        assert append(log, batches[roll]) == roll + 1
        assert replayed(restarted(disk)) == flattened(batches[: roll + 1]), space


def test_no_space_for_recovery_ends_the_start_and_touches_nothing() -> None:
    disk = SimulatedDisk()
    append(restarted(disk), FIRST)
    (name,) = disk.names()
    before = disk.read(name, 0, disk.size(name))
    for space in (0, 100, 4000, 4400):
        disk.capacity = used(disk) + space
        with pytest.raises(DiskFull):
            start(disk)
        assert disk.names() == [name]
        assert disk.read(name, 0, disk.size(name)) == before
    disk.capacity = None
    assert replayed(restarted(disk)) == FIRST


def test_a_read_only_disk_refuses_appends_and_still_reads() -> None:
    disk = SimulatedDisk()
    log = restarted(disk)
    append(log, FIRST)
    disk.read_only_from = 0
    with pytest.raises(DiskReadOnly):
        append(log, SECOND)
    assert log.read(ANN, 1, 3, max_bytes=999) == FIRST
    log.close()
    disk.read_only_from = None
    log = restarted(disk)
    append(log, SECOND)
    assert replayed(log) == [*FIRST, *SECOND]


def test_a_disk_that_fills_up_and_then_turns_read_only_is_cleaned_before_the_next_batch() -> None:
    """The refused batch could not even be cut off when it was refused."""
    disk = SimulatedDisk()
    log = restarted(disk)
    append(log, FIRST)
    before = used(disk)
    disk.read_only_from = disk.operations + 2
    disk.capacity = used(disk) + 150
    with pytest.raises(DiskFull):
        append(log, SECOND)
    assert used(disk) == before + 150
    assert replayed(log) == FIRST
    with pytest.raises(DiskReadOnly):
        append(log, SECOND)
    disk.read_only_from = disk.capacity = None
    append(log, numbered(BOB, 1))
    assert start(deepcopy(disk))[1].cut is None, "nothing of the refused batch is left"
    append(log, SECOND)
    assert replayed(log) == replayed(restarted(disk)) == [*FIRST, *numbered(BOB, 1), *SECOND]


def test_a_sync_that_fails_poisons_the_log_for_ever() -> None:
    disk = SimulatedDisk()
    log = restarted(disk)
    append(log, FIRST)
    disk.failing_syncs = 1
    with pytest.raises(SyncFailed):
        append(log, SECOND)
    for _ in range(2):
        with pytest.raises(Poisoned, match="input/output error"):
            append(log, SECOND)
    assert log.clock() == {ANN: 3}, "what was not confirmed is not shown"
    assert replayed(log) == FIRST
    log.close()
    disk.lose_power(lose_all)
    assert replayed(restarted(disk)) == FIRST


def test_a_sync_of_the_directory_that_fails_poisons_the_log() -> None:
    disk = SimulatedDisk()
    log = restarted(disk)
    disk.failing_syncs = 2
    with pytest.raises(SyncFailed):
        append(log, FIRST)
    with pytest.raises(Poisoned):
        append(log, FIRST)


def test_a_write_that_fails_without_a_reason_poisons_the_log() -> None:
    disk = SimulatedDisk()
    log = restarted(disk)
    append(log, FIRST)
    disk.failing_writes = 1
    with pytest.raises(DiskWriteFailed):
        append(log, SECOND)
    with pytest.raises(Poisoned):
        append(log, SECOND)


def test_a_closed_log_takes_nothing() -> None:
    log = restarted(SimulatedDisk())
    log.close()
    with pytest.raises(Poisoned, match="the log was closed"):
        append(log, FIRST)


def test_a_sector_that_cannot_be_read_is_missed_and_the_rest_used() -> None:
    records = numbered(ANN, 300, size=60)
    for clean in (True, False):
        disk = SimulatedDisk()
        log = restarted(disk)
        for at in range(0, 300, 10):
            append(log, records[at : at + 10])
        if clean:
            log.close()
        (name,) = disk.names()
        disk.unreadable.add((name, 3 * 4096))
        if clean:
            with pytest.raises(LogDamaged, match="input/output error"):
                replayed(restarted(disk))
            disk.unreadable.add((disk.names()[0], 3 * 4096))
        log, recovery = start(disk)
        (lost,) = recovery.missing
        assert isinstance(lost, Missing) and 20 < lost.last - lost.first < 50
        assert {record.seq for record in replayed(log)} == {
            seq for seq in range(1, 301) if not lost.first <= seq <= lost.last
        }
        assert len(recovery.quarantined) == 1
        assert bool(recovery.unidentified) is not clean
