"""Records: what an origin writes, every reader reads, and nothing else is taken."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import (
    ROOT,
    Blob,
    Body,
    Born,
    BoxMade,
    Dot,
    Draft,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    Head,
    Issue,
    Malformed,
    NodesDeleted,
    NodesRenamed,
    Operation,
    Record,
    Unknown,
    blob_in,
    first_head,
    inbox_of,
    read,
    write,
)
from crdt.codec import EXTENSIONS_MAX

ACTORS = [bytes([n]) * 16 for n in range(1, 5)]
OWN = ACTORS[0]
BLOB = Blob(sha256(b"x").digest(), 1)
LONG = Blob(sha256(b"y").digest(), 5 << 20, sha256(b"list").digest())
CLOCK = {ACTORS[1]: 900, ACTORS[2]: 7}
A, B, C = Dot(ACTORS[1], 5), Dot(ACTORS[2], 7), Dot(ACTORS[1], 899)

BODIES: list[Body] = [
    Born("a", b"k" * 32, None),
    Born("a", b"", (ACTORS[3], 9, b"c" * 32)),
    BoxMade("mail/alice", True),
    FolderMade(inbox_of(A), "Ünïcode"),
    FolderMade(ROOT, "top"),
    FileMade(A, "notes.txt", LONG),
    NodesDeleted(((A, -1), (B, 0), (C, 1))),
    EntryAppended(A, BLOB, ("\\Seen", "work"), -5),
    EntryCopied(A, B, BLOB, (), 0),
    NodesRenamed((C, A), B, "new"),
    NodesRenamed((A,), None, "new"),
    NodesRenamed((A,), B, None),
    EntriesMoved((A, B), C),
    FlagsStored(A, (B, C), ("\\Flagged",), ("x",), False, (C,)),
    FileWritten((A, B), LONG),
    EntriesExpunged(tuple(Dot(ACTORS[1], n) for n in range(1, 901))),
]


def head_at(seq: int, others: dict[bytes, int]) -> Head:
    first = first_head("example.org", "main", OWN)
    return msgspec.structs.replace(first, seq=seq, lamport=10, time_ms=10_000, others=others)


def sorted_ids(body: Body) -> Body:
    """Lists of entries have no order; readers see them sorted by the table."""
    match body:
        case EntriesExpunged(entries):
            return EntriesExpunged(tuple(sorted(entries)))
        case EntriesMoved(entries, folder):
            return EntriesMoved(tuple(sorted(entries)), folder)
        case FlagsStored():
            entries = tuple(sorted(body.entries))
            return msgspec.structs.replace(body, entries=entries)
        case FileWritten(nodes, blob):
            return FileWritten(tuple(sorted(nodes)), blob)
        case _:
            return body


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_reader_finds_what_the_origin_wrote(body: Body) -> None:
    head = head_at(3, {ACTORS[1]: 850})
    issue = Issue(b"12345678", 4, 0, b"dige")
    draft = Draft(body, 17, CLOCK, A, issue, "alice", 12_345)
    written, record, after = write(head, draft)
    found, same, reached = read(head, record.data)
    assert msgspec.structs.replace(found, body=sorted_ids(found.body)) == msgspec.structs.replace(
        written, body=sorted_ids(body)
    )
    assert (same, reached) == (record, after)
    assert found.changes == ((ACTORS[1], 900), (ACTORS[2], 7))
    assert found.context() == {**CLOCK, OWN: 3}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_the_blob_of_a_record_is_found_without_its_head(body: Body) -> None:
    _, record, _ = write(head_at(3, {ACTORS[1]: 850}), Draft(body, 17, CLOCK))
    assert blob_in(record.data) == getattr(body, "blob", None)


clocks = st.dictionaries(st.sampled_from(ACTORS[1:]), st.integers(1, 50), max_size=3)


@given(growth=st.lists(clocks, min_size=1, max_size=8), same=st.booleans())
def test_contexts_are_rebuilt_from_their_changes(
    growth: list[dict[bytes, int]], same: bool
) -> None:
    writer = reader = first_head("example.org", "main", OWN)
    clock: dict[bytes, int] = {}
    for number, grown in enumerate(growth, start=1):
        for actor, seq in grown.items():
            clock[actor] = clock.get(actor, 0) + seq
        client = b"client-1" if same else number.to_bytes(8, "big")
        issue = Issue(client, number * 3, 0, b"dige")
        draft = Draft(BoxMade("b", False), number * 2, dict(clock), None, issue, "", number)
        written, record, writer = write(writer, draft)
        found, _, reader = read(reader, record.data)
        assert found == written and reader == writer
        assert found.others == clock


def one_flag() -> tuple[Operation, Record, Head]:
    head = head_at(100_000, {ACTORS[1]: 90_000, ACTORS[2]: 80_000})
    head = msgspec.structs.replace(head, client=b"client-1", number=500)
    entry = Dot(ACTORS[1], 70_000)
    body = FlagsStored(entry, (entry,), ("\\Flagged",), (), False, ())
    draft = Draft(
        body,
        12,
        {ACTORS[1]: 90_004, ACTORS[2]: 80_000},
        entry,
        Issue(b"client-1", 501, 0, b"dige"),
        "",
        10_750,
    )
    return write(head, draft)


def test_a_store_of_one_flag_is_small() -> None:
    assert len(one_flag()[1].data) <= 68


def test_the_chain_names_the_history() -> None:
    head = head_at(3, dict(CLOCK))
    _, record, after = write(head, Draft(BODIES[2], 17, CLOCK))
    assert after.chain == record.chain == sha256(head.chain + record.data).digest()


@given(st.binary(max_size=80))
def test_noise_is_malformed(noise: bytes) -> None:
    try:
        read(head_at(3, dict(CLOCK)), noise)
    except Malformed:
        return


@given(place=st.integers(0, 200), bit=st.integers(0, 7), body=st.sampled_from(BODIES))
def test_a_flipped_bit_never_does_more_than_be_malformed(place: int, bit: int, body: Body) -> None:
    _, record, _ = write(head_at(3, dict(CLOCK)), Draft(body, 17, CLOCK, A))
    data = bytearray(record.data)
    data[place % len(data)] ^= 1 << bit
    try:
        read(head_at(3, dict(CLOCK)), bytes(data))
    except Malformed:
        return


def changed(index: int, value: object) -> bytes:
    _, record, _ = write(head_at(3, dict(CLOCK)), Draft(BODIES[2], 17, CLOCK))
    parts = msgspec.msgpack.decode(record.data)
    parts[index] = value
    return msgspec.msgpack.encode(parts)


@pytest.mark.parametrize(
    ("index", "value", "said"),
    [
        (1, 0, "Lamport"),
        (1, 1 << 63, "Lamport"),
        (3, [1], "pairs"),
        (3, [9, 1], "has none at 9"),
        (3, [1, 0], "at least 1"),
        (3, [b"short", 1], "16 bytes"),
        (3, [1, 1, 1, 1], "once"),
        (4, [1, 901], "outside"),
        (4, [7, 1], "table has 3"),
        (5, [1], "3 or 4 parts"),
        (5, [b"short", 1, 0, b"dige"], "8 bytes"),
        (6, "p" * 256, "principal"),
        (7, ["", False], "box name"),
        (7, ["a\x00b", False], "box name"),
        (7, ["a" * 300, False], "box name"),
    ],
)
def test_what_no_origin_writes_is_refused_with_a_reason(
    index: int, value: object, said: str
) -> None:
    with pytest.raises(Malformed, match=said):
        read(head_at(3, dict(CLOCK)), changed(index, value))


OF = {type(body): body for body in BODIES}
HASH = b"h" * 32


@pytest.mark.parametrize(
    ("kind", "wire", "said"),
    [
        (Born, ["", b"", None], "1 to 63 bytes"),
        (Born, ["a" * 64, b"", None], "1 to 63 bytes"),
        (Born, ["a", b"k" * 33, None], "at most 32 bytes"),
        (Born, ["a", b"", [b"short", 1, b"chain"]], "previous actor of 16 bytes"),
        (Born, ["a", b"", [OWN, -1, b"chain"]], "previous actor of 16 bytes"),
        (FileMade, [[1, 5], "n", [b"short", 1, None]], "named by 32 bytes"),
        (FileMade, [[1, 5], "n", [HASH, 1 << 21, b"short"]], "named by 32 bytes"),
        (FileMade, [[1, 5], "n", [HASH, -1, None]], "names chunks iff"),
        (FileMade, [[1, 5], "n", [HASH, 1, HASH]], "names chunks iff"),
        (FileMade, [[1, 5], "n", [HASH, 1 << 21, None]], "names chunks iff"),
        (FileMade, [[1, 5], "a/b", [HASH, 1, None]], "name"),
        (EntryAppended, [[1, 5], [HASH, 1, None], [""], 0], "flag ''"),
        (EntryAppended, [[1, 5], [HASH, 1, None], ["x"] * 1001, 0], "1001 flags"),
        (EntryAppended, [[1, 5], [HASH, 1, None], [], "now"], "is not an operation"),
        (NodesDeleted, [[[1, 5, 0]]], "parents first"),
        (NodesDeleted, [[[1, 5, -2]]], "parents first"),
        (NodesDeleted, [[[1, 5, -1], [1, 6, 2]]], "parents first"),
        (EntriesExpunged, [[1, 5]], "runs"),
        (EntriesExpunged, ["text"], "is not an operation"),
    ],
)
def test_an_ill_formed_body_is_refused_with_a_reason(kind: type, wire: object, said: str) -> None:
    head = head_at(3, dict(CLOCK))
    _, record, _ = write(head, Draft(OF[kind], 17, CLOCK))
    parts = msgspec.msgpack.decode(record.data)
    parts[7] = wire
    with pytest.raises(Malformed, match=said):
        read(head, msgspec.msgpack.encode(parts))


def test_as_many_extensions_as_are_allowed_are_read() -> None:
    head = head_at(3, dict(CLOCK))
    _, record, _ = write(head, Draft(BODIES[2], 17, CLOCK))
    parts = msgspec.msgpack.decode(record.data)
    for count, fits in ((EXTENSIONS_MAX, True), (EXTENSIONS_MAX + 1, False)):
        data = msgspec.msgpack.encode([*parts, {2 * number: b"" for number in range(count)}])
        if fits:
            assert read(head, data)[0].body == BODIES[2]
        else:
            with pytest.raises(Malformed, match="extensions"):
                read(head, data)


def test_an_operation_that_is_too_long_is_not_written() -> None:
    name = "x" * (1 << 20)
    with pytest.raises(ValueError, match="an operation of 1048"):
        write(head_at(3, dict(CLOCK)), Draft(FolderMade(A, name), 17, CLOCK))


@pytest.mark.parametrize("runs", [[1, 1], [1, 1, 0], [1, 1, 100_001], [1, 900, 2]])
def test_lists_of_ids_are_bounded_before_they_are_made(runs: list[int]) -> None:
    head = head_at(3, dict(CLOCK))
    _, record, _ = write(head, Draft(BODIES[-1], 17, CLOCK))
    parts = msgspec.msgpack.decode(record.data)
    parts[7] = [runs]
    with pytest.raises(Malformed):
        read(head, msgspec.msgpack.encode(parts))


def test_a_kind_of_a_later_version_is_kept_and_not_understood() -> None:
    found, record, head = read(head_at(3, dict(CLOCK)), changed(0, 99))
    assert found.body == Unknown(99) and head.seq == 4
    assert record.data == changed(0, 99)


def test_an_extension_with_an_odd_number_must_be_understood() -> None:
    _, record, _ = write(head_at(3, dict(CLOCK)), Draft(BODIES[2], 17, CLOCK))
    parts = msgspec.msgpack.decode(record.data)
    even = msgspec.msgpack.encode([*parts, {2: b"x"}])
    odd = msgspec.msgpack.encode([*parts, {3: b"x"}])
    assert read(head_at(3, dict(CLOCK)), even)[0].body == BODIES[2]
    assert read(head_at(3, dict(CLOCK)), odd)[0].body == Unknown(2)
