"""A log is printed readably, and so is its damage."""

from __future__ import annotations

from storage import MemoryDisk, describe
from tests.storage.phrases import (
    ANN,
    BOB,
    SMALL,
    copy_of,
    disk_with,
    numbered,
    sealed_disk_with,
    segments,
    start,
)


def printed(disk: MemoryDisk) -> str:
    before = copy_of(disk).files
    text = "\n".join(describe(disk, lambda record: record.data.decode().rstrip(".")))
    assert disk.files == before
    return text


def test_everything_in_a_log_is_printed() -> None:
    text = printed(sealed_disk_with(numbered(ANN, 2), numbered(BOB, 1)))
    for part in (
        "log-0000000001.segment: ",
        "cluster 'example.org', shard 'main', from batch 1 on",
        "base: none: no record comes before this segment",
        f"616e6e00:2  20 bytes  chain {numbered(ANN, 2)[1].chain.hex()[:8]}  b'ann' 1",
        "mark of batch 1: 2 records from ",
        "mark of batch 2: 1 record from ",
        "synced up to 1",
        "index: 3 records, last batch 2",
        "head of 12 bytes",
        "offsets: ",
        "trailer: sealed",
    ):
        assert part in text, part
    assert "damaged" not in text


def test_without_a_decoder_records_are_printed_by_their_frame() -> None:
    lines = list(describe(disk_with(numbered(ANN, 1))))
    assert any(line.endswith(numbered(ANN, 1)[0].chain.hex()[:8]) for line in lines)
    assert lines[-1].endswith("not sealed")


def test_damage_is_printed_where_it_lies() -> None:
    disk = sealed_disk_with(numbered(ANN, 3))
    content = disk.files[segments(disk)[0]]
    place = content.index(numbered(ANN, 3)[1].data)
    content[place] ^= 1
    assert f"  {place - 64}  damaged: 88 bytes do not verify" in printed(disk)
    content[:20] = bytes(20)
    assert "header (the first is damaged; this one is at 4096)" in printed(disk)
    content[:4200] = bytes(4200)
    assert "damaged: log-0000000001.segment: no header holds" in printed(disk)


def test_a_torn_tail_is_printed() -> None:
    disk = disk_with(numbered(ANN, 3))
    disk.files[segments(disk)[0]] += bytes(77)
    assert "not sealed; 77 bytes at the end do not verify" in printed(disk)
    start(disk, limits=SMALL)
    assert "took over segment " in printed(disk)
