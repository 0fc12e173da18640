"""The messages that nodes send each other, as MessagePack arrays [tag, field, …].

Every field is typed and bounded, and checked on decoding. For the sake of later versions, fields
behind the known ones are ignored, and a message with an unknown tag decodes as Unknown, to be
skipped and counted. docs/wire-format.md shows every message byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from comm.errors import PeerBroke
from crdt import ACTOR_BYTES, CHAIN_BYTES, RECORD_BYTES_MAX, Record

CHAIN_PREFIX_BYTES = 8
"""Of the chain after a run of records, this much travels with it."""
HASH_BYTES = 32
CHUNK_BYTES_MAX = 1 << 20
"""Longer blobs are sequences of chunks; a chunk is what one message carries."""
NAME_BYTES_MAX = 255
"""Of cluster, shard, node, purpose and feature names: characters on the wire."""
TEXT_MAX = 4096
"""Of a refusal or a farewell, in characters."""
FEATURES_MAX = 256
HISTORIES_MAX = 3500
"""Actors in one handshake, so that it stays below HANDSHAKE_BYTES_MAX."""
MISSING_MAX = 1024
"""Operations without their blobs that one message lists; beyond, it says that there are more."""
ACK_ENTRIES_MAX = 100_000
RECORDS_MAX = 65_536
"""Records in one message: small ones reach the byte target long before."""
BLOBS_MAX = 16
"""Blobs that travel beside one record."""
RECORDS_BYTES_TARGET = 256 << 10
"""A message of records is closed once it holds this much: large enough to make its frame and
its system calls cheap, small enough for two to be in memory per peer."""
RECORDS_TARGET = 1024
"""Or so many records: whoever receives them takes them in one step, of some 40 ms."""
SNAPSHOT_ID_BYTES = 16
SEQ_MAX = (1 << 63) - 1
TAG_MAX = 127

ActorBytes = Annotated[bytes, Meta(min_length=ACTOR_BYTES, max_length=ACTOR_BYTES)]
ChainBytes = Annotated[bytes, Meta(min_length=CHAIN_BYTES, max_length=CHAIN_BYTES)]
BlobPiece = Annotated[bytes, Meta(max_length=CHUNK_BYTES_MAX)]
HashBytes = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Position = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Seq = Annotated[int, Meta(ge=1, le=SEQ_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_BYTES_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_MAX)]
Entry: TypeAlias = tuple[ActorBytes, Seq]
"""(actor, seq) in a clock or in a list of dots."""
Entries = Annotated[list[Entry], Meta(max_length=ACK_ENTRIES_MAX)]
MissingEntries = Annotated[list[Entry], Meta(max_length=MISSING_MAX)]
History: TypeAlias = tuple[ActorBytes, Position, ChainBytes]
"""(actor, seq, chain): what a node holds durably of an actor, named so that forks show."""


class Message(Struct, array_like=True, frozen=True):
    """Base of all messages."""


class Greeting(Message, frozen=True):
    """What a node says of itself first, before anything else on a connection.

    `purpose` is "operations", "blobs" or "snapshot". `actor` is the one that the node writes as,
    None if it has none. `incarnation` names the life of its process. `members_epoch` and
    `members_hash` name the member list that it works with. `histories` is what it holds durably;
    `missing` lists operations in there whose blobs it does not hold yet.
    """

    cluster: Name
    shard: Name
    node: Name
    purpose: Name
    actor: ActorBytes | None = None
    incarnation: Annotated[bytes, Meta(max_length=64)] | None = None
    features: Annotated[list[Name], Meta(max_length=FEATURES_MAX)] = []
    members_epoch: Position = 0
    members_hash: Annotated[bytes, Meta(max_length=HASH_BYTES)] = b""
    histories: Annotated[list[History], Meta(max_length=HISTORIES_MAX)] = []
    missing: MissingEntries = []
    more_missing: bool = False

    @property
    def clock(self) -> dict[bytes, int]:
        return {actor: seq for actor, seq, _ in self.histories if seq}


class Hello(Greeting, tag=1, frozen=True):
    """The dialer's greeting."""


class Welcome(Greeting, tag=2, frozen=True):
    """The acceptor's greeting: the link is up."""


class Refusal(Message, tag=3, frozen=True):
    """Instead of a Welcome, or after one that was not liked: no link, and why."""

    code: Name
    text: Text


class Records(Message, tag=4, frozen=True):
    """Operations `first`, `first` + 1, … of one actor, as their origin wrote them.

    An item is (record, small blobs that travel beside it). `chain` is the beginning of the
    actor's chain after the last of them.
    """

    actor: ActorBytes
    first: Seq
    chain: Annotated[bytes, Meta(min_length=CHAIN_PREFIX_BYTES, max_length=CHAIN_PREFIX_BYTES)]
    items: Annotated[
        list[
            tuple[
                Annotated[bytes, Meta(max_length=RECORD_BYTES_MAX)],
                Annotated[tuple[BlobPiece, ...], Meta(max_length=BLOBS_MAX)],
            ]
        ],
        Meta(min_length=1, max_length=RECORDS_MAX),
    ]

    def __post_init__(self) -> None:
        if self.last > SEQ_MAX:
            raise ValueError(f"expected seqs up to 2^63-1, found {self.last}")

    @property
    def last(self) -> int:
        return self.first + len(self.items) - 1


class Ack(Message, tag=5, frozen=True):
    """What has become durable here. Idempotent: clock entries merge by maximum. All that is new is
    in one message: what a peer was told is at any time a clock that this node had, and what is
    stable is taken from such clocks alone (samebox.stability).

    Entries not named stand as they were told before on this connection. `missing` replaces the
    previous list of operations whose blobs are not held; with `more_missing` it is not complete.
    """

    clock: Entries
    missing: MissingEntries = []
    more_missing: bool = False


class Want(Message, tag=6, frozen=True):
    """Send operations `first` to `last` of `actor`: they were dropped, or others wait for them."""

    actor: ActorBytes
    first: Seq
    last: Seq


class Ping(Message, tag=7, frozen=True):
    number: Position


class Pong(Message, tag=8, frozen=True):
    """The answer to Ping `number`."""

    number: Position


class Bye(Message, tag=9, frozen=True):
    """The last message of a peer that closes on purpose."""

    reason: Text


class WantBlob(Message, tag=10, frozen=True):
    hash: HashBytes


class BlobBytes(Message, tag=11, frozen=True):
    hash: HashBytes
    data: BlobPiece


class NoBlob(Message, tag=12, frozen=True):
    """The blob is not held here."""

    hash: HashBytes


class LogBase(Message, tag=13, frozen=True):
    """The log of the sender begins behind these operations: whoever lacks one of them is sent none
    on this link, and gets a snapshot on another connection. For good it has forgotten what nobody
    needs who holds all of `folded`. Replaces what was said before."""

    clock: Entries
    folded: Entries = []


class WantSnapshot(Message, tag=14, frozen=True):
    """Send a piece from `at` on of the snapshot with this id; without an id, of the newest that
    stands for `base`, behind which the log of the asker begins."""

    base: Entries
    id: Annotated[bytes, Meta(max_length=SNAPSHOT_ID_BYTES)] = b""
    at: Position = 0


class SnapshotPiece(Message, tag=15, frozen=True):
    """What the snapshot's file holds from `at` on; it has `size` bytes."""

    id: Annotated[bytes, Meta(min_length=SNAPSHOT_ID_BYTES, max_length=SNAPSHOT_ID_BYTES)]
    at: Position
    size: Position
    data: Annotated[bytes, Meta(min_length=1, max_length=CHUNK_BYTES_MAX)]


class NoSnapshot(Message, tag=16, frozen=True):
    """There is none like that, or not yet."""

    reason: Text


class Unknown(NamedTuple):
    """A message of a later version, to be skipped."""

    tag: int


KINDS: Mapping[int, type[Message]] = {
    1: Hello, 2: Welcome, 3: Refusal, 4: Records, 5: Ack, 6: Want, 7: Ping, 8: Pong, 9: Bye,
    10: WantBlob, 11: BlobBytes, 12: NoBlob, 13: LogBase, 14: WantSnapshot, 15: SnapshotPiece,
    16: NoSnapshot,
}  # fmt: skip
"""By tag. A tag once given is never given another meaning."""

_DECODERS = {tag: msgspec.msgpack.Decoder(kind) for tag, kind in KINDS.items()}
encode = msgspec.msgpack.Encoder().encode


def decode(payload: bytes) -> Message | Unknown:
    """The message in one frame. Raises PeerBroke where it is not well-formed."""
    tag = _tag(payload)
    decoder = _DECODERS.get(tag)
    if decoder is None:
        return Unknown(tag)
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PeerBroke(f"a message {KINDS[tag].__name__} is ill-formed: {error}") from error


def _tag(payload: bytes) -> int:
    """An array of at least one item, the first of them an integer up to TAG_MAX."""
    at = 1
    if payload[:1] == b"\xdc":
        at = 3
    elif payload[:1] == b"\xdd":
        at = 5
    elif not payload or not 0x91 <= payload[0] <= 0x9F:
        raise PeerBroke(f"expected a message [tag, …], found {payload[:8].hex(' ')}")
    if len(payload) <= at or payload[at] > TAG_MAX:
        raise PeerBroke(f"expected a tag from 0 to {TAG_MAX}, found {payload[:8].hex(' ')}")
    return payload[at]


def packed(
    records: Iterable[tuple[Record, tuple[bytes, ...]]],
    *,
    bytes_target: int = RECORDS_BYTES_TARGET,
) -> Iterator[Records]:
    """A contiguous run of one actor's records, with their small blobs, as messages to send.

    A message is closed when it holds `bytes_target` bytes, which it may exceed by one item, or
    RECORDS_TARGET records.
    """
    items: list[tuple[bytes, tuple[bytes, ...]]] = []
    size = 0
    last: Record | None = None
    for record, blobs in records:
        if last is not None:
            follows = record.actor == last.actor and record.seq == last.seq + 1
            assert follows, f"{record.actor.hex()[:8]}:{record.seq} does not follow {last.seq}"
        last = record
        items.append((record.data, blobs))
        size += len(record.data) + sum(map(len, blobs))
        if size >= bytes_target or len(items) == RECORDS_TARGET:
            yield _run(last, items)
            items, size = [], 0
    if items and last is not None:
        yield _run(last, items)


def _run(last: Record, items: list[tuple[bytes, tuple[bytes, ...]]]) -> Records:
    first = last.seq - len(items) + 1
    return Records(last.actor, first, last.chain[:CHAIN_PREFIX_BYTES], items)
