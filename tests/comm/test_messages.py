"""Every message comes back as it was sent, whatever is malformed is refused, and what a later
version may say is skipped."""

import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comm import (
    Ack,
    BlobBytes,
    Bye,
    Hello,
    LogBase,
    Message,
    NoBlob,
    NoSnapshot,
    PeerBroke,
    Ping,
    Pong,
    Records,
    Refusal,
    SnapshotPiece,
    Unknown,
    Want,
    WantBlob,
    WantSnapshot,
    Welcome,
    decode,
    encode,
    encode_frame,
    packed,
)
from comm.frames import FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX
from comm.header import encode_header
from comm.messages import (
    ACK_ENTRIES_MAX,
    CHUNK_BYTES_MAX,
    FEATURES_MAX,
    HISTORIES_MAX,
    KINDS,
    MISSING_MAX,
    SEQ_MAX,
)
from crdt import RECORD_BYTES_MAX, Record
from tests.comm.phrases import A, B, actor, chain, hello

GOLDEN = Path(__file__).parent.parent / "golden" / "wire-v1.txt"

SAMPLES: list[Message] = [
    Hello(
        "example.org", "main", "a", "operations", A, b"life-1", ["records-1"], 3, chain("list"),
        [(A, 7, chain("a7")), (B, 1 << 40, chain("b"))], [(B, 12)], True,
    ),
    Hello("example.org", "main", "a", "blobs"),
    Welcome("example.org", "main", "b", "operations", B, None, [], 0, b"", [(B, 0, chain("b0"))]),
    Refusal("cluster", "expected cluster x, found y"),
    Records(A, 41, chain("a42")[:8], [(b"one", ()), (b"two", (b"blob", b""))]),
    Ack([(A, 7), (B, SEQ_MAX)], [(A, 5)], True),
    Ack([]),
    Want(A, 1, 1 << 33),
    Ping(0),
    Pong(70_000),
    Bye("stopping"),
    WantBlob(chain("blob")),
    BlobBytes(chain("blob"), b"\0\xff" * 9),
    NoBlob(chain("blob")),
    LogBase([(A, 7), (B, 1 << 33)], [(B, 4)]),
    LogBase([(A, 7)]),
    WantSnapshot([(A, 7)]),
    WantSnapshot([], A, 1 << 20),
    SnapshotPiece(A, 1 << 20, 1 << 33, b"\0\xff" * 9),
    NoSnapshot("ask again later"),
]  # fmt: skip


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)
def test_a_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert decode(encode(message)) == message


def test_every_kind_has_a_sample() -> None:
    assert {type(sample) for sample in SAMPLES} == set(KINDS.values())


def test_version_1_reads_and_writes_for_ever() -> None:
    """The golden file: the header, then each sample as a frame, in hex."""
    lines = [encode_header().hex(), *(encode_frame(encode(sample)).hex() for sample in SAMPLES)]
    assert GOLDEN.read_text().split() == lines
    for line, sample in zip(GOLDEN.read_text().split()[1:], SAMPLES, strict=True):
        assert decode(bytes.fromhex(line)[4:]) == sample


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)
def test_fields_of_a_later_version_are_ignored(message: Message) -> None:
    parts: list[Any] = msgspec.msgpack.decode(encode(message))
    later = msgspec.msgpack.encode([*parts, {"later": [1, None]}, "field"])
    assert decode(later) == message


@pytest.mark.parametrize("tag", [0, 17, 127])
def test_a_message_of_a_later_version_is_told_apart(tag: int) -> None:
    assert decode(msgspec.msgpack.encode([tag, "whatever"])) == Unknown(tag)


def test_a_long_array_is_a_message_too() -> None:
    many = msgspec.msgpack.encode([7, 1] + [0] * 20)
    assert many[0] == 0xDC and decode(many) == Ping(1)
    wide = b"\xdd" + (2).to_bytes(4, "big") + b"\x07\x01"
    assert decode(wide) == Ping(1)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x90", b"\x91", b"\xdc", b"\xdc\0\x01", b"GET / HTTP/1.1", b"\x92\xff\x01",
     b"\x92\xa1a\x01", b"\x80", b"\xc0", b"\x92\xcc\x80\x01"],
)  # fmt: skip
def test_what_is_no_tagged_array_is_refused(payload: bytes) -> None:
    with pytest.raises(PeerBroke, match="expected a"):
        decode(payload)


ILL_FORMED: list[tuple[str, list[object]]] = [
    ("an actor of 15 bytes", [6, A[:15], 1, 2]),
    ("an actor of 17 bytes", [6, A + b"x", 1, 2]),
    ("seq 0", [6, A, 0, 2]),
    ("a negative seq", [6, A, 1, -1]),
    ("a seq beyond 63 bits", [6, A, 1, SEQ_MAX + 1]),
    ("text for a number", [7, "1"]),
    ("a float for a number", [7, 1.5]),
    ("a field missing", [6, A, 1]),
    ("no records", [4, A, 1, bytes(8), []]),
    ("a chain of 7 bytes", [4, A, 1, bytes(7), [[b"x", []]]]),
    ("an item that is no pair", [4, A, 1, bytes(8), [[b"x"]]]),
    ("a record above its limit", [4, A, 1, bytes(8), [[bytes(RECORD_BYTES_MAX + 1), []]]]),
    ("17 blobs beside a record", [4, A, 1, bytes(8), [[b"x", [b""] * 17]]]),
    ("a hash of 31 bytes", [10, bytes(31)]),
    ("a chunk above its limit", [11, bytes(32), bytes(CHUNK_BYTES_MAX + 1)]),
    ("a list of missing blobs above its limit", [5, [], [[A, 1]] * (MISSING_MAX + 1)]),
    ("a node without a name", [1, "c", "s", "", "operations"]),
    ("a name of 256 characters", [1, "c" * 256, "s", "n", "operations"]),
    (
        "a history without its chain",
        [1, "c", "s", "n", "operations", A, None, [], 0, b"", [[A, 1]]],
    ),
    ("too many features", [1, "c", "s", "n", "operations", A, None, ["f"] * (FEATURES_MAX + 1)]),
    ("bytes for text", [9, b"bye"]),
]


@pytest.mark.parametrize(("what", "parts"), ILL_FORMED, ids=[what for what, _ in ILL_FORMED])
def test_ill_formed(what: str, parts: list[object]) -> None:
    with pytest.raises(PeerBroke, match="ill-formed"):
        decode(msgspec.msgpack.encode(parts))


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(PeerBroke, match="ill-formed"):
        decode(b"\x92\x09\xa2\xff\xfe")


def test_a_run_of_records_ends_at_the_greatest_seq() -> None:
    """A want for what lies behind it would be refused by another peer, as this one's fault."""
    run: list[tuple[bytes, tuple[bytes, ...]]] = [(b"one", ()), (b"two", ())]
    encoded = encode(Records(A, SEQ_MAX - 1, bytes(8), run))
    last = (SEQ_MAX - 1).to_bytes(8, "big")
    assert decode(encoded) == Records(A, SEQ_MAX - 1, bytes(8), run)
    with pytest.raises(PeerBroke, match="ill-formed"):
        decode(encoded.replace(last, SEQ_MAX.to_bytes(8, "big")))


def test_no_blob_beside_a_record_is_longer_than_a_chunk() -> None:
    fits = Records(A, 1, bytes(8), [(b"one", (bytes(CHUNK_BYTES_MAX),))])
    assert decode(encode(fits)) == fits
    with pytest.raises(PeerBroke, match="ill-formed"):
        decode(encode(Records(A, 1, bytes(8), [(b"one", (bytes(CHUNK_BYTES_MAX + 1),))])))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(PeerBroke):
        decode(b"\x92\x07" + b"\x91" * 100_000)
    with pytest.raises(PeerBroke):
        decode(b"\x93\x07\x01" + b"\x91" * 100_000)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_flipped_bit_or_a_cut_gives_a_message_or_a_refusal(
    message: Message, data: st.DataObject
) -> None:
    payload = bytearray(encode(message))
    bit = data.draw(st.integers(0, len(payload) * 8 - 1))
    payload[bit // 8] ^= 1 << bit % 8
    for damaged in (bytes(payload), bytes(payload[: bit // 8])):
        with contextlib.suppress(PeerBroke):
            assert isinstance(decode(damaged), (Message, Unknown))


@given(st.binary(max_size=100))
def test_garbage_gives_a_message_or_a_refusal(garbage: bytes) -> None:
    with contextlib.suppress(PeerBroke):
        assert isinstance(decode(garbage), (Message, Unknown))


def test_a_record_of_one_flag_fits_into_115_bytes() -> None:
    one = Records(A, 10_000_000, bytes(8), [(bytes(68), ())])
    assert len(encode_frame(encode(one))) <= 115


def test_the_largest_messages_fit_into_their_frames() -> None:
    name, entry = "n" * 255, (A, SEQ_MAX)
    largest = hello(
        cluster=name, shard=name, node=name, purpose=name, incarnation=bytes(64),
        members_epoch=SEQ_MAX, members_hash=bytes(32), missing=[entry] * MISSING_MAX,
        histories=[(*entry, bytes(32))] * HISTORIES_MAX, features=["feature-1"] * 100,
    )  # fmt: skip
    encode_frame(encode(largest), limit=HANDSHAKE_BYTES_MAX)
    ack = Ack([entry] * ACK_ENTRIES_MAX, [entry] * MISSING_MAX, True)
    encode_frame(encode(ack), limit=FRAME_BYTES_MAX)
    blob = BlobBytes(bytes(32), bytes(CHUNK_BYTES_MAX))
    encode_frame(encode(blob), limit=FRAME_BYTES_MAX)
    record = Records(A, 1, bytes(8), [(bytes(RECORD_BYTES_MAX), (bytes(64 << 10),) * 16)])
    encode_frame(encode(record), limit=FRAME_BYTES_MAX)


def test_the_clock_of_a_greeting_leaves_out_what_was_never_written() -> None:
    greeting = hello(histories=[(A, 7, chain("a")), (B, 0, chain("b"))])
    assert greeting.clock == {A: 7}


# --- Packing a run of records -----------------------------------------------------------------


def record(seq: int, size: int, *, of: bytes = A) -> Record:
    return Record(of, seq, chain(f"{seq}"), bytes(size))


def test_a_run_is_cut_where_the_target_is_reached() -> None:
    run = [(record(seq, 40), (b"blob" * 5,)) for seq in range(5, 12)]
    messages = list(packed(run, bytes_target=150))
    assert [(m.first, m.last) for m in messages] == [(5, 7), (8, 10), (11, 11)]
    assert [m.chain for m in messages] == [chain(s)[:8] for s in ("7", "10", "11")]
    assert [item for m in messages for item in m.items] == [(r.data, b) for r, b in run]


def test_one_record_above_the_target_travels_alone() -> None:
    messages = list(packed([(record(1, 500), ()), (record(2, 1), ())], bytes_target=100))
    assert [(m.first, m.last) for m in messages] == [(1, 1), (2, 2)]


def test_an_empty_run_gives_no_message() -> None:
    assert list(packed([])) == []


@pytest.mark.parametrize("second", [record(3, 1), record(1, 1), record(2, 1, of=actor("x"))])
def test_what_is_no_run_is_our_mistake(second: Record) -> None:
    with pytest.raises(AssertionError, match="does not follow"):
        list(packed([(record(1, 1), ()), (second, ())]))
