"""Each parser of the product: valid inputs, what it may raise, and what holds of what it returns.

A `parse` returns for any bytes, or raises one of `errors`; anything else is a bug. What it accepts
it checks once more: it encodes to the same again, verifies, or has a defined effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from comm import CommError, FrameReader, NeedMore, Unknown, encode
from comm import decode as decode_message
from comm.handshake import judge
from comm.header import HEADER_BYTES, Protocols, decode_header
from comm.messages import Greeting
from crdt import (
    Address,
    Append,
    Copy,
    Create,
    Delete,
    Expunge,
    Head,
    Malformed,
    MemoryRows,
    Mode,
    Record,
    Rename,
    State,
    Store,
    first_head,
    read,
)
from samebox.control import ProtocolError, from_node, from_programs
from samebox.mail.errors import MailError
from sim.cluster import CLUSTER, SHARD, SimCluster
from storage import Packs, StorageError, blocks_of, find_snapshots
from storage.identity import decode_identity, encode_identity
from storage.index import ActorIndex, Base, Index, Offsets, Tip, decode_part, encode_part
from tests.fuzz.local_parsers import (
    MBOX,
    NODE_LIST,
    parse_control,
    parse_maildir,
    parse_mbox,
    parse_node_list,
    said_by_node,
    said_by_programs,
)
from tests.site import blob_of
from tests.storage import phrases as disk
from tests.storage.golden import BATCHES, BLOBS
from tests.storage.test_golden import golden

WIRE = Path(__file__).parents[1] / "golden" / "wire-v1.txt"
P = TypeVar("P", Base, Index, Offsets)


@dataclass(frozen=True)
class Parser:
    seeds: Callable[[], list[bytes]]
    errors: tuple[type[Exception], ...]
    parse: Callable[[bytes], None]


# --- The wire ---------------------------------------------------------------------------------


@cache
def wire() -> list[bytes]:
    return [bytes.fromhex(line) for line in WIRE.read_text().split()]


def frames_of(data: bytes) -> list[bytes]:
    reader, found = FrameReader(limit=1 << 20), []
    for start in range(0, len(data), 100):
        reader.feed(data[start : start + 100])
        while not isinstance(taken := reader.next_frame(), NeedMore):
            found.append(taken)
    return found


def parse_stream(data: bytes) -> None:
    for payload in frames_of(data):
        parse_message(payload)


def parse_message(payload: bytes) -> None:
    message = decode_message(payload)
    if isinstance(message, Unknown):
        return
    assert decode_message(encode(message)) == message
    if isinstance(message, Greeting):
        shake_hands(message)


@cache
def own_greeting() -> Greeting:
    found = decode_message(wire()[1][4:])
    assert isinstance(found, Greeting)
    return found


def shake_hands(theirs: Greeting) -> None:
    mine = own_greeting()
    names = (f"samebox://{mine.cluster}/b",)
    judge(mine, theirs, names=names, members=("a", "b"), births={})


def parse_header(data: bytes) -> None:
    header = data[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0")
    found = decode_header(header)
    assert isinstance(found, Protocols) and found.low <= found.high


# --- Operations -------------------------------------------------------------------------------


@cache
def records() -> list[Record]:
    """Of one actor: its birth, and every kind of request."""
    cluster = SimCluster(["a"])
    box, inbox, work = Address("b"), Address("b", "INBOX"), Address("b", "Work")
    for request in (
        Create(box),
        Create(Address("b", "Work/deep"), parents=True),
        Append(inbox, blob_of("one"), ("\\Seen", "\\Deleted"), 7),
        Append(inbox, blob_of("two")),
        Create(Address("b", "file"), blob_of("text")),
        Store(Address("b", "file"), content=blob_of("other")),
        Store(inbox, flags=("kept",), mode=Mode.ADD),
        Store(inbox, flags=("\\Deleted",), mode=Mode.REMOVE),
        Copy(inbox, work),
        Rename(work, Address("b", "Works")),
        Append(inbox, blob_of("three"), ("\\Deleted",)),
        Expunge(inbox),
        Delete(Address("b", "Works")),
    ):
        cluster.ask("a", request)
        cluster.settle("a")
    return list(cluster.nodes["a"].log.replay())


@cache
def heads() -> list[Head]:
    """Before each record, and after the last."""
    found = [first_head(CLUSTER, SHARD, records()[0].actor)]
    for record in records():
        found.append(read(found[-1], record.data)[2])
    return found


def parse_record(data: bytes) -> None:
    """Where it may stand, a record has an effect on a state, and no other than the one it says."""
    errors = []
    for place in (0, len(records()) // 2, len(records())):
        try:
            operation, record, head = read(heads()[place], data)
        except Malformed as error:
            errors.append(error)
            continue
        assert record.data == data and head.seq == operation.dot.seq == place + 1
        assert Head.decode(head.encode()) == head
        state = State(MemoryRows())
        state.rows.begin()
        for before in zip(heads(), records()[:place], strict=False):
            state.apply(read(before[0], before[1].data)[0])
        state.apply(operation)
        state.rows.commit()
        state.view()
    if len(errors) == 3:
        raise errors[0]


# --- The disk ---------------------------------------------------------------------------------


def first_file(situation: str, kind: str) -> str:
    return next(name for name in golden(situation).names() if name.startswith(kind))


def parse_segment(data: bytes) -> None:
    """Whatever stands in a segment: a log gives only records that were written."""
    found = golden("sealed")
    found.files[first_file("sealed", "log-")] = bytearray(data)
    log, _ = disk.start(found)
    written = set(disk.flattened(BATCHES))
    for record in log.replay():
        assert record in written, f"{record} was never written"


def parse_tail(data: bytes) -> None:
    found = golden("torn")
    found.files[found.names()[-1]] = bytearray(data)
    log, _ = disk.start(found)
    written = set(disk.flattened(BATCHES))
    assert all(record in written for record in log.replay())


def parse_pack(data: bytes) -> None:
    found = golden("packs")
    names = found.names()
    hashes = [sha256(blob).digest() for blob in BLOBS]
    found.files[names[0]] = bytearray(data)
    packs, _ = Packs.open(found, cluster=disk.CLUSTER, shard=disk.SHARD, entropy=disk.entropy)
    for hash_ in hashes:
        if packs.has(hash_):
            try:
                assert sha256(packs.get(hash_)).digest() == hash_
            except StorageError:
                assert not packs.has(hash_)


def parse_snapshot(data: bytes) -> None:
    """Its blocks are those that were written, whole, or there is an error."""
    found = golden("snapshot")
    name = first_file("snapshot", "snapshot-")
    whole = golden_blocks()
    found.files[name] = bytearray(data)
    for snapshot in find_snapshots(found, cluster=disk.CLUSTER, shard=disk.SHARD).snapshots:
        assert list(blocks_of(found, snapshot)) == whole


@cache
def golden_blocks() -> list[bytes]:
    found = golden("snapshot")
    (snapshot,) = find_snapshots(found, cluster=disk.CLUSTER, shard=disk.SHARD).snapshots
    return list(blocks_of(found, snapshot))


def parse_identity(data: bytes) -> None:
    found = decode_identity(data, "here")
    assert decode_identity(encode_identity(found), "here") == found


def parse_part(data: bytes) -> None:
    """As they stand below a checksum that holds."""
    errors = [parse_as(Base, data), parse_as(Index, data), parse_as(Offsets, data)]
    if all(errors):
        raise next(error for error in errors if error)


def parse_as(kind: type[P], data: bytes) -> StorageError | None:
    try:
        found = decode_part(data, kind, "here")
    except StorageError as error:
        return error
    assert decode_part(encode_part(found), kind, "here") == found
    return None


def parts() -> list[bytes]:
    actor, tip = b"a" * 16, Tip(3, bytes(32), b"head")
    index = Index(2, 3, {actor: ActorIndex(((1, 3),), tip)})
    return [encode_part(part) for part in (Base({actor: tip}), index, Offsets({actor: [(1, 64)]}))]


def files(situation: str, kind: str) -> Callable[[], list[bytes]]:
    return lambda: [
        bytes(content) for name, content in golden(situation).files.items() if name.startswith(kind)
    ]


PARSERS: dict[str, Parser] = {
    "stream": Parser(lambda: [*wire()[1:], b"".join(wire()[1:])], (CommError,), parse_stream),
    "message": Parser(lambda: [one[4:] for one in wire()[1:]], (CommError,), parse_message),
    "header": Parser(lambda: wire()[:1], (CommError,), parse_header),
    "record": Parser(lambda: [one.data for one in records()], (Malformed,), parse_record),
    "segment": Parser(files("sealed", "log-"), (StorageError,), parse_segment),
    "tail": Parser(files("torn", "log-"), (StorageError,), parse_tail),
    "pack": Parser(files("packs", "pack-"), (StorageError,), parse_pack),
    "snapshot": Parser(files("snapshot", "snapshot-"), (StorageError,), parse_snapshot),
    "identity": Parser(files("sealed", "identity"), (StorageError,), parse_identity),
    "part": Parser(parts, (StorageError,), parse_part),
    "control-node": Parser(said_by_programs, (ProtocolError,), parse_control(from_programs)),
    "control-program": Parser(said_by_node, (ProtocolError,), parse_control(from_node)),
    "node-list": Parser(lambda: [NODE_LIST], (), parse_node_list),
    "mbox": Parser(lambda: [MBOX], (MailError,), parse_mbox),
    "maildir": Parser(lambda: [b"1.M2P3.host:2,FS", b".Work.deep"], (), parse_maildir),
}
