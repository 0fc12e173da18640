"""Damage to what was confirmed is never cut: it is quarantined, named, and fetched again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crdt import Record
from storage import (
    ChainBroken,
    LogDamaged,
    LogLimits,
    MemoryDisk,
    Missing,
    RecordsMissing,
    TooNew,
)
from tests.storage.phrases import (
    ANN,
    BOB,
    EVE,
    SMALL,
    UNCACHED,
    append,
    copy_of,
    disk_with,
    every,
    flattened,
    history,
    numbered,
    replayed,
    restarted,
    sealed_disk_with,
    segments,
    start,
)

BATCHES = [numbered(ANN, 2), numbered(BOB, 2), numbered(ANN, 4)[2:], numbered(BOB, 4)[2:]]


def flip(content: bytearray, at: int) -> None:
    content[at] ^= 0x41


def zero(content: bytearray, at: int) -> None:
    content[at : at + 30] = bytes(len(content[at : at + 30]))


def is_cut_of_last_batch_only(found: list[Record]) -> bool:
    return found == flattened(BATCHES[:3])


@pytest.mark.slow
@pytest.mark.parametrize("harm", [flip, zero])
def test_damage_at_any_byte_of_a_tail_loses_only_the_records_it_touches(harm: object) -> None:
    assert callable(harm)
    touched = 2 if harm is zero else 1
    whole = disk_with(*BATCHES)
    begins = disk_with(*BATCHES[:3]).size(segments(whole)[0])
    for at, disk in every(whole, harm):
        log, recovery = start(disk)
        found = replayed(log)
        if recovery.cut:
            assert is_cut_of_last_batch_only(found) or at + 30 > begins, at
            assert at + 30 > begins, f"byte {at} of a confirmed batch was cut"
        else:
            lost = [record for record in flattened(BATCHES) if record not in found]
            assert len(lost) <= touched, at
            assert bool(lost) <= bool(recovery.quarantined), at
        again, second = start(disk)
        assert replayed(again) == found, at
        assert second.missing == recovery.missing, at


@pytest.mark.slow
@pytest.mark.parametrize("harm", [flip, zero])
def test_damage_at_any_byte_of_a_sealed_segment_loses_only_what_it_touches(harm: object) -> None:
    """Opening reads the index alone, so a replay finds it, and the next start knows."""
    assert callable(harm)
    touched = 2 if harm is zero else 1
    for at, disk in every(sealed_disk_with(*BATCHES), harm):
        log, recovery = start(disk)
        try:
            found = replayed(log)
        except LogDamaged:
            log, recovery = start(disk)
            found = replayed(log)
        assert recovery.cut is None, at
        lost = [record for record in flattened(BATCHES) if record not in found]
        assert len(lost) <= touched, at
        assert {(m.actor, seq) for m in recovery.missing for seq in range(m.first, m.last + 1)} == {
            (record.actor, record.seq) for record in lost
        }, at


@pytest.mark.parametrize("at", range(8))
def test_a_damaged_segment_in_the_middle_is_named_and_refilled(at: int) -> None:
    records = numbered(ANN, 40)
    batches = [records[n : n + 4] for n in range(0, 40, 4)]
    disk = sealed_disk_with(*batches, limits=SMALL)
    place = disk.files[segments(disk)[1]].index(records[8 + at].data)
    flip(disk.files[segments(disk)[1]], place)
    with pytest.raises(LogDamaged, match="close the log and open it again"):
        replayed(restarted(disk, limits=SMALL))
    log, recovery = start(disk, limits=SMALL)
    lost = records[8 + at]
    assert recovery.missing == log.missing() == (Missing(ANN, lost.seq, lost.seq),)
    assert recovery.quarantined == ("log-0000000002.damaged",)
    assert recovery.unidentified == ()
    assert log.clock() == {ANN: lost.seq - 1}, "nothing is acknowledged beyond the hole"
    assert replayed(log) == [record for record in records if record is not lost]
    with pytest.raises(RecordsMissing):
        log.read(ANN, lost.seq, 40, max_bytes=1000)
    assert log.read(ANN, lost.seq - 1, 40, max_bytes=1000) == [records[lost.seq - 2]]
    append(log, [lost])
    assert (log.clock(), log.missing()) == ({ANN: 40}, ())
    assert log.read(ANN, 1, 40, max_bytes=9999) == records
    log.close()
    log, recovery = start(disk, limits=SMALL)
    assert (log.clock(), recovery.missing) == ({ANN: 40}, ())
    assert recovery.quarantined == ("log-0000000002.damaged",)
    assert log.read(ANN, 1, 40, max_bytes=9999) == records
    assert sorted(replayed(log)) == records


def test_a_hole_does_not_keep_an_actor_from_going_on() -> None:
    disk = damaged_in_the_middle()
    log = restarted(disk, limits=LogLimits())
    append(log, numbered(ANN, 42)[40:])
    assert log.clock() == {ANN: 8}
    append(log, numbered(ANN, 43)[8:12])
    assert log.clock() == {ANN: 42}
    assert log.read(ANN, 1, 43, max_bytes=9999) == numbered(ANN, 42)
    assert log.read(ANN, 41, 43, max_bytes=9999) == numbered(ANN, 42)[40:]
    append(log, numbered(ANN, 43)[42:])
    for first in range(1, 44):
        assert log.read(ANN, first, 43, max_bytes=9999) == numbered(ANN, 43)[first - 1 :]
    log.close()
    assert restarted(disk).read(ANN, 1, 43, max_bytes=9999) == numbered(ANN, 43)


def damaged_in_the_middle() -> MemoryDisk:
    """Records 9 to 12 of ann do not read back; the start that finds it is done."""
    records = numbered(ANN, 40)
    disk = sealed_disk_with(*(records[n : n + 4] for n in range(0, 40, 4)), limits=SMALL)
    content = disk.files[segments(disk)[1]]
    for record in records[8:12]:
        flip(content, content.index(record.data))
    with pytest.raises(LogDamaged):
        restarted(disk, limits=SMALL).read(ANN, 9, 9, max_bytes=0)
    assert start(disk)[1].missing == (Missing(ANN, 9, 12),)
    return disk


def test_a_hole_is_filled_in_parts_and_in_order() -> None:
    disk = damaged_in_the_middle()
    records = numbered(ANN, 40)
    log = restarted(disk)
    append(log, [records[8]])
    assert log.missing() == (Missing(ANN, 10, 12),)
    log = restarted(disk)
    with pytest.raises(AssertionError, match="fill holes in order"):
        append(log, [records[10]])
    append(log, [records[9], *numbered(EVE, 1), records[10]])
    assert log.missing() == (Missing(ANN, 12, 12),)
    append(log, [*numbered(ANN, 41)[40:], records[11]])
    assert restarted(disk).read(ANN, 1, 41, max_bytes=9999) == numbered(ANN, 41)


def test_a_hole_is_filled_only_by_what_joins_the_chain_on_both_sides() -> None:
    disk = damaged_in_the_middle()
    records = numbered(ANN, 40)
    log = restarted(disk)
    forged = records[8]._replace(chain=bytes(32))
    branch = history(ANN, [b"9", b"10", b"11", b"12"], after=records[7])
    for wrong in ([forged], branch, [records[8], records[9]._replace(data=b"other")]):
        with pytest.raises(ChainBroken, match="does not join the chain"):
            append(log, wrong)
    assert log.missing() == (Missing(ANN, 9, 12),)
    append(log, records[8:12])


def test_what_comes_again_behind_a_hole_is_what_is_held_there() -> None:
    log = restarted(damaged_in_the_middle())
    records = numbered(ANN, 40)
    assert log.absent(records[8:20]) == records[8:12]
    branch = history(ANN, [b"14", b"15"], after=records[12])
    with pytest.raises(ChainBroken, match="is held, and is another one") as refused:
        log.absent([*records[8:13], *branch])
    assert refused.value.sound == 13, "what is held is the same up to there"


def test_a_segment_removed_by_hand_is_missed() -> None:
    records = numbered(ANN, 40)
    disk = sealed_disk_with(*(records[n : n + 4] for n in range(0, 40, 4)), limits=SMALL)
    del disk.files[segments(disk)[1]]
    log, recovery = start(disk, limits=SMALL)
    (missing,) = recovery.missing
    assert log.clock() == {ANN: missing.first - 1}
    assert recovery.problems == (f"records {missing.text} are missing",)
    append(log, records[missing.first - 1 : missing.last])
    assert restarted(disk).clock() == {ANN: 40}


@pytest.mark.parametrize("condemned", [False, True])
def test_a_segment_removed_while_the_log_is_open_is_damage(condemned: bool) -> None:
    """Whoever reads it is told to open the log again; until then nobody would get past it."""
    records = numbered(ANN, 40)
    disk = sealed_disk_with(*(records[n : n + 4] for n in range(0, 40, 4)), limits=SMALL)
    log = restarted(disk, limits=SMALL)
    name = segments(disk)[1]
    del disk.files[name]
    ways: list[Callable[[], object]] = [
        lambda: log.read(ANN, 9, 16, max_bytes=999),
        lambda: log.chain_at(ANN, 12),
        lambda: replayed(log),
        lambda: list(log.replay({ANN: 8})),
    ]
    if condemned:
        ways = [lambda: log.condemn([name], "it is gone")]
    for read in ways:
        with pytest.raises(LogDamaged, match=rf"{name}.*; close the log and open it again"):
            read()
    assert log.read(ANN, 1, 2, max_bytes=999) == records[:2]
    assert log.size().bytes == sum(map(len, disk.files.values()))
    (missing,) = start(disk, limits=SMALL)[1].missing
    assert missing.first <= 12 <= missing.last


def test_a_header_lost_in_one_place_is_found_in_the_other() -> None:
    for make in (disk_with, sealed_disk_with):
        disk = make(*BATCHES)
        zero(disk.files[segments(disk)[0]], 0)
        log = restarted(disk)
        assert replayed(log) == flattened(BATCHES)


def test_a_segment_without_any_header_is_set_aside_and_said_to_be_lost() -> None:
    disk = disk_with(*BATCHES)
    (name,) = segments(disk)
    disk.files[name][:4400] = bytes(4400)
    log, recovery = start(disk)
    assert (log.clock(), recovery.unidentified) == ({}, (name,))
    assert recovery.quarantined == ("log-0000000001.aside",)
    append(log, numbered(EVE, 1))
    assert segments(disk) == ["log-0000000002.segment"]
    assert restarted(disk).clock() == {EVE: 1}


@pytest.mark.parametrize(
    "name",
    ["log-0000000009.segment", "log-0000000001.segment.bak", "log-9.segment", "notes", "identity"],
)
@pytest.mark.parametrize("content", [b"", bytes(5000), b"a letter to the editor"])
def test_stray_files_are_never_deleted(name: str, content: bytes) -> None:
    disk = sealed_disk_with(*BATCHES)
    disk.files[name] = bytearray(content)
    log, recovery = start(disk)
    assert replayed(log) == flattened(BATCHES)
    kept = "log-0000000009.aside" if name == "log-0000000009.segment" else name
    assert disk.files[kept] == content
    assert bool(recovery.problems) == name.startswith("log-")
    append(log, numbered(EVE, 1))
    assert restarted(disk).clock() == {ANN: 4, BOB: 4, EVE: 1}


def test_a_copy_of_a_segment_under_another_number_is_left_alone() -> None:
    disk = sealed_disk_with(*BATCHES)
    disk.files["log-0000000007.segment"] = bytearray(disk.files[segments(disk)[0]])
    log, recovery = start(disk)
    assert replayed(log) == flattened(BATCHES)
    assert recovery.problems == ("log-0000000007.segment was made as number 1; it is left alone",)


def test_a_sector_in_the_wrong_place_is_found_though_its_checksum_is_valid() -> None:
    """Two records of one size change places: each frame is sound, but not where it lies."""
    disk = sealed_disk_with(numbered(ANN, 4))
    content = disk.files[segments(disk)[0]]
    size = 68 + 20
    first, second = (content.index(record.data) - 64 for record in numbered(ANN, 2))
    swapped = bytes(content[second : second + size]) + bytes(content[first : first + size])
    content[first : first + 2 * size] = swapped
    with pytest.raises(LogDamaged):
        replayed(restarted(disk))
    assert start(disk)[1].missing == (Missing(ANN, 1, 2),)


def test_a_sector_of_another_segment_is_found() -> None:
    records = numbered(ANN, 40)
    disk = sealed_disk_with(*(records[n : n + 4] for n in range(0, 40, 4)), limits=SMALL)
    first, second = (disk.files[name] for name in segments(disk)[:2])
    second[-500:-300] = first[-500:-300]
    with pytest.raises(LogDamaged):
        replayed(restarted(disk, limits=SMALL))
    assert start(disk)[1].missing != ()


def test_a_duplicate_and_a_break_of_the_chain_in_a_tail_are_not_used() -> None:
    """Such a tail cannot come from `append`; were it there, it would not be taken for sound."""
    from storage.coverage import runs_of
    from storage.log import Log

    for wrong, why in (
        (numbered(ANN, 3)[2:], "616e6e00:3 is in the log already"),
        ([Record(ANN, 4, bytes(32), b"x")], "616e6e00:4 does not continue the chain"),
    ):
        disk = MemoryDisk()
        log: Log = restarted(disk)
        append(log, numbered(ANN, 3))
        tail = log._tail
        assert tail is not None
        tail.write(wrong, runs_of(wrong, 1), synced=1)
        log, recovery = start(disk)
        assert replayed(log) == numbered(ANN, 3)
        assert any(why in problem for problem in recovery.problems)
        assert recovery.quarantined == ("log-0000000001.aside",)


def test_a_hole_in_a_tail_is_missed_and_what_follows_it_is_kept() -> None:
    disk = disk_with(numbered(ANN, 2), numbered(ANN, 4)[2:], numbered(ANN, 6)[4:])
    content = disk.files[segments(disk)[0]]
    flip(content, content.index(numbered(ANN, 3)[2].data))
    log, recovery = start(disk)
    assert recovery.missing == (Missing(ANN, 3, 3),)
    assert recovery.unidentified == ("log-0000000001.segment",)
    assert [record.seq for record in replayed(log)] == [1, 2, 4, 5, 6]
    append(log, numbered(ANN, 3)[2:])
    assert restarted(disk).read(ANN, 1, 6, max_bytes=999) == numbered(ANN, 6)


@pytest.mark.parametrize("make", [disk_with, sealed_disk_with])
def test_a_segment_of_a_later_format_ends_the_start_and_is_not_touched(make: object) -> None:
    assert callable(make)
    disk = as_of_version(make(*BATCHES), 2)
    before = copy_of(disk).files
    with pytest.raises(TooNew, match="written in format 2, this program reads up to 1"):
        start(disk)
    assert disk.files == before


def as_of_version(disk: MemoryDisk, version: int) -> MemoryDisk:
    from crc32c import crc32c

    content = disk.files[segments(disk)[0]]
    content[8:10] = version.to_bytes(2, "little")
    content[12:16] = crc32c(bytes(content[:12])).to_bytes(4, "little")
    content[16:] = b"laid out otherwise" * 9
    return disk


def test_damage_met_while_running_is_reported_by_every_way_of_reading() -> None:
    for ask in (
        lambda log: log.read(ANN, 1, 4, max_bytes=999),
        lambda log: log.chain_at(ANN, 1),
        lambda log: list(log.replay()),
    ):
        disk = disk_with(*BATCHES)
        log = restarted(disk, limits=UNCACHED)
        (name,) = segments(disk)
        flip(disk.files[name], disk.files[name].index(numbered(ANN, 1)[0].data))
        with pytest.raises(LogDamaged):
            ask(log)
        assert start(disk)[1].missing == (Missing(ANN, 1, 1),)


def test_the_last_batch_that_was_taken_over_is_known_synced() -> None:
    """Its segment got its name after it was synced, though no mark names it yet."""
    disk = disk_with(*BATCHES)
    restarted(disk)
    (name,) = segments(disk)
    flip(disk.files[name], disk.files[name].index(BATCHES[-1][0].data))
    _, recovery = start(disk)
    assert recovery.cut is None
    assert recovery.missing == (Missing(BOB, 3, 3),)
    assert recovery.quarantined != ()


def test_a_last_batch_is_known_synced_once_its_segment_was_sealed() -> None:
    """The trailer, which says so at once, is gone; the index is not."""
    disk = sealed_disk_with(*BATCHES)
    content = disk.files[segments(disk)[0]]
    flip(content, content.index(BATCHES[-1][0].data))
    zero(content, len(content) - 30)
    recovery = start(disk)[1]
    assert recovery.cut is None
    assert recovery.missing == (Missing(BOB, 3, 3),)


def test_an_index_that_names_more_records_than_there_are_is_damage() -> None:
    disk = MemoryDisk()
    log = restarted(disk)
    append(log, BATCHES[0])
    log._reader.all_segments()[0].records += 1
    log.close()
    with pytest.raises(LogDamaged, match="expected 3 records, found 2"):
        replayed(restarted(disk))
