"""Frames and headers: fed whole, cut, and with a wrong byte at every place."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from struct import pack
from unittest.mock import patch

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from storage import Damaged, NotOurs, TooNew
from storage.frames import (
    BLOB,
    MARK,
    MARKER,
    RECORD,
    decode_records,
    decode_records_of,
    encode_batch,
    encode_blobs,
    mark_in,
    record_in,
    scan,
    seed_of,
)
from storage.header import LOG_MAGIC, PACK_MAGIC, Header, check_ours, decode_header, encode_header
from storage.index import Trailer, decode_trailer, encode_trailer, floor
from storage.range_crc import BLOCK_BYTES, RangeCrc
from tests.storage.phrases import ANN, BOB, history, numbered

SEED = seed_of(bytes(range(16)))
RECORDS = [*numbered(ANN, 2), *numbered(BOB, 1)]
BATCH = encode_batch(RECORDS, number=7, synced=6, offset=1000, seed=SEED)
HEADER = Header(
    magic=LOG_MAGIC,
    number=3,
    id=bytes(range(16)),
    cluster="example.org",
    shard="main",
    replaces=bytes(range(1, 17)),
    replaced_damaged=True,
    first_batch=12,
    synced=11,
)


def test_a_batch_decodes_to_its_records() -> None:
    assert decode_records(BATCH, offset=1000, seed=SEED) == (RECORDS, len(BATCH))


def test_a_batch_scans_to_records_and_a_mark() -> None:
    file = bytes(1000) + BATCH
    frames = list(scan(file, 0, seed=SEED))
    assert [frame.type for frame in frames] == [RECORD, RECORD, RECORD, MARK]
    assert [record_in(file, frame) for frame in frames[:3]] == RECORDS
    mark = mark_in(file, frames[3])
    assert (mark.number, mark.synced, mark.start, mark.records) == (7, 6, 1000, 3)


def test_a_cut_batch_decodes_to_its_whole_frames() -> None:
    for length in range(len(BATCH)):
        records, used = decode_records(BATCH[:length], offset=1000, seed=SEED)
        assert records == RECORDS[: len(records)] and used <= length
        rest, more = decode_records(BATCH[used:], offset=1000 + used, seed=SEED)
        assert (records + rest, used + more) == (RECORDS, len(BATCH))
        found, stepped = decode_records_of(BOB, 1, BATCH[:length], offset=1000, seed=SEED)
        assert stepped == used and found == [r for r in records if r.actor == BOB]


def test_a_wrong_byte_never_goes_unseen() -> None:
    for at in range(len(BATCH)):
        wrong = bytearray(BATCH)
        wrong[at] ^= 0x01
        records: list[object] = []
        with pytest.raises(Damaged):
            found, used = decode_records(bytes(wrong), offset=1000, seed=SEED)
            records += found
            assert used < len(BATCH), at
            raise Damaged("the frame runs past the end")
        assert records == RECORDS[: len(records)], at


@pytest.mark.parametrize("offset", [999, 1001, 0])
def test_a_batch_at_another_place_or_in_another_file_is_none(offset: int) -> None:
    with pytest.raises(Damaged, match=f"offset {offset}: the checksum of this record"):
        decode_records(BATCH, offset=offset, seed=SEED)
    with pytest.raises(Damaged):
        decode_records(BATCH, offset=1000, seed=seed_of(bytes(16)))


@given(st.binary(max_size=400))
def test_any_bytes_decode_to_nothing_or_are_refused(noise: bytes) -> None:
    try:
        records, used = decode_records(noise, offset=0, seed=SEED)
    except Damaged:
        return
    assert (records, used) == ([], 0)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_scan_finds_frames_between_any_bytes(before: bytes, after: bytes) -> None:
    batch = encode_batch(RECORDS, number=1, synced=0, offset=len(before), seed=SEED)
    file = before + batch + after
    found = [record_in(file, f) for f in scan(file, 0, seed=SEED) if f.type == RECORD]
    assert found == RECORDS


@pytest.mark.parametrize("type", [BLOB, RECORD])
def test_heads_in_damaged_contents_do_not_make_a_scan_read_again_and_again(type: int) -> None:
    heads = 2048
    hostile = pack("<B3sI", type, MARKER, 1 << 20) * heads
    blobs = [hostile, *(Random(n).randbytes(700_000 + n) for n in range(3))]
    frames, places = encode_blobs({sha256(b).digest(): b for b in blobs}, offset=0, seed=SEED)
    file = bytearray(frames)
    file[100] ^= 1
    read = [0]

    def counted(data: bytes | memoryview, value: int = 0) -> int:
        read[0] += len(data)
        return crc32c(data, value)

    with (
        patch("storage.frames.crc32c", counted),
        patch("storage.range_crc.crc32c", counted),
    ):
        found = list(scan(bytes(file), 0, seed=SEED))
    assert [frame.start for frame in found] == sorted(places.values())[1:]
    assert read[0] <= 2 * len(file) + heads * (2 * BLOCK_BYTES + 8), read


BUFFER = Random(1).randbytes(5 * BLOCK_BYTES + 77)
PLACES = st.integers(0, len(BUFFER)) | st.integers(0, 5).map(lambda n: n * BLOCK_BYTES)


@given(st.lists(st.tuples(PLACES, PLACES, st.integers(0, (1 << 32) - 1)), min_size=1), PLACES)
def test_the_crc_of_a_range_is_that_of_its_bytes(
    asked: list[tuple[int, int, int]], start: int
) -> None:
    ranges = RangeCrc(BUFFER, start)
    for one, other, crc in asked:
        at, stop = sorted((max(start, one), max(start, other)))
        assert ranges.extend(crc, at, stop) == crc32c(BUFFER[at:stop], crc)


def test_a_record_that_contains_a_frame_is_one_record() -> None:
    inner = encode_batch(RECORDS, number=1, synced=0, offset=1064, seed=SEED)
    outer = history(ANN, [inner])
    batch = encode_batch(outer, number=1, synced=0, offset=1000, seed=SEED)
    assert decode_records(batch, offset=1000, seed=SEED)[0] == outer


def test_a_header_comes_back() -> None:
    encoded = encode_header(HEADER)
    assert decode_header(encoded + b"more", LOG_MAGIC, "here") == HEADER


def test_a_header_with_a_wrong_byte_or_cut_is_damaged() -> None:
    encoded = encode_header(HEADER)
    for at in range(len(encoded)):
        wrong = bytearray(encoded)
        wrong[at] ^= 0x80
        for bad in (bytes(wrong), encoded[:at]):
            with pytest.raises(Damaged, match="here: "):
                decode_header(bad, LOG_MAGIC, "here")
    with pytest.raises(Damaged):
        decode_header(encoded, PACK_MAGIC, "here")


@pytest.mark.parametrize("at", [16, 17, 42])
def test_a_header_with_a_flag_codec_or_key_of_later_versions_is_too_new(at: int) -> None:
    encoded = bytearray(encode_header(HEADER))
    encoded[at] = 4
    encoded[-4:] = crc32c(bytes(encoded[:-4])).to_bytes(4, "little")
    with pytest.raises(TooNew):
        decode_header(bytes(encoded), LOG_MAGIC, "here")


def test_a_header_of_another_cluster_or_shard_is_not_ours() -> None:
    check_ours(HEADER, cluster="example.org", shard="main", where="here")
    for cluster, shard in (("example.net", "main"), ("example.org", "side")):
        with pytest.raises(NotOurs, match="here: expected cluster"):
            check_ours(HEADER, cluster=cluster, shard=shard, where="here")


def test_a_trailer_counts_only_whole_and_for_a_file_of_its_size() -> None:
    encoded = encode_trailer(Trailer(bytes(16), 100, 200, 300))
    assert decode_trailer(encoded, size=300) == Trailer(bytes(16), 100, 200, 300)
    assert decode_trailer(encoded, size=301) is None
    for at in range(len(encoded)):
        wrong = bytearray(encoded)
        wrong[at] ^= 1
        assert decode_trailer(bytes(wrong), size=300) is None
        assert decode_trailer(encoded[:at], size=300) is None
    assert decode_trailer(encode_trailer(Trailer(bytes(16), 200, 100, 300)), size=300) is None


def test_the_floor_is_the_last_entry_up_to_a_seq() -> None:
    entries = [(1, 10), (5, 50), (9, 90)]
    assert [floor(entries, seq) for seq in (0, 1, 4, 5, 8, 9, 99)] == [None, 10, 10, 50, 50, 90, 90]
