"""The control protocol: how a local program talks to a running node over its unix socket.

Either way go frames: a length of 4 bytes, big endian, then one MessagePack map of that length.

    node                                    program
    Greeting, or Problem and the end  -->
                                      <--   Call(1, command)
                                      <--   Piece, Piece, … the last with `last`   (with content)
                                      <--   Call(2, command) …                     (no need to wait)
    Reply(1, body, more), …           -->
    Reply(2, body), Reply(1, body)    -->

A program numbers its calls. Every call is answered by replies of its number, the last of them
without `more`; calls are taken up in order and may be answered in any. The pieces of a call follow
it at once. A program that goes away abandons its calls; what was already asked is not undone.

Unknown fields are ignored, so fields may be added; anything else raises PROTOCOL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from crdt import Actor, Address, Blob, Dot, EntryView, NodeView, Request, RequestId
from samebox.changes import Change
from samebox.errors import SameboxError
from samebox.events import Receipt
from samebox.status import ShardStatus

PROTOCOL = 1
HEADER_BYTES = 4
FRAME_BYTES_MAX = 1 << 20
"""One frame is one allocation on either side; a request with 30,000 entries fits."""
PIECE_BYTES_MAX = 256 << 10
"""Contents travel in pieces of this size, so a client's share of memory is small."""
CALLS_MAX = 512
"""Calls of one program under way at once: enough that one sync serves very many."""
CALLS_UNSAID = 256
"""The same of a node whose greeting does not say: it is of an earlier version."""
RECALLS_MAX = 1000
"""Request ids in one Recall."""

VERIFY_BYTES_PER_S = 32 << 20
"""A disk that reads a hundred times as much notices little; 10 GB take five minutes."""

Copies: TypeAlias = int | Literal["all"] | None
"""How many members have to hold it; None is what the node list says."""

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
"""What is no number is none of these."""

NO_BLOB = Blob(b"", 0)
"""Stands in a request for the content whose pieces follow; the node puts in the real one."""


class ProtocolError(SameboxError):
    """The other side sent what this protocol does not know."""


# --- What a program asks --------------------------------------------------------------------


class Ask(Struct, frozen=True, tag="ask"):
    """Carry out `request`. With `content`, pieces follow that become its content.

    Entries may be named by a prefix of their actor. Without `id` the node takes one of its own.
    Answered by Answered or Problem.
    """

    request: Request
    id: RequestId | None = None
    copies: Copies = None
    timeout_s: Seconds | None = None
    content: bool = False


class Boxes(Struct, frozen=True, tag="boxes"):
    """All boxes of the node. Answered by Nodes."""


class Look(Struct, frozen=True, tag="look"):
    """What stands at `address`, first, and what is directly below it. Answered by Nodes."""

    address: Address


class Entries(Struct, frozen=True, tag="entries"):
    """The entries of a mailbox, in order. Answered by EntryPages."""

    address: Address


class Read(Struct, frozen=True, tag="read"):
    """The bytes of a file, or with `entry`, of a message in the mailbox at `address`.

    Answered by Opened, then Pieces.
    """

    address: Address
    entry: Dot | None = None


class Status(Struct, frozen=True, tag="status"):
    """Answered by one ShardShown for each shard; with `digest`, each says its state's digest."""

    digest: bool = False


class Watch(Struct, frozen=True, tag="watch"):
    """Changes as they become visible: of one shard, and with `box`, of that box alone (and those
    whose place shows nowhere any more). From now on, or after the cursor `since`. Answered by
    Watched, without end."""

    shard: str | None = None
    box: str | None = None
    since: dict[Actor, int] | None = None


class Wait(Struct, frozen=True, tag="wait"):
    """Until `copies` members hold all that the receipt names. Answered by Answered or Problem."""

    receipt: Receipt
    copies: Copies = None
    timeout_s: Seconds | None = None


class Recall(Struct, frozen=True, tag="recall"):
    """Which of these requests to `box` were carried out already, as this node knows. Answered by
    Known."""

    box: str
    ids: tuple[RequestId, ...]


class Verify(Struct, frozen=True, tag="verify"):
    """Read back all that the node keeps, or one shard of it. Answered by Verified, for each shard
    one or more; the last has `ended`. What is damaged is set aside then."""

    shard: str | None = None
    bytes_per_s: int = VERIFY_BYTES_PER_S


Command: TypeAlias = Ask | Boxes | Look | Entries | Read | Status | Watch | Wait | Recall | Verify


class Call(Struct, frozen=True, tag="call"):
    number: int
    command: Command


class Piece(Struct, frozen=True, tag="piece"):
    """At most PIECE_BYTES_MAX of contents."""

    data: bytes
    last: bool = False


FromProgram: TypeAlias = Call | Piece


# --- What the node answers --------------------------------------------------------------------


class Greeting(Struct, frozen=True, tag="samebox"):
    """`calls` of this program may be under way at once."""

    cluster: str
    node: str
    protocol: int = PROTOCOL
    calls: int = CALLS_UNSAID


class Problem(Struct, frozen=True, tag="problem"):
    """Nothing was changed. `code` is for programs, `message` says what to do."""

    code: str
    message: str


class Answered(Struct, frozen=True, tag="answered"):
    """`nodes` hold what the receipt names; with `late`, the deadline passed before all of those
    asked for did. `dots` are the operations of the request; none where nothing had to change."""

    receipt: Receipt
    dots: tuple[Dot, ...]
    nodes: tuple[str, ...]
    late: bool = False


class Listed(Struct, frozen=True):
    """A node of the tree, shallow, and how many entries it shows."""

    node: NodeView
    entries: int = 0


class Nodes(Struct, frozen=True, tag="nodes"):
    nodes: tuple[Listed, ...]


class EntryPage(Struct, frozen=True, tag="entries"):
    entries: tuple[EntryView, ...]


class Opened(Struct, frozen=True, tag="opened"):
    """What is about to be read: a blob, and the entry where it is a message's."""

    blob: Blob
    entry: EntryView | None = None


class ShardShown(Struct, frozen=True, tag="shard"):
    status: ShardStatus
    digest: bytes = b""


class Watched(Struct, frozen=True, tag="watched"):
    shard: str
    change: Change


class Known(Struct, frozen=True, tag="known"):
    ids: tuple[RequestId, ...]


class Flaw(Struct, frozen=True):
    """Something in `file` does not read back. `records` are (actor, first, last) that lay there;
    without a file, those that no file holds. `blob` is the hash of one that lay there. `spare`: the
    other copy holds, nothing is lost."""

    file: str
    what: str
    records: tuple[tuple[Actor, int, int], ...] = ()
    blob: bytes | None = None
    spare: bool = False


class Verified(Struct, frozen=True, tag="verified"):
    """How far the verification of a shard has come: what was read of `bytes_total`, about.

    `flaws` are those found since the last one; `damaged` counts all that are not spare. At its end
    the state was compared with the log at so many operations; or `not_compared` says why not.
    """

    shard: str
    bytes: int
    bytes_total: int
    records: int
    blobs: int
    damaged: int
    flaws: tuple[Flaw, ...] = ()
    ended: bool = False
    operations: int = 0
    not_compared: str = ""


Body: TypeAlias = (
    Problem
    | Answered
    | Nodes
    | EntryPage
    | Opened
    | Piece
    | ShardShown
    | Watched
    | Known
    | Verified
)


class Reply(Struct, frozen=True, tag="reply"):
    """`body` is None where a stream ends with nothing more to say."""

    call: int
    body: Body | None = None
    more: bool = False


FromNode: TypeAlias = Greeting | Problem | Reply


# --- Frames -----------------------------------------------------------------------------------

_encode = msgspec.msgpack.Encoder().encode

T = TypeVar("T")


def frame(message: FromProgram | FromNode) -> bytes:
    """One message as it travels. Raises ProtocolError where it is longer than a frame may be."""
    payload = _encode(message)
    if len(payload) > FRAME_BYTES_MAX:
        raise ProtocolError(
            f"expected a message of at most {FRAME_BYTES_MAX} bytes, found {len(payload)}; "
            "name fewer entries at once"
        )
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


class Frames(Generic[T]):
    """Bytes in, messages out. Holds one unfinished frame at most, and what was just fed."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._held = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        self._held += data

    def __iter__(self) -> Iterator[T]:
        """The messages that are whole. Raises ProtocolError, and is of no use after it."""
        while (message := self.next()) is not None:
            yield message

    def next(self) -> T | None:
        if len(self._held) < HEADER_BYTES:
            return None
        length = int.from_bytes(self._held[:HEADER_BYTES], "big")
        if length > FRAME_BYTES_MAX:
            raise ProtocolError(
                f"expected a frame of at most {FRAME_BYTES_MAX} bytes, found {length}; "
                "is this the control socket of samebox?"
            )
        end = HEADER_BYTES + length
        if len(self._held) < end:
            return None
        with memoryview(self._held)[HEADER_BYTES:end] as payload:
            message = self._decoded(payload)
        del self._held[:end]
        return message

    def _decoded(self, payload: memoryview) -> T:
        try:
            return self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ProtocolError(f"expected a message of protocol {PROTOCOL}: {error}") from None


def from_programs() -> Frames[FromProgram]:
    return Frames(msgspec.msgpack.Decoder(FromProgram))


def from_node() -> Frames[FromNode]:
    return Frames(msgspec.msgpack.Decoder(FromNode))


def joined(content: Iterable[bytes]) -> Iterator[Piece]:
    """The pieces of contents that come in parts of any size: as few as there can be."""
    held = bytearray()
    for data in content:
        held += data
        while len(held) > PIECE_BYTES_MAX:
            yield Piece(bytes(held[:PIECE_BYTES_MAX]))
            del held[:PIECE_BYTES_MAX]
    yield Piece(bytes(held), last=True)


def pieces_of(data: bytes) -> Iterator[bytes]:
    """Cut to size; empty contents are one empty piece."""
    for start in range(0, max(len(data), 1), PIECE_BYTES_MAX):
        yield data[start : start + PIECE_BYTES_MAX]
