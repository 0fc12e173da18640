"""What a log gives back is what was appended, across segments, reads and clean restarts."""

from __future__ import annotations

from itertools import islice

import pytest
from typing_extensions import override

from crdt import Record, first_chain
from storage import HeadBefore, Log, LogLimits, MemoryDisk, NotOurs, RecordsMissing
from tests.storage.phrases import (
    ANN,
    BOB,
    CLUSTER,
    EVE,
    SHARD,
    SMALL,
    UNCACHED,
    append,
    disk_with,
    entropy,
    flattened,
    head_of,
    history,
    numbered,
    replayed,
    restarted,
    sealed_disk_with,
    segments,
    start,
)

BATCHES = [
    [
        record
        for pair in zip(numbered(ANN, 40)[at : at + 4], numbered(BOB, 40)[at : at + 4], strict=True)
        for record in pair
    ]
    for at in range(0, 40, 4)
]


def test_an_empty_directory_is_an_empty_log_and_stays_empty() -> None:
    disk = MemoryDisk()
    log, recovery = start(disk)
    assert (log.clock(), replayed(log), recovery.problems) == ({}, [], ())
    log.close()
    assert disk.names() == []


def test_batches_are_numbered_and_the_numbers_go_on_after_a_restart() -> None:
    disk = MemoryDisk()
    log = restarted(disk, limits=SMALL)
    assert [append(log, batch) for batch in BATCHES[:5]] == [1, 2, 3, 4, 5]
    log.close()
    assert append(restarted(disk, limits=SMALL), BATCHES[5]) == 6


@pytest.mark.parametrize("limits", [SMALL, UNCACHED, LogLimits()])
@pytest.mark.parametrize("make", [disk_with, sealed_disk_with])
def test_records_come_back_in_order_after_a_restart(limits: LogLimits, make: object) -> None:
    assert callable(make)
    log, recovery = start(make(*BATCHES, limits=limits), limits=limits)
    assert replayed(log) == flattened(BATCHES)
    assert log.clock() == recovery.clock == {ANN: 40, BOB: 40}
    assert recovery.problems == recovery.quarantined == ()
    assert recovery.missing == ()
    assert recovery.cut is None


@pytest.mark.parametrize("limits", [SMALL, UNCACHED, LogLimits()])
def test_any_range_of_any_actor_reads_back(limits: LogLimits) -> None:
    log = restarted(MemoryDisk(), limits=limits)
    for batch in BATCHES:
        append(log, batch)
    ann = numbered(ANN, 40)
    for first in range(1, 41):
        for last in (first, first + 3, 40):
            found = log.read(ANN, first, last, max_bytes=1 << 20)
            assert found == ann[first - 1 : last], (first, last)


def test_a_read_is_cut_at_its_bytes_but_has_at_least_one_record() -> None:
    for limits in (UNCACHED, LogLimits()):
        log = restarted(MemoryDisk(), limits=limits)
        append(log, numbered(ANN, 10, size=20))
        assert len(log.read(ANN, 2, 10, max_bytes=1)) == 1
        assert len(log.read(ANN, 2, 10, max_bytes=39)) == 1
        assert len(log.read(ANN, 2, 10, max_bytes=40)) == 2


def test_a_record_that_is_not_there_is_an_error() -> None:
    log = restarted(disk_with(numbered(ANN, 3)))
    with pytest.raises(RecordsMissing, match="616e6e00:4 is not in this log"):
        log.read(ANN, 4, 9, max_bytes=100)
    with pytest.raises(RecordsMissing):
        log.read(EVE, 1, 1, max_bytes=100)
    with pytest.raises(RecordsMissing):
        log.head_before(EVE, 1)


def test_records_of_every_size_come_back() -> None:
    sizes = [0, 1, 11, 12, 67, 68, 69, 255, 4096, 262_144, 300_000, 1 << 20]
    records = history(ANN, (bytes([at]) * size for at, size in enumerate(sizes)))
    disk = disk_with(records[:6], records[6:])
    assert replayed(restarted(disk)) == records
    log = restarted(disk)
    for record in records:
        assert log.read(ANN, record.seq, record.seq, max_bytes=0) == [record]


def test_a_record_above_the_limit_is_refused_before_anything_is_written() -> None:
    log = restarted(MemoryDisk())
    with pytest.raises(AssertionError, match="1048577 bytes"):
        append(log, history(ANN, [bytes((1 << 20) + 1)]))
    assert append(log, history(ANN, [bytes(1 << 20)])) == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (numbered(ANN, 5)[4:], "leaves a hole after 3"),
        (numbered(ANN, 3)[2:], "is held"),
        (numbered(EVE, 2)[1:], "leaves a hole after 0"),
        ([Record(ANN, 4, bytes(32), b"forged")], "breaks the chain"),
        ([], "an empty batch"),
    ],
)
def test_a_batch_that_does_not_follow_is_our_own_mistake(wrong: list[Record], why: str) -> None:
    log = restarted(disk_with(numbered(ANN, 3)))
    with pytest.raises(AssertionError, match=why):
        append(log, wrong)
    assert append(log, numbered(ANN, 4)[3:]) == 2
    assert replayed(log) == numbered(ANN, 4)


def test_a_batch_without_the_head_of_an_actor_is_our_own_mistake() -> None:
    log = restarted(MemoryDisk())
    with pytest.raises(AssertionError, match="comes without a head"):
        log.append(numbered(ANN, 1), {})


def test_a_full_segment_is_sealed_and_the_next_starts_from_its_tips() -> None:
    disk = sealed_disk_with(*BATCHES, limits=SMALL)
    log = restarted(disk, limits=SMALL)
    assert len(segments(disk)) == log.size().segments > 3
    for segment in list(log.replay_segments())[1:]:
        first = {record.actor: record.seq for record in reversed(list(segment.records))}
        assert {actor: tip.seq + 1 for actor, tip in segment.base.items()} == first
        assert all(tip.head == head_of(tip.seq) for tip in segment.base.values())


def test_segments_whose_base_is_longer_than_a_segment_take_many_batches_all_the_same() -> None:
    """After many lives of its nodes, a shard has many actors: all have a head in the base."""
    actors = [b"%16d" % number for number in range(30)]
    disk = MemoryDisk()
    log = restarted(disk, limits=SMALL)
    for actor in actors:
        log.append(numbered(actor, 1), {actor: bytes(1000)})
    before = len(segments(disk))
    records = numbered(ANN, 300, size=200)
    for record in records:
        append(log, [record])
    assert len(segments(disk)) - before <= 5
    log.close()
    assert [one for one in replayed(restarted(disk, limits=SMALL)) if one.actor == ANN] == records


def test_a_replay_skips_the_segments_that_a_clock_covers() -> None:
    log = restarted(sealed_disk_with(*BATCHES, limits=SMALL), limits=SMALL)
    assert list(log.replay({ANN: 39, BOB: 40})) == flattened(BATCHES)[-8:]
    assert list(log.replay({ANN: 39})) == flattened(BATCHES)


def test_a_replay_does_not_start_where_a_head_is_unknown() -> None:
    disk = disk_with(BATCHES[0])
    log, recovery = start(disk, limits=SMALL)
    assert {tip.head for tip in recovery.tips.values()} == {None}
    for batch in BATCHES[1:]:
        log.append(batch, {ANN: b"known", BOB: b"known"})
    assert list(log.replay({ANN: 39, BOB: 40})) == flattened(BATCHES)[-8:]
    log.close()
    one = restarted(disk_with(BATCHES[0]), limits=LogLimits(segment_bytes=1, recent_bytes=0))
    append(one, history(EVE, [b"first"]))
    append(one, history(EVE, [b"first", b"second"])[1:])
    assert len(list(one.replay({ANN: 4, BOB: 4, EVE: 1}))) == 10, "ann's head is known nowhere"
    one.set_heads({ANN: b"found", BOB: b"found"})
    append(one, history(EVE, [b"first", b"second", b"third"])[2:])
    assert len(list(one.replay({ANN: 4, BOB: 4, EVE: 2}))) == 1


def test_heads_survive_a_clean_restart_and_are_asked_for_after_a_crash() -> None:
    clean = start(sealed_disk_with(*BATCHES))[1]
    assert {tip.head for tip in clean.tips.values()} == {head_of(40)}
    crashed = start(disk_with(*BATCHES))[1]
    assert {tip.head for tip in crashed.tips.values()} == {None}


def test_the_head_before_a_record_is_that_of_its_segment() -> None:
    log = restarted(sealed_disk_with(*BATCHES, limits=SMALL), limits=SMALL)
    assert log.head_before(ANN, 1) == HeadBefore(0, None)
    for seq in range(2, 41):
        before = log.head_before(ANN, seq)
        assert before.seq < seq <= before.seq + 8
        assert before.head == (head_of(before.seq) if before.seq else None)


def test_chains_are_known_for_every_record_held() -> None:
    log = restarted(sealed_disk_with(*BATCHES, limits=SMALL), limits=SMALL)
    assert log.chain_at(ANN, 0) == first_chain(CLUSTER, SHARD, ANN)
    assert [log.chain_at(ANN, seq) for seq in range(1, 41)] == [r.chain for r in numbered(ANN, 40)]
    assert log.chain_at(ANN, 41) is log.chain_at(EVE, 1) is None


def test_a_healthy_log_is_opened_and_closed_without_a_write() -> None:
    disk = sealed_disk_with(*BATCHES, limits=SMALL)
    before = {name: bytes(content) for name, content in disk.files.items()}
    log = restarted(disk, limits=SMALL)
    replayed(log)
    log.close()
    assert {name: bytes(content) for name, content in disk.files.items()} == before


def test_a_log_of_another_shard_or_cluster_is_not_ours_and_not_touched() -> None:
    disk = disk_with(numbered(ANN, 3))
    before = {name: bytes(content) for name, content in disk.files.items()}
    with pytest.raises(NotOurs, match=r"expected cluster 'example\.org', shard 'other'"):
        start(disk, shard="other")
    assert {name: bytes(content) for name, content in disk.files.items()} == before


def test_a_snapshot_stands_for_what_lies_before_the_first_segment() -> None:
    disk = sealed_disk_with(*BATCHES, limits=SMALL)
    disk.remove(segments(disk)[0])
    held = restarted(disk, limits=SMALL).missing()
    assert [(m.actor, m.first) for m in held] == [(ANN, 1), (BOB, 1)]
    log, recovery = Log.open(
        disk,
        cluster=CLUSTER,
        shard=SHARD,
        entropy=entropy,
        start={m.actor: m.last for m in held},
    )
    assert (recovery.missing, log.clock()) == ((), {ANN: 40, BOB: 40})


@pytest.mark.parametrize("limits", [SMALL, LogLimits()])
@pytest.mark.parametrize("taken", range(0, 80, 7))
def test_a_replay_may_go_on_while_the_log_grows(limits: LogLimits, taken: int) -> None:
    """Also where the tail that is being read grows, or is sealed, behind the reader."""
    log = restarted(MemoryDisk(), limits=limits)
    for batch in BATCHES[:5]:
        append(log, batch)
    before = replayed(log)
    replay = log.replay()
    found = list(islice(replay, taken))
    for batch in BATCHES[5:]:
        append(log, batch)
    assert (found + list(replay))[: len(before)] == before
    assert log.size().damaged_segments == 0
    assert replayed(log) == [record for batch in BATCHES for record in batch]


class Counted(MemoryDisk):
    """Counts how often it was asked for the size of a file."""

    sizes = 0

    @override
    def size(self, name: str) -> int:
        self.sizes += 1
        return super().size(name)


def test_the_size_of_a_log_is_told_again_without_a_look_at_what_no_longer_grows() -> None:
    disk = Counted()
    log = restarted(disk, limits=SMALL)
    for batch in BATCHES:
        append(log, batch)
    size = log.size()
    assert size.segments > 3
    assert size.bytes == sum(map(disk.size, disk.names()))
    disk.sizes = 0
    assert log.size() == size
    assert disk.sizes <= 1
