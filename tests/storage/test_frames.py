"""Frames and headers: fed whole, cut, and with a wrong byte at every place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import Damaged, NotOurs, TooNew
from storage.frames import (
    MARK,
    RECORD,
    decode_records,
    decode_records_of,
    encode_batch,
    mark_in,
    record_in,
    scan,
    seed_of,
)
from storage.header import LOG_MAGIC, PACK_MAGIC, Header, check_ours, decode_header, encode_header
from storage.index import Trailer, decode_trailer, encode_trailer, floor
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
    from crc32c import crc32c

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
