"""Packs lose the blobs that nobody uses, and never one that somebody does, whenever that begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from unittest.mock import patch

import pytest

from sim.disk import Draw, PowerCut, SimulatedDisk, keep_all, lose_all
from storage import (
    Ask,
    Compacted,
    Compaction,
    Disk,
    DiskFull,
    DiskReadOnly,
    MemoryDisk,
    Packs,
    PackUse,
    Poisoned,
    SyncFailed,
    Work,
    check_stopped_packs,
    choose,
    compaction,
)
from storage.files import FileName
from storage.packs import PACK_BLOBS_MAX
from tests.storage.phrases import CLUSTER, SHARD, copy_of
from tests.storage.test_packs import BLOBS, blob, held, named, put, start

USED = BLOBS[1:20:3]
NAMES = {named(data) for data in USED}


def compact(packs: Packs, uses: set[bytes]) -> Compacted:
    """A round, all of whose steps are done."""
    round_ = Compaction(packs)
    for step in round_.steps():
        do(step, uses)
    return round_.result


def do(step: Ask | Work, uses: set[bytes]) -> None:
    match step:
        case Ask(ask):
            ask(uses.__contains__)
        case Work(work):
            work()


def filled(disk: Disk) -> Packs:
    """Twenty blobs in some sealed packs and an open one, of which every third is used."""
    packs, _ = start(disk)
    for at in range(0, 20, 2):
        put(packs, *BLOBS[at : at + 2])
    return packs


def test_what_is_not_used_goes_and_the_rest_stays() -> None:
    disk = MemoryDisk()
    filled(disk).close()
    packs, _ = start(disk)
    before = packs.size()
    result = compact(packs, NAMES)
    assert held(packs) == sorted(USED)
    assert packs.size().bytes < before.bytes / 2 and packs.size().blobs == len(USED)
    assert (result.packs_before, result.packs_after, result.dropped) == (4, 1, 13)
    packs.close()
    assert list(check_stopped_packs(disk, cluster=CLUSTER, shard=SHARD))
    packs, recovery = start(disk)
    assert (held(packs), recovery.problems) == (sorted(USED), ())


def test_where_there_is_too_little_garbage_nothing_changes() -> None:
    disk = MemoryDisk()
    filled(disk).close()
    packs, _ = start(disk)
    files = copy_of(disk).files
    assert compact(packs, {named(data) for data in BLOBS[2:]}) == Compacted()
    assert disk.files == files and held(packs) == sorted(BLOBS)


def test_when_nothing_is_used_no_pack_is_left() -> None:
    disk = MemoryDisk()
    packs = filled(disk)
    compact(packs, set())
    compact(packs, set())
    assert (disk.names(), held(packs)) == ([], [])
    put(packs, BLOBS[0])
    assert held(start(disk)[0]) == [BLOBS[0]]


def use(number: int, size: int, used: int, blobs: int = 1) -> PackUse:
    return PackUse(name=FileName("pack", number, "pack"), bytes=size, used=used, blobs=blobs)


@pytest.mark.parametrize(
    ("packs", "chosen"),
    [
        ([], []),
        ([use(1, 1000, 501)], []),
        ([use(1, 1000, 500)], [1]),
        ([use(1, 1000, 0), use(2, 1000, 1000)], [1]),
        ([use(1, 1000, 400), use(2, 1000, 300), use(3, 1000, 500)], [2, 1]),
        ([use(n, 100, 100) for n in range(1, 8)], []),
        ([use(n, 100, 100) for n in range(1, 9)], [1, 2, 3, 4, 5, 6, 7, 8]),
        ([use(n, 120, 120) for n in range(1, 11)], [1, 2, 3, 4, 5, 6, 7, 8]),
        ([use(n, 125, 125) for n in range(1, 11)], []),
        ([use(n, 1000, n, PACK_BLOBS_MAX // 2) for n in range(1, 4)], [1, 2]),
        ([use(n, 1000, n, PACK_BLOBS_MAX // 2 + 1) for n in range(1, 4)], [1]),
        ([use(n, 100, 100, PACK_BLOBS_MAX) for n in range(1, 11)], []),
        ([use(n, 100, 100, PACK_BLOBS_MAX // 8) for n in range(1, 11)], []),
        (
            [use(1, 100, 20), use(2, 100, 30, PACK_BLOBS_MAX)]
            + [use(n, 100, 100) for n in range(3, 10)],
            [1, 3, 4, 5, 6, 7, 8, 9],
        ),
    ],
)
def test_the_packs_that_are_rewritten(packs: list[PackUse], chosen: list[int]) -> None:
    """Half of it has to be garbage, or eight have to be small, and all fits into one. Else the same
    would be written again and again, for nothing."""
    assert [name.number for name in choose(packs, pack_bytes_max=1000)] == chosen


def test_a_step_looks_at_few_blobs_also_where_none_is_copied() -> None:
    disk = MemoryDisk()
    filled(disk).close()
    packs, _ = start(disk)
    looked: list[bytes] = []
    is_kept = packs.is_kept

    def noted(name: FileName, hash_: bytes) -> bool:
        looked.append(hash_)
        return is_kept(name, hash_)

    with (
        patch.object(packs, "is_kept", noted),
        patch.object(compaction, "COPY_BLOBS", 2),
    ):
        for step in Compaction(packs).steps():
            do(step, NAMES)
            assert len(looked) <= 2
            looked.clear()
    assert held(packs) == sorted(USED)


def test_a_blob_that_is_named_at_any_moment_is_held_at_the_end() -> None:
    """Whoever names a blob asks whether it is held, and brings its bytes if it is not."""
    moments = 0
    while True:
        moments += 1
        for data in BLOBS[0:4]:
            disk = MemoryDisk()
            packs, uses = filled(disk), set(NAMES)
            count = 0
            for step in Compaction(packs).steps():
                do(step, uses)
                count += 1
                if count == moments:
                    if not packs.has(named(data)):
                        put(packs, data)
                    uses.add(named(data))
            if count < moments:
                assert moments > 10
                return
            assert set(held(packs)) >= {*USED, data}, moments
            assert set(held(start(disk)[0])) >= {*USED, data}, moments


def test_of_a_round_that_ends_early_nothing_is_left() -> None:
    for steps in range(1, 20):
        disk = MemoryDisk()
        packs = filled(disk)
        round_ = Compaction(packs)
        for count, step in enumerate(round_.steps()):
            if count == steps:
                break
            do(step, NAMES)
        round_.abandon()
        assert set(held(packs)) >= set(USED)
        assert not [name for name in disk.names() if name.endswith("new")]
        compact(packs, NAMES)
        assert set(held(start(disk)[0])) >= set(USED)


# --- Crashes -----------------------------------------------------------------------------------


def draws(count: int) -> list[Draw | None]:
    return [None, lose_all, keep_all, *(Random(seed).randrange for seed in range(count))]


def crash(disk: SimulatedDisk, draw: Draw | None) -> None:
    if draw is None:
        disk.end_process()
    else:
        disk.lose_power(draw)


def life(disk: SimulatedDisk) -> None:
    """A compaction of what was sealed before, a put in its middle, and a second compaction."""
    packs, _ = start(disk)
    for count, step in enumerate(Compaction(packs).steps()):
        do(step, NAMES)
        if count == 6:
            put(packs, *MORE)
    compact(packs, NAMES)
    packs.close()


MORE = [blob(n) for n in range(30, 33)]


def crashes(
    disk: SimulatedDisk, work: Callable[[SimulatedDisk], object]
) -> Iterator[SimulatedDisk]:
    operation = 0
    while True:
        operation += 1
        crashing = deepcopy(disk)
        crashing.crash_at = disk.operations + operation
        try:
            work(crashing)
        except PowerCut:
            yield crashing
        else:
            return


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 20])
def test_power_cut_at_every_operation_loses_nothing_and_doubles_nothing(count: int) -> None:
    disk = SimulatedDisk()
    filled(disk).close()
    instants = 0
    for crashed in crashes(disk, life):
        instants += 1
        for draw in draws(count):
            after = deepcopy(crashed)
            crash(after, draw)
            for twice in crashes(after, start):
                crash(twice, draw)
                check(twice)
            check(after)
    assert instants > 20


def check(disk: SimulatedDisk) -> None:
    packs, recovery = start(disk)
    found = held(packs)
    assert set(found) >= set(USED)
    assert packs.size().blobs == len(found), "a blob lies there twice"
    assert not any("does not read" in problem for problem in recovery.problems)
    disk.lose_power(lose_all)
    packs, _ = start(disk)
    assert set(held(packs)) >= set(found), "trusted too early"
    assert packs.size().blobs == len(held(packs)), "a blob lies there twice"
    compact(packs, NAMES)
    assert set(held(packs)) >= set(USED)


# --- Disks that refuse ---------------------------------------------------------------------------


def test_without_space_the_old_packs_stay_and_nothing_is_left_over() -> None:
    refused = 0
    for space in range(0, 9000, 97):
        disk = SimulatedDisk()
        filled(disk).close()
        packs, _ = start(disk)
        names = disk.names()
        disk.capacity = disk.used() + space
        round_ = Compaction(packs)
        try:
            for step in round_.steps():
                do(step, NAMES)
        except DiskFull:
            refused += 1
            round_.abandon()
            assert disk.names() == names
            assert held(packs) == sorted(BLOBS)
            assert held(start(deepcopy(disk))[0]) == sorted(BLOBS)
            disk.capacity = None
            compact(packs, NAMES)
        assert held(packs) == sorted(USED)
    assert refused > 40


def test_on_a_disk_that_becomes_read_only_nothing_is_lost() -> None:
    operation = 0
    while True:
        operation += 1
        disk = SimulatedDisk()
        filled(disk).close()
        packs, _ = start(disk)
        disk.read_only_from = disk.operations + operation
        round_ = Compaction(packs)
        try:
            for step in round_.steps():
                do(step, NAMES)
        except DiskReadOnly:
            round_.abandon()
            assert held(packs) == sorted(BLOBS)
        disk.read_only_from = None
        packs, _ = start(disk)
        assert set(held(packs)) >= set(USED)
        assert packs.size().blobs == len(held(packs))
        if len(held(packs)) == len(USED) and operation > 15:
            return


def test_a_sync_that_fails_poisons_the_packs() -> None:
    disk = SimulatedDisk()
    packs = filled(disk)
    with pytest.raises(SyncFailed):
        for step in Compaction(packs).steps():
            if begun(disk):
                disk.failing_syncs = 1
            do(step, NAMES)
    with pytest.raises(Poisoned):
        packs.put(named(b"x"), b"x")
    assert held(start(disk)[0]) == sorted(BLOBS)


def begun(disk: SimulatedDisk) -> bool:
    return any(name.endswith("new") for name in disk.names())


def test_a_used_blob_that_does_not_read_back_keeps_its_pack_until_it_is_put_again() -> None:
    disk = MemoryDisk()
    filled(disk).close()
    name = next(name for name in disk.names() if USED[0] in disk.files[name])
    disk.files[name][disk.files[name].index(USED[0])] ^= 1
    packs, _ = start(disk)
    compact(packs, NAMES)
    assert packs.damaged() == [named(USED[0])] and name in disk.names()
    put(packs, USED[0])
    assert held(packs) == sorted([*USED, *dropped_beside(name, disk)])
    compact(packs, NAMES)
    assert held(packs) == sorted(USED) and name not in disk.names()
    assert held(start(disk)[0]) == sorted(USED)


def dropped_beside(name: str, disk: MemoryDisk) -> list[bytes]:
    """What is not used and lies in the pack that stayed."""
    return [data for data in BLOBS if data not in USED and data in disk.files[name]]
