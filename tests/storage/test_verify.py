"""Everything that is wrong is found and named; what is healthy is read and left as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from random import Random

import pytest

from crdt import Record
from sim.disk import SimulatedDisk
from storage import (
    BlobDamaged,
    Damage,
    Log,
    LogDamaged,
    LogLimits,
    MemoryDisk,
    Missing,
    Packs,
    Portion,
    TooNew,
    check_running_log,
    check_running_packs,
    check_stopped_log,
    check_stopped_packs,
)
from tests.storage import golden
from tests.storage.phrases import (
    ANN,
    BOB,
    CLUSTER,
    SHARD,
    append,
    copy_of,
    disk_with,
    entropy,
    flattened,
    history,
    numbered,
    restarted,
    sealed_disk_with,
    segments,
    start,
)

BATCHES = [numbered(ANN, 2), numbered(BOB, 2), numbered(ANN, 4)[2:], numbered(BOB, 4)[2:]]
SEVERAL = LogLimits(segment_bytes=4700, recent_bytes=0)
BLOBS = [f"blob {number} ".encode().ljust(300, b".") for number in range(9)]


def damages(portions: Iterable[Portion]) -> list[Damage]:
    return [damage for portion in portions for damage in portion.damages]


def stopped(disk: MemoryDisk) -> list[Damage]:
    before = copy_of(disk).files
    found = damages(check_stopped_log(disk, cluster=CLUSTER, shard=SHARD))
    found += damages(check_stopped_packs(disk, cluster=CLUSTER, shard=SHARD))
    assert disk.files == before, "a verification changes nothing"
    return found


def packed(*blobs: bytes, pack_bytes_max: int = 6000, clean: bool = True) -> MemoryDisk:
    disk = MemoryDisk()
    packs = opened_packs(disk, pack_bytes_max)
    packs.put_all([(named(blob), blob) for blob in blobs])
    packs.sync()
    if clean:
        packs.close()
    return disk


def opened_packs(disk: MemoryDisk | SimulatedDisk, pack_bytes_max: int = 6000) -> Packs:
    return Packs.open(
        disk, cluster=CLUSTER, shard=SHARD, entropy=entropy, pack_bytes_max=pack_bytes_max
    )[0]


def named(blob: bytes) -> bytes:
    return sha256(blob).digest()


def healthy() -> Iterator[MemoryDisk]:
    yield MemoryDisk()
    yield disk_with(*BATCHES)
    yield sealed_disk_with(*BATCHES)
    yield disk_with(*BATCHES, limits=SEVERAL)
    yield sealed_disk_with(*BATCHES, limits=SEVERAL)
    yield packed(*BLOBS)
    yield packed(*BLOBS, clean=False)
    yield packed(b"", bytes(200_000), *BLOBS, bytes(1 << 20), pack_bytes_max=1 << 22)
    yield golden.sealed()
    yield golden.torn()
    yield golden.packs()
    again = disk_with(*BATCHES[:2])
    append(restarted(again), BATCHES[2])
    yield again


@pytest.mark.parametrize("number", range(len(list(healthy()))))
def test_nothing_is_found_in_what_is_healthy(number: int) -> None:
    disk = list(healthy())[number]
    assert stopped(disk) == []
    log = restarted(disk)
    files = copy_of(disk).files
    assert damages(check_running_log(log, cluster=CLUSTER, shard=SHARD)) == []
    assert damages(check_running_packs(opened_packs(copy_of(disk)))) == []
    assert disk.files == files


def test_all_is_read() -> None:
    disk = sealed_disk_with(*BATCHES, limits=SEVERAL)
    portions = list(check_stopped_log(disk, cluster=CLUSTER, shard=SHARD))
    assert sum(portion.records for portion in portions) == len(flattened(BATCHES))
    zeros = sum(content.count(bytes(1)) for content in disk.files.values())
    assert sum(portion.bytes for portion in portions) > disk_bytes(disk) - zeros
    packs = packed(*BLOBS)
    assert sum(p.blobs for p in check_stopped_packs(packs, cluster=CLUSTER, shard=SHARD)) == 9


def disk_bytes(disk: MemoryDisk) -> int:
    return sum(map(len, disk.files.values()))


@pytest.mark.parametrize("bits", [0x01, pytest.param(0x80, marks=pytest.mark.slow)])
def test_a_wrong_byte_anywhere_in_a_segment_is_found(bits: int) -> None:
    """Of the first of several: what is torn off the last one is no damage."""
    whole = sealed_disk_with(*BATCHES, limits=SEVERAL)
    first = segments(whole)[0]
    content = whole.files[first]
    padding = range(content.index(bytes(1000)), 4096)
    for at in range(len(content)):
        if at in padding:
            continue
        disk = copy_of(whole)
        disk.files[first][at] ^= bits
        try:
            found = stopped(disk)
        except TooNew:
            continue
        assert found, at
        _, recovery = start(disk)
        named = [records for damage in found for records in damage.records]
        assert set(recovery.missing) <= set(named), at


def test_records_that_do_not_read_back_are_named() -> None:
    disk = sealed_disk_with(*BATCHES)
    content = disk.files[segments(disk)[0]]
    content[content.index(BATCHES[1][1].data)] ^= 1
    (damage, lost) = stopped(disk)
    assert damage.records == lost.records == (Missing(BOB, 2, 2),)
    assert (damage.file, lost.file) == ("log-0000000001.segment", "")


def test_damage_in_a_tail_is_named_and_a_torn_end_is_none() -> None:
    disk = disk_with(*BATCHES)
    (name,) = segments(disk)
    torn = copy_of(disk)
    del torn.files[name][-9:]
    assert stopped(torn) == []
    disk.files[name][disk.files[name].index(BATCHES[0][0].data)] ^= 1
    assert [damage.file for damage in stopped(disk)] == [name, ""]


def test_a_segment_that_somebody_deleted_is_missed() -> None:
    disk = sealed_disk_with(*BATCHES, limits=LogLimits(segment_bytes=4300))
    del disk.files[segments(disk)[1]]
    found = stopped(disk)
    assert any("otherwise than the segments before" in damage.what for damage in found)
    assert found[-1].records


def test_an_old_sector_with_a_valid_checksum_breaks_the_chain() -> None:
    """Frames that verify, at their place in their file, of another history of the actor."""
    other = history(ANN, [b"other".ljust(20, b".") for _ in range(2)])
    disk, twin = MemoryDisk(), MemoryDisk()
    for place, first in ((disk, BATCHES[0]), (twin, other)):
        log, _ = Log.open(place, cluster=CLUSTER, shard=SHARD, entropy=bytes_of_one_kind)
        append(log, first)
        append(log, BATCHES[1])
        log.close()
    (name,) = segments(disk)
    assert len(disk.files[name]) == len(twin.files[name])
    at = disk.files[name].index(BATCHES[0][1].data)
    disk.files[name][at - 64 : at + 24] = twin.files[name][at - 64 : at + 24]
    found = stopped(disk)
    assert found and found[0].records == (Missing(ANN, 2, 2),)


def bytes_of_one_kind(length: int) -> bytes:
    return b"x" * length


def test_a_running_log_is_checked_up_to_what_is_synced_while_it_grows() -> None:
    log = restarted(MemoryDisk(), limits=SEVERAL)
    for batch in BATCHES[:2]:
        append(log, batch)
    portions = check_running_log(log, cluster=CLUSTER, shard=SHARD)
    next(portions)
    for batch in BATCHES[2:]:
        append(log, batch)
    rest = list(portions)
    assert damages(rest) == []
    assert sum(portion.records for portion in rest) >= 6


def test_damage_in_a_running_log_is_fetched_again_after_the_next_start() -> None:
    disk = disk_with(*BATCHES, limits=SEVERAL)
    log = restarted(disk, limits=SEVERAL)
    first = segments(disk)[0]
    disk.files[first][disk.files[first].index(BATCHES[0][1].data)] ^= 1
    found = damages(check_running_log(log, cluster=CLUSTER, shard=SHARD))
    assert [(damage.file, damage.records) for damage in found] == [(first, (Missing(ANN, 2, 2),))]
    with pytest.raises(LogDamaged):
        log.condemn([first], "a verification found damage")
    log, recovery = start(disk, limits=SEVERAL)
    assert recovery.missing == (Missing(ANN, 2, 2),)
    assert damages(check_running_log(log, cluster=CLUSTER, shard=SHARD))[0].file == ""
    append(log, [BATCHES[0][1]])
    assert damages(check_running_log(log, cluster=CLUSTER, shard=SHARD)) == []
    log.close()
    assert stopped(disk) == []


def test_a_wrong_byte_anywhere_in_a_pack_is_found_and_its_blob_named() -> None:
    whole = packed(*BLOBS[:3], pack_bytes_max=1 << 20)
    (name,) = whole.names()
    content = whole.files[name]
    for at in range(len(content)):
        disk = MemoryDisk()
        disk.files[name] = bytearray(content)
        disk.files[name][at] ^= 0x10
        if content.index(bytes(1000)) <= at < 4096 or at >= len(content) - 52:
            continue  # zeros; and without its trailer the last pack is one that was never sealed
        try:
            found = stopped(disk)
        except TooNew:
            continue
        blobs = [damage.blob for damage in found if damage.blob is not None]
        inside = [named(blob) for blob in BLOBS[:3] if is_in(content, blob, at)]
        assert blobs == inside or found, at
        if inside:
            assert blobs == inside, at


def is_in(content: bytearray, blob: bytes, at: int) -> bool:
    start = content.index(blob)
    return start <= at < start + len(blob)


def test_a_blob_that_does_not_read_back_can_be_put_again_while_the_packs_are_in_use() -> None:
    disk = packed(*BLOBS)
    packs = opened_packs(disk)
    name = next(name for name in disk.names() if BLOBS[4] in disk.files[name])
    disk.files[name][disk.files[name].index(BLOBS[4])] ^= 1
    (damage,) = damages(check_running_packs(packs))
    assert (damage.file, damage.blob) == (name, named(BLOBS[4]))
    with pytest.raises(BlobDamaged):
        packs.get(named(BLOBS[4]))
    assert packs.damaged() == [named(BLOBS[4])]
    packs.put(named(BLOBS[4]), BLOBS[4])
    packs.sync()
    assert packs.damaged() == []
    assert packs.get(named(BLOBS[4])) == BLOBS[4]
    assert damages(check_running_packs(packs)) == []
    packs.close()
    assert stopped(disk) == []


def test_next_to_a_sector_that_cannot_be_read_the_other_blobs_are_checked() -> None:
    disk = SimulatedDisk()
    packs = opened_packs(disk, 1 << 20)
    packs.put_all([(named(blob), blob) for blob in BLOBS])
    packs.sync()
    (name,) = disk.names()
    disk.unreadable.add((name, 4096 + 900))
    portions = list(check_running_packs(packs))
    (damage,) = damages(portions)
    assert damage.blob == named(BLOBS[2])
    assert sum(portion.blobs for portion in portions) == len(BLOBS)


def test_no_portion_is_long() -> None:
    """One read of 32 KiB, or one long frame."""
    records = flattened(history_in_batches(Random(1), 400))
    log = restarted(MemoryDisk())
    for start_at in range(0, len(records), 50):
        append(log, records[start_at : start_at + 50])
    log.close()
    portions = list(check_running_log(log, cluster=CLUSTER, shard=SHARD))
    assert len(portions) > 4
    assert max(portion.bytes for portion in portions) <= 32 << 10


def history_in_batches(random: Random, count: int) -> Iterator[list[Record]]:
    yield history(ANN, [random.randbytes(random.randrange(2000)) for _ in range(count)])
