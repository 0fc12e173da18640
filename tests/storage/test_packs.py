"""Blobs: served only as what they were named after, held only once they are durable."""

from __future__ import annotations

from copy import deepcopy
from hashlib import sha256
from random import Random
from unittest.mock import patch

import pytest

from sim.disk import PowerCut, SimulatedDisk, keep_all, lose_all
from storage import (
    BLOB_BYTES_MAX,
    BlobDamaged,
    BlobMissing,
    Disk,
    DiskFull,
    DiskReadFailed,
    MemoryDisk,
    NotOurs,
    Packs,
    PacksRecovery,
    Poisoned,
    SyncFailed,
)
from storage import packs as packs_module
from tests.storage.phrases import CLUSTER, SHARD, entropy

SMALL = 6000


def start(
    disk: Disk, *, pack_bytes_max: int = SMALL, shard: str = SHARD
) -> tuple[Packs, PacksRecovery]:
    return Packs.open(
        disk, cluster=CLUSTER, shard=shard, entropy=entropy, pack_bytes_max=pack_bytes_max
    )


def named(data: bytes) -> bytes:
    return sha256(data).digest()


def blob(number: int, size: int = 300) -> bytes:
    return f"blob {number} ".encode().ljust(size, b".")


BLOBS = [blob(n) for n in range(20)]


def put(packs: Packs, *blobs: bytes) -> None:
    assert packs.put_all([(named(data), data) for data in blobs]) == len(blobs)
    packs.sync()


def held(packs: Packs) -> list[bytes]:
    """Every blob held, read and verified; sorted."""
    hashes = list(packs.hashes())
    assert len(hashes) == len(set(hashes)) and all(map(packs.has, hashes))
    return sorted(packs.get(hash_) for hash_ in hashes)


def disk_with(*blobs: bytes) -> MemoryDisk:
    """Packs took these blobs and then the process died."""
    disk = MemoryDisk()
    put(start(disk)[0], *blobs)
    return disk


def sealed_disk_with(*blobs: bytes) -> MemoryDisk:
    disk = MemoryDisk()
    packs = start(disk)[0]
    put(packs, *blobs)
    packs.close()
    return disk


@pytest.mark.parametrize("make", [disk_with, sealed_disk_with])
def test_blobs_come_back_over_many_packs_and_restarts(make: object) -> None:
    assert callable(make)
    disk = make(*BLOBS)
    packs, recovery = start(disk)
    assert held(packs) == sorted(BLOBS)
    assert (recovery.problems, recovery.cut) == ((), None)
    size = packs.size()
    assert (size.blobs, size.packs > 3) == (20, True)
    assert size.bytes == sum(map(disk.size, disk.names()))
    with patch.object(disk, "size", side_effect=AssertionError("asked again")):
        assert packs.size() == size


def test_an_empty_directory_holds_nothing_and_stays_empty() -> None:
    disk = MemoryDisk()
    packs, _ = start(disk)
    packs.sync()
    packs.close()
    assert (held(packs), disk.names()) == ([], [])


@pytest.mark.parametrize("size", [0, 1, 65_479, 65_480, 65_536, 1 << 20, BLOB_BYTES_MAX])
def test_blobs_of_every_size_come_back(size: int) -> None:
    data = bytes(size)
    assert held(start(disk_with(data))[0]) == [data]


def test_a_blob_above_the_limit_is_our_own_mistake() -> None:
    data = bytes(BLOB_BYTES_MAX + 1)
    with pytest.raises(AssertionError, match="a blob of"):
        start(MemoryDisk())[0].put(named(data), data)


def test_a_blob_is_held_once_it_is_synced_and_not_before() -> None:
    packs, _ = start(MemoryDisk())
    assert packs.put(named(BLOBS[0]), BLOBS[0])
    assert not packs.has(named(BLOBS[0]))
    assert list(packs.hashes()) == []
    assert packs.get(named(BLOBS[0])) == BLOBS[0]
    packs.sync()
    assert packs.has(named(BLOBS[0]))


def test_a_blob_is_stored_once() -> None:
    disk = MemoryDisk()
    packs, _ = start(disk)
    assert packs.put(named(BLOBS[0]), BLOBS[0])
    assert not packs.put(named(BLOBS[0]), BLOBS[0]), "it waits"
    packs.sync()
    assert not packs.put(named(BLOBS[0]), BLOBS[0]), "it is held"
    packs.close()
    assert not start(disk)[0].put(named(BLOBS[0]), BLOBS[0]), "it is held in a sealed pack"


def test_of_many_those_that_are_new_are_stored_once_in_one_write_for_each_pack() -> None:
    disk = SimulatedDisk()
    packs, _ = start(disk, pack_bytes_max=1 << 20)
    put(packs, *BLOBS[:3])
    before = disk.operations
    many = [(named(data), data) for data in [*BLOBS, *BLOBS]]
    assert packs.put_all(many) == 17
    assert disk.operations == before + 1
    packs.sync()
    assert held(packs) == held(start(disk)[0]) == sorted(BLOBS)


def test_a_pack_of_many_short_blobs_is_full() -> None:
    disk = MemoryDisk()
    packs, _ = start(disk)
    with patch.object(packs_module, "PACK_BLOBS_MAX", 4):
        put(packs, *BLOBS[:6])
        for data in BLOBS[6:9]:
            put(packs, data)
        put(packs, *BLOBS[9:])
        assert packs.size().packs == 5
    assert held(packs) == held(start(disk)[0]) == sorted(BLOBS)


def test_without_space_for_many_those_before_wait_and_the_others_can_come_again() -> None:
    many = [(named(data), data) for data in BLOBS]
    refused = 0
    for space in range(0, 12_000, 500):
        disk = SimulatedDisk()
        packs, _ = start(disk)
        disk.capacity = space
        try:
            packs.put_all(many)
        except DiskFull:
            refused += 1
        disk.capacity = None
        packs.put_all(many)
        packs.sync()
        assert held(packs) == held(start(disk)[0]) == sorted(BLOBS), space
    assert refused > 10


def test_one_sync_covers_all_that_wait_and_none_is_made_for_nothing() -> None:
    disk = SimulatedDisk()
    packs, _ = start(disk, pack_bytes_max=1 << 20)
    put(packs, BLOBS[0])
    before = disk.operations
    put(packs, *BLOBS[1:11])
    assert disk.operations == before + 2
    packs.sync()
    assert disk.operations == before + 2


def test_bytes_that_are_not_the_named_ones_are_refused() -> None:
    packs, _ = start(MemoryDisk())
    with pytest.raises(BlobDamaged, match="are not the blob"):
        packs.put(named(b"one"), b"other")
    assert packs.put(named(b"one"), b"one")


def test_a_blob_that_is_not_there_is_missing() -> None:
    packs, _ = start(disk_with(BLOBS[0]))
    assert not packs.has(named(b"other"))
    with pytest.raises(BlobMissing):
        packs.get(named(b"other"))


def test_a_pack_torn_at_every_length_keeps_every_blob_before_the_tear() -> None:
    whole = disk_with(*BLOBS[:3])
    (name,) = whole.names()
    first = len(whole.files[name]) - 3 * 344
    for end in range(first, len(whole.files[name])):
        disk = MemoryDisk()
        disk.files[name] = whole.files[name][:end]
        packs, recovery = start(disk)
        kept = (end - first) // 344
        assert held(packs) == BLOBS[:kept], end
        over = (end - first) % 344
        assert (recovery.cut.size if recovery.cut else 0) == over, end
        assert recovery.quarantined == ()
        put(packs, *BLOBS[kept:3])
        assert held(start(disk)[0]) == BLOBS[:3], end


@pytest.mark.parametrize("make", [disk_with, sealed_disk_with])
def test_a_wrong_byte_anywhere_is_never_served_and_can_be_mended(make: object) -> None:
    assert callable(make)
    whole = make(*BLOBS[:3])
    (name,) = whole.names()
    for at in [*range(140), *range(4090, len(whole.files[name]))]:
        disk = MemoryDisk()
        disk.files[name] = bytearray(whole.files[name])
        disk.files[name][at] ^= 0x10
        packs, _ = start(disk)
        served: list[bytes] = []
        for data in BLOBS[:3]:
            try:
                served.append(packs.get(named(data)))
            except (BlobDamaged, BlobMissing):
                assert not packs.has(named(data)), at
                assert packs.put(named(data), data), at
        assert set(served) <= set(BLOBS[:3]) and len(served) >= 2, at
        packs.sync()
        assert held(packs) == BLOBS[:3], at
        again, _ = start(disk)
        assert [again.get(named(data)) for data in BLOBS[:3]] == BLOBS[:3], at


def test_a_pack_that_vanished_is_a_damaged_blob() -> None:
    disk = sealed_disk_with(BLOBS[0])
    packs, _ = start(disk)
    disk.remove(disk.names()[0])
    with pytest.raises(BlobDamaged):
        packs.get(named(BLOBS[0]))
    put(packs, BLOBS[0])
    assert held(packs) == [BLOBS[0]]


def test_a_sector_that_cannot_be_read_loses_only_its_blobs() -> None:
    disk = SimulatedDisk()
    packs, _ = start(disk, pack_bytes_max=1 << 20)
    put(packs, *BLOBS)
    packs.close()
    (name,) = disk.names()
    disk.unreadable.add((name, 8192 + 100))
    packs, _ = start(disk, pack_bytes_max=1 << 20)
    lost = 0
    for data in BLOBS:
        try:
            assert packs.get(named(data)) == data
        except DiskReadFailed:
            lost += 1
            assert not packs.has(named(data))
    assert lost > 0


@pytest.mark.slow
def test_power_cut_at_every_operation_loses_nothing_that_was_synced() -> None:
    operation = 0
    while True:
        operation += 1
        disk, synced = SimulatedDisk(), 0
        disk.crash_at = operation
        try:
            packs, _ = start(disk)
            for at in range(0, 12, 2):
                put(packs, *BLOBS[at : at + 2])
                synced = at + 2
            packs.close()
        except PowerCut:
            for draw in (lose_all, keep_all, *(Random(seed).randrange for seed in range(4))):
                recovered_twice(disk, synced, draw, f"operation {operation}")
        else:
            assert operation > 30
            return


def recovered_twice(disk: SimulatedDisk, synced: int, draw: object, where: str) -> None:
    assert callable(draw)
    crashed = deepcopy(disk)
    crashed.lose_power(draw)
    operation = 0
    while True:
        operation += 1
        after = deepcopy(crashed)
        after.crash_at = after.operations + operation
        try:
            start(after)
        except PowerCut:
            after.crash_at = None
        else:
            break
        packs, recovery = start(after)
        assert not any("does not read" in problem for problem in recovery.problems), where
        check_held(after, packs, synced, f"{where}, then {operation}")
    after.crash_at = None
    check_held(after, start(after)[0], synced, where)


def check_held(disk: SimulatedDisk, packs: Packs, synced: int, where: str) -> None:
    found = held(packs)
    assert set(BLOBS[:synced]) <= set(found) <= set(BLOBS[: synced + 2]), where
    disk.lose_power(lose_all)
    assert held(start(disk)[0]) == found, f"{where}: trusted too early"


def test_no_space_refuses_one_blob_and_keeps_those_that_wait() -> None:
    disk = SimulatedDisk()
    packs, _ = start(disk, pack_bytes_max=1 << 20)
    put(packs, BLOBS[0])
    packs.put(named(BLOBS[1]), BLOBS[1])
    disk.capacity = sum(map(disk.size, disk.names())) + 100
    with pytest.raises(DiskFull):
        packs.put(named(BLOBS[2]), BLOBS[2])
    disk.capacity = None
    put(packs, BLOBS[2])
    assert held(packs) == held(start(disk)[0]) == BLOBS[:3]


def test_no_space_at_any_byte_of_a_roll_refuses_the_blob_and_passes() -> None:
    for space in range(0, 6000, 50):
        disk = SimulatedDisk()
        packs, _ = start(disk)
        put(packs, *BLOBS[:4])
        disk.capacity = sum(map(disk.size, disk.names())) + space
        added = 4
        try:
            for data in BLOBS[4:9]:
                packs.put(named(data), data)
                added += 1
        except DiskFull:
            packs.sync()
            assert held(packs) == sorted(BLOBS[:added]), space
            disk.capacity = None
            put(packs, BLOBS[added])
            added += 1
        else:
            disk.capacity = None
            packs.sync()
        assert held(packs) == held(start(disk)[0]) == sorted(BLOBS[:added]), space


def test_a_sync_that_fails_poisons_the_packs() -> None:
    disk = SimulatedDisk()
    packs, _ = start(disk)
    put(packs, BLOBS[0])
    packs.put(named(BLOBS[1]), BLOBS[1])
    disk.failing_syncs = 1
    with pytest.raises(SyncFailed):
        packs.sync()
    for again in (packs.sync, lambda: packs.put(named(BLOBS[2]), BLOBS[2])):
        with pytest.raises(Poisoned):
            again()
    assert not packs.has(named(BLOBS[1]))
    packs.close()


def test_packs_of_another_shard_are_not_ours_and_stray_files_stay() -> None:
    disk = sealed_disk_with(BLOBS[0])
    with pytest.raises(NotOurs):
        start(disk, shard="other")
    strays = {
        "pack-0000000009.pack": bytes(900),
        "pack-1.pack": b"",
        "log-0000000001.segment": b"x",
    }
    disk.files.update({name: bytearray(content) for name, content in strays.items()})
    packs, recovery = start(disk)
    assert held(packs) == [BLOBS[0]]
    assert len(recovery.problems) == 2
    assert recovery.quarantined == ("pack-0000000009.aside",)
    assert disk.files["pack-0000000009.aside"] == bytes(900)
    assert {"pack-1.pack", "log-0000000001.segment"} <= set(disk.names())


def test_bytes_under_a_wrong_name_are_never_served() -> None:
    """The frame verifies and the index leads to it; the content is another."""
    packs, _ = start(MemoryDisk())
    put(packs, BLOBS[0])
    assert packs._open is not None
    packs._open.add({named(BLOBS[1]): BLOBS[2]})
    packs._open.places[named(BLOBS[3])] = packs._open.places[named(BLOBS[0])]
    for data in (BLOBS[1], BLOBS[3]):
        with pytest.raises(BlobDamaged, match="these are not the bytes"):
            packs.get(named(data))
