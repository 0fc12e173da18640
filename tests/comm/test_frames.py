"""A stream is cut into the same frames however it arrives, and nothing is held on a stranger's
word."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comm import NEED_MORE, FrameReader, PeerBroke, TooLarge, encode_frame
from comm.frames import FEED_BYTES_MAX, PREFIX_BYTES


def take_all(reader: FrameReader) -> list[bytes]:
    frames: list[bytes] = []
    while (frame := reader.next_frame()) is not NEED_MORE:
        assert isinstance(frame, bytes)
        frames.append(frame)
    return frames


def read(stream: bytes, *, cuts: list[int] | None = None, limit: int = 1000) -> list[bytes]:
    reader = FrameReader(limit=limit)
    frames: list[bytes] = []
    edges = [0, *sorted(cuts or []), len(stream)]
    for start, end in itertools.pairwise(edges):
        reader.feed(stream[start:end])
        frames += take_all(reader)
    return frames


payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


@given(payloads, st.data())
def test_cut_anywhere_it_gives_the_same_frames(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode_frame, sent))
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    assert read(stream, cuts=cuts) == sent
    assert read(stream, cuts=list(range(len(stream)))) == sent


@given(payloads, st.binary(min_size=1, max_size=40))
def test_an_unfinished_tail_is_no_frame_at_any_length(sent: list[bytes], last: bytes) -> None:
    stream = b"".join(map(encode_frame, sent))
    tail = encode_frame(last)
    for length in range(len(tail)):
        reader = FrameReader(limit=1000)
        reader.feed(stream + tail[:length])
        assert take_all(reader) == sent
        assert reader.is_empty == (length == 0)


@given(st.binary(max_size=200), st.integers(1, 300))
def test_garbage_is_frames_within_the_limit_or_an_error(garbage: bytes, limit: int) -> None:
    reader = FrameReader(limit=limit)
    try:
        reader.feed(garbage)
        assert all(0 < len(frame) <= limit for frame in take_all(reader))
    except PeerBroke as error:
        assert f"1 to {limit} bytes" in str(error)


@given(payloads.filter(bool), st.data())
def test_a_flipped_bit_never_gives_a_frame_above_the_limit(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(map(encode_frame, sent)))
    bit = data.draw(st.integers(0, len(stream) * 8 - 1))
    stream[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(PeerBroke):
        assert all(0 < len(frame) <= 64 for frame in read(bytes(stream), limit=64))


@pytest.mark.parametrize("length", [0, 1001, 1 << 31, (1 << 32) - 1])
def test_a_length_out_of_range_is_refused_before_its_bytes_come(length: int) -> None:
    reader = FrameReader(limit=1000)
    reader.feed(encode_frame(b"before") + length.to_bytes(4, "big"))
    assert reader.next_frame() == b"before"
    for _ in range(2):
        with pytest.raises(PeerBroke, match=f"1 to 1000 bytes, found {length}"):
            reader.next_frame()


def test_the_limit_itself_fits_and_one_more_does_not() -> None:
    frame = b"x" * 1000
    assert read(encode_frame(frame)) == [frame]
    with pytest.raises(PeerBroke, match="found 1001"):
        read(encode_frame(frame + b"x"))


def test_what_no_receiver_takes_is_not_encoded() -> None:
    assert encode_frame(b"x", limit=1) == b"\0\0\0\x01x"
    for payload in (b"", b"xx"):
        with pytest.raises(TooLarge, match="1 to 1"):
            encode_frame(payload, limit=1)


def test_a_reader_holds_no_more_than_a_frame_and_a_feed() -> None:
    reader = FrameReader(limit=100)
    with pytest.raises(AssertionError):
        reader.feed(bytes(FEED_BYTES_MAX + 1))
    reader.feed(b"\0\0\0\x64" + bytes(100 - PREFIX_BYTES))
    reader.feed(bytes(1))
    with pytest.raises(AssertionError, match="take the frames first"):
        reader.feed(bytes(1))
