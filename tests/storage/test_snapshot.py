"""A snapshot is whole or it is none; what it stood beside is never harmed by making one."""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest

from sim.disk import Draw, PowerCut, SimulatedDisk, keep_all, lose_all
from storage import (
    Beginning,
    Damaged,
    Disk,
    DiskFull,
    DiskReadFailed,
    MemoryDisk,
    NotOurs,
    Snapshot,
    SyncFailed,
    Tip,
    TooNew,
    blocks_of,
    check_snapshot,
    find_snapshots,
    new_snapshot,
    remove_snapshots,
    set_snapshot_aside,
)
from tests.storage.phrases import ANN, BOB, CLUSTER, SHARD, entropy

TIPS = {ANN: Tip(7, b"c" * 32, b"head of ann"), BOB: Tip(2, b"d" * 32, None)}
BLOCKS = [f"block {number} ".encode() * (1 + number * 40) for number in range(5)]


def make(disk: Disk, number: int = 1, blocks: list[bytes] = BLOCKS) -> None:
    writer = new_snapshot(
        disk,
        Beginning(3, TIPS, {ANN: 5}),
        number=number,
        id=entropy(16),
        cluster=CLUSTER,
        shard=SHARD,
    )
    for block in blocks:
        writer.add(block)
    writer.finish()
    remove_snapshots(disk, but=[number])


def newest(disk: Disk) -> Snapshot | None:
    """The newest that is whole; one that is not is set aside."""
    for snapshot in find_snapshots(disk, cluster=CLUSTER, shard=SHARD).snapshots:
        try:
            for _ in check_snapshot(disk, snapshot):
                pass
        except (Damaged, DiskReadFailed):
            set_snapshot_aside(disk, snapshot)
        else:
            return snapshot
    return None


def read(disk: Disk) -> list[bytes] | None:
    found = newest(disk)
    if found is None:
        return None
    assert (found.tips, found.version) == (TIPS, 3)
    return list(blocks_of(disk, found))


def test_what_was_written_comes_back() -> None:
    for blocks in (BLOCKS, [], [b""]):
        disk = MemoryDisk()
        make(disk, blocks=blocks)
        assert read(disk) == blocks
        found = newest(disk)
        assert found is not None and found.clock == {ANN: 7, BOB: 2}


def test_a_newer_one_takes_the_place_of_the_older() -> None:
    disk = MemoryDisk()
    make(disk, 1, [b"old"])
    make(disk, 2, [b"new"])
    assert disk.names() == ["snapshot-0000000002.snapshot"]
    found = find_snapshots(disk, cluster=CLUSTER, shard=SHARD)
    assert (found.last_number, read(disk)) == (2, [b"new"])


def test_one_that_is_cut_anywhere_is_refused_whole() -> None:
    whole = MemoryDisk()
    make(whole)
    (name,) = whole.names()
    for length in range(len(whole.files[name])):
        disk = MemoryDisk()
        disk.files[name] = whole.files[name][:length]
        assert read(disk) is None, length
        assert disk.names() == [name.replace(".snapshot", ".aside")]


@pytest.mark.parametrize("bits", [0x01, 0x80])
def test_one_with_any_byte_wrong_is_refused_whole(bits: int) -> None:
    whole = MemoryDisk()
    make(whole)
    (name,) = whole.names()
    for at in range(len(whole.files[name])):
        disk = MemoryDisk()
        disk.files[name] = bytearray(whole.files[name])
        disk.files[name][at] ^= bits
        try:
            assert read(disk) is None, at
        except TooNew:
            assert at < 26, at


def test_blocks_in_another_order_left_out_or_with_more_behind_are_refused() -> None:
    disk = MemoryDisk()
    make(disk, blocks=[b"one block", b"two block"])
    (name,) = disk.names()
    content = bytes(disk.files[name])
    first, second = content.index(b"one block") - 8, content.index(b"two block") - 8
    size = second - first
    swapped = content[:first] + content[second : second + size] + content[first:second]
    for harmed in (
        swapped + content[second + size :],
        content[:first] + content[second:],
        content + b"x",
        content + content[-60:],
    ):
        disk.files = {name: bytearray(harmed)}
        assert read(disk) is None


def test_what_lies_beside_a_damaged_one_is_used() -> None:
    disk = MemoryDisk()
    make(disk, 1, [b"old"])
    older = dict(disk.files)
    make(disk, 2, [b"new"])
    disk.files.update(older)
    disk.files["snapshot-0000000002.snapshot"][-70] ^= 1
    assert read(disk) == [b"old"]
    assert disk.names() == ["snapshot-0000000001.snapshot", "snapshot-0000000002.aside"]


def test_another_shards_snapshot_is_not_ours_and_strays_stay() -> None:
    disk = MemoryDisk()
    make(disk)
    with pytest.raises(NotOurs):
        find_snapshots(disk, cluster=CLUSTER, shard="other")
    disk.files["snapshot-7.snapshot"] = bytearray(b"x")
    disk.files["snapshot-0000000007.snapshot"] = bytearray()
    found = find_snapshots(disk, cluster=CLUSTER, shard=SHARD)
    assert [snapshot.name.number for snapshot in found.snapshots] == [1]
    assert len(found.problems) == 1 and found.last_number == 7
    assert "snapshot-7.snapshot" in disk.names()


def draws(count: int) -> list[Draw | None]:
    return [None, lose_all, keep_all, *(Random(seed).randrange for seed in range(count))]


@pytest.mark.parametrize("count", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_power_cut_at_every_operation_leaves_the_old_or_the_new_one(count: int) -> None:
    first = SimulatedDisk()
    make(first, 1, [b"old"])
    operation = 0
    while True:
        operation += 1
        crashed = deepcopy(first)
        crashed.crash_at = first.operations + operation
        try:
            make(crashed, 2)
        except PowerCut:
            for draw in draws(count):
                disk = deepcopy(crashed)
                disk.end_process() if draw is None else disk.lose_power(draw)
                found = read(disk)
                assert found in ([b"old"], BLOCKS), operation
                assert not any(name.endswith(("new", "aside")) for name in disk.names())
                disk.lose_power(lose_all)
                if found == BLOCKS:
                    assert read(disk) == BLOCKS, f"{operation}: trusted too early"
                make(disk, 3, [b"newer"])
                assert read(disk) == [b"newer"]
        else:
            assert operation > 12
            return


def test_without_space_the_old_one_stays_and_nothing_is_left_over() -> None:
    refused = 0
    for space in range(0, 6000, 53):
        disk = SimulatedDisk()
        make(disk, 1, [b"old"])
        disk.capacity = disk.used() + space
        try:
            make(disk, 2)
        except DiskFull:
            refused += 1
            assert disk.names() == ["snapshot-0000000001.snapshot"]
            assert read(disk) == [b"old"]
            disk.capacity = None
            make(disk, 2)
        assert read(disk) == BLOCKS
    assert refused > 50


def test_a_sync_that_fails_leaves_the_old_one() -> None:
    disk = SimulatedDisk()
    make(disk, 1, [b"old"])
    disk.failing_syncs = 1
    with pytest.raises(SyncFailed):
        make(disk, 2)
    assert read(disk) == [b"old"]


def test_a_sector_that_cannot_be_read_makes_it_none() -> None:
    disk = SimulatedDisk()
    make(disk)
    (name,) = disk.names()
    disk.unreadable.add((name, 1000))
    assert read(disk) is None
