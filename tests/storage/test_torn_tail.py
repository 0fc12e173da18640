"""A crash in the middle of a write: what was confirmed before is there, the start succeeds."""

from __future__ import annotations

import pytest

from storage import Cut
from storage.files import FileName
from storage.frames import encode_batch, seed_of
from storage.index import TRAILER_BYTES, decode_trailer
from storage.segment import read_header
from tests.storage.phrases import (
    ANN,
    BOB,
    SMALL,
    append,
    copy_of,
    disk_with,
    history,
    numbered,
    replayed,
    restarted,
    sealed_disk_with,
    segments,
    start,
)

CONFIRMED = [numbered(ANN, 3), numbered(BOB, 2)]
LAST = numbered(ANN, 6)[3:]
LATEST = numbered(ANN, 7)[6:]
MARK_FRAME_BYTES = 44


def with_last_batch() -> tuple[int, int]:
    """Where the last batch begins and ends."""
    (name,) = segments(whole := disk_with(*CONFIRMED, LAST))
    return disk_with(*CONFIRMED).size(name), whole.size(name)


BEGIN, END = with_last_batch()


@pytest.mark.parametrize("filler", [b"", bytes(1), bytes(5000), b"\xff" * 700, b"\xd7sb" * 50])
def test_a_tail_torn_at_every_length_is_cut_and_nothing_else(filler: bytes) -> None:
    whole = disk_with(*CONFIRMED, LAST)
    (name,) = segments(whole)
    for end in range(BEGIN, END):
        disk = copy_of(whole)
        disk.files[name][end:] = filler
        if disk.files[name].startswith(whole.files[name]):
            continue  # the seed of the log is random: once in a while the filler is what was torn
        log, recovery = start(disk)
        size = end + len(filler) - BEGIN
        assert recovery.cut == (Cut(name, BEGIN, size) if size else None), end
        assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1]], end
        assert (recovery.missing, recovery.quarantined, recovery.unidentified) == ((), (), ())
        assert append(log, LAST) == 3
        assert replayed(restarted(disk)) == [*CONFIRMED[0], *CONFIRMED[1], *LAST], end


def test_a_tail_that_ends_with_its_mark_is_whole() -> None:
    log, recovery = start(disk_with(*CONFIRMED, LAST))
    assert recovery.cut is None
    assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1], *LAST]


def test_zeros_after_the_last_mark_are_cut() -> None:
    disk = disk_with(*CONFIRMED, LAST)
    disk.files[segments(disk)[0]] += bytes(4096)
    log, recovery = start(disk)
    assert recovery.cut is not None and recovery.cut.size == 4096
    assert log.clock() == {ANN: 6, BOB: 2}


def test_any_wrong_byte_of_the_last_batch_cuts_all_of_it() -> None:
    whole = disk_with(*CONFIRMED, LAST)
    (name,) = segments(whole)
    for at in range(BEGIN, END):
        disk = copy_of(whole)
        disk.files[name][at] ^= 0x20
        log, recovery = start(disk)
        assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1]], at
        assert recovery.cut == Cut(name, BEGIN, END - BEGIN), at


def test_what_spoils_the_last_mark_cuts_each_last_batch_that_it_reaches() -> None:
    """A longer batch that was never synced may have left the same bytes, and was confirmed to
    nobody: a file system had made room for all of it, and only its beginning was written."""
    disk = disk_with(*CONFIRMED, LAST, LATEST)
    (name,) = segments(disk)
    content, spoilt = disk.files[name], bytes(len(disk.files[name]) - END + MARK_FRAME_BYTES)
    disk.files[name] = content[: END - MARK_FRAME_BYTES] + spoilt
    seed = seed_of(read_header(disk, FileName("log", 1, "segment"))[0].id)
    longer = encode_batch([*LAST, *LATEST], number=3, synced=2, offset=BEGIN, seed=seed)
    written = longer[: END - MARK_FRAME_BYTES - BEGIN]
    assert disk.files[name] == content[:BEGIN] + written + spoilt
    log, recovery = start(disk)
    assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1]]
    assert recovery.cut == Cut(name, BEGIN, len(content) - BEGIN)


def test_what_spoils_the_mark_below_one_that_reads_cuts_nothing() -> None:
    disk = disk_with(*CONFIRMED, LAST, LATEST)
    (name,) = segments(disk)
    disk.files[name][END - MARK_FRAME_BYTES : END] = bytes(MARK_FRAME_BYTES)
    log, recovery = start(disk)
    assert recovery.cut is None
    assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1], *LAST, *LATEST]


def test_what_was_cut_stays_away_and_what_was_kept_stays() -> None:
    disk = disk_with(*CONFIRMED, LAST)
    (name,) = segments(disk)
    del disk.files[name][-1]
    restarted(disk)
    second, recovery = start(disk)
    assert (recovery.cut, recovery.problems) == (None, ())
    assert replayed(second) == [*CONFIRMED[0], *CONFIRMED[1]]
    assert segments(disk) == ["log-0000000003.segment"], "the old tails are gone"


def test_a_seal_torn_at_every_length_cuts_no_batch() -> None:
    unsealed = disk_with(*CONFIRMED)
    begin = unsealed.size(segments(unsealed)[0])
    sealed = sealed_disk_with(*CONFIRMED)
    (name,) = segments(sealed)
    trailer = decode_trailer(bytes(sealed.files[name][-TRAILER_BYTES:]), size=sealed.size(name))
    assert trailer is not None and trailer.index_at == begin
    index_end = trailer.offsets_at
    for end in range(begin, sealed.size(name)):
        disk = copy_of(sealed)
        del disk.files[name][end:]
        log, recovery = start(disk)
        assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1]], end
        assert recovery.cut is None or end < index_end, end
        assert (recovery.quarantined, recovery.missing) == ((), ()), end


def test_a_tail_torn_in_a_later_segment_leaves_the_sealed_ones() -> None:
    batches = [numbered(ANN, 40)[at : at + 4] for at in range(0, 40, 4)]
    disk = disk_with(*batches, limits=SMALL)
    name = segments(disk)[-1]
    assert len(segments(disk)) > 2
    disk.files[name][-1] ^= 1
    log, recovery = start(disk, limits=SMALL)
    assert replayed(log) == numbered(ANN, 36)
    assert recovery.cut is not None and recovery.cut.name == name


def test_a_seal_that_lost_any_of_its_parts_is_read_as_a_tail() -> None:
    """One write may reach the disk with a hole anywhere in it."""
    whole = sealed_disk_with(*CONFIRMED)
    (name,) = segments(whole)
    trailer = decode_trailer(bytes(whole.files[name][-TRAILER_BYTES:]), size=whole.size(name))
    assert trailer is not None
    for begin, end in (
        (trailer.index_at, trailer.offsets_at),
        (trailer.offsets_at, trailer.size - TRAILER_BYTES),
        (trailer.size - TRAILER_BYTES, trailer.size),
        (trailer.index_at, trailer.size),
    ):
        disk = copy_of(whole)
        disk.files[name][begin:end] = bytes(end - begin)
        log, recovery = start(disk)
        assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1]]
        assert log.read(ANN, 1, 3, max_bytes=999) == CONFIRMED[0]
        assert recovery.quarantined == ()


def test_frames_of_a_refused_batch_under_the_mark_of_the_next_are_cut() -> None:
    """Every frame verifies where it lies; only the sum over the batch tells them apart."""
    disk = disk_with(*CONFIRMED, LAST)
    (name,) = segments(disk)
    seed = seed_of(read_header(disk, FileName("log", 1, "segment"))[0].id)
    refused = history(ANN, [b"?" * 20], after=CONFIRMED[0][-1])
    frame = encode_batch(refused, number=3, synced=2, offset=BEGIN, seed=seed)[:88]
    disk.files[name][BEGIN : BEGIN + 88] = frame
    log, recovery = start(disk)
    assert replayed(log) == [*CONFIRMED[0], *CONFIRMED[1]]
    assert recovery.cut == Cut(name, BEGIN, END - BEGIN)
