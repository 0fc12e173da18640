"""The control protocol as values: messages to bytes and back."""

from __future__ import annotations

import msgspec
import pytest

from crdt import (
    Address,
    Append,
    Blob,
    Copy,
    Create,
    Delete,
    Dot,
    EntryView,
    Expunge,
    Kind,
    Mode,
    NodeView,
    Rename,
    Request,
    RequestId,
    Store,
)
from samebox.changes import Change
from samebox.control import (
    FRAME_BYTES_MAX,
    NO_BLOB,
    PIECE_BYTES_MAX,
    Answered,
    Ask,
    Body,
    Boxes,
    Call,
    Command,
    Entries,
    EntryPage,
    FromNode,
    FromProgram,
    Greeting,
    Known,
    Listed,
    Look,
    Nodes,
    Opened,
    Piece,
    Problem,
    ProtocolError,
    Read,
    Recall,
    Reply,
    ShardShown,
    Status,
    Wait,
    Watch,
    Watched,
    frame,
    from_node,
    from_programs,
    pieces_of,
)
from samebox.events import Receipt
from samebox.stability import HeldBack
from samebox.status import LimboStatus, PeerStatus, ShardStatus

ACTOR = bytes(range(16))
DOT = Dot(ACTOR, 7)
BLOB = Blob(bytes(32), 5, bytes(32))
INBOX = Address("mail/alice", "INBOX")
RECEIPT = Receipt("main", {ACTOR: 7})
ENTRY = EntryView(DOT, BLOB, 1_700_000_000_000, ("\\Seen",))

REQUESTS: list[Request] = [
    Create(INBOX, BLOB, parents=True, fold=True),
    Delete(INBOX),
    Append(INBOX, NO_BLOB, ("\\Seen",), -1),
    Copy(INBOX, INBOX, (DOT,)),
    Rename(INBOX, INBOX),
    Store(INBOX, (Dot(ACTOR[:4], 7),), ("a",), Mode.SET),
    Expunge(INBOX, ()),
]
COMMANDS: list[Command] = [
    *[Ask(request, RequestId(b"client..", 3), "all", 1.5, content=True) for request in REQUESTS],
    Ask(REQUESTS[0]),
    Boxes(),
    Look(INBOX),
    Entries(INBOX),
    Read(INBOX, DOT),
    Status(digest=True),
    Watch("main", "mail/alice", {ACTOR: 2**63 - 1}),
    Wait(RECEIPT, 2, 0.0),
    Recall("mail/alice", (RequestId(b"client..", 2**63 - 1),)),
]
PEER = PeerStatus("b", False, "refused", 0.5, 1, 100, 0.25, {ACTOR: 3})
LIMBO = LimboStatus({ACTOR: 1}, 2, 3, 0.5, 4, (HeldBack("b", 1, ""),), "why", ("alarm",))
BODIES: list[Body] = [
    Problem("name-taken", "taken"),
    Answered(RECEIPT, (DOT,), ("a", "b"), late=True),
    Nodes((Listed(NodeView(Kind.FILE, "n", (DOT,), True, (), (), BLOB, DOT), 3),)),
    EntryPage((ENTRY,)),
    Opened(BLOB, ENTRY),
    Piece(b"\x00\xff", last=True),
    ShardShown(
        ShardStatus(
            "main", "a", None, {ACTOR: 1}, 1, 2, 3, 4, 5, 6, {ACTOR: "why"}, (PEER,), LIMBO
        ),
        b"d",
    ),
    Watched("main", Change({ACTOR: 7}, DOT, "append", None, None, (DOT,), (), "", 5, "alice")),
    Known((RequestId(b"client..", 1),)),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_command_arrives_as_it_was_sent(command: Command) -> None:
    frames = from_programs()
    frames.feed(frame(Call(1, command)) + frame(Piece(b"x")))
    assert list(frames) == [Call(1, command), Piece(b"x")]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_reply_arrives_as_it_was_sent(body: Body) -> None:
    frames = from_node()
    frames.feed(frame(Reply(9, body, more=True)))
    assert list(frames) == [Reply(9, body, more=True)]


def test_byte_by_byte_it_is_the_same() -> None:
    sent: list[FromNode] = [Greeting("c", "a"), Reply(1, BODIES[2]), Reply(1), Problem("x", "y")]
    frames = from_node()
    found: list[FromNode] = []
    for byte in b"".join(map(frame, sent)):
        frames.feed(bytes([byte]))
        found += frames
    assert found == sent


def test_a_frame_of_the_greatest_length_passes_and_a_longer_one_is_refused_at_its_header() -> None:
    around = len(frame(Call(1, Look(Address("x" * 70_000))))) - 70_000
    longest = Call(1, Look(Address("x" * (FRAME_BYTES_MAX + 4 - around))))
    data = frame(longest)
    assert len(data) == FRAME_BYTES_MAX + 4
    frames = from_programs()
    frames.feed(data)
    assert list(frames) == [longest]
    frames.feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))
    with pytest.raises(ProtocolError, match="control socket of samebox"):
        frames.next()


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="fewer entries"):
        frame(Call(1, Look(Address("x" * (FRAME_BYTES_MAX + 1)))))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x90",
        msgspec.msgpack.encode({"type": "nonsense"}),
        msgspec.msgpack.encode({"type": "call", "number": "one", "command": {"type": "boxes"}}),
        msgspec.msgpack.encode({"type": "reply", "call": 1}),
    ],
    ids=["empty", "no type", "list", "unknown", "wrong field", "the other side's"],
)
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    frames = from_programs()
    frames.feed(len(payload).to_bytes(4, "big") + payload)
    with pytest.raises(ProtocolError, match="protocol 1"):
        frames.next()


def test_a_field_of_a_later_version_is_ignored() -> None:
    later = {"type": "call", "number": 4, "command": {"type": "boxes", "new": 1}, "newer": [2]}
    payload = msgspec.msgpack.encode(later)
    frames = from_programs()
    frames.feed(len(payload).to_bytes(4, "big") + payload)
    expected: FromProgram = Call(4, Boxes())
    assert frames.next() == expected


def test_contents_are_cut_into_pieces_and_nothing_is_one_empty_piece() -> None:
    data = bytes(PIECE_BYTES_MAX) + b"x"
    assert list(pieces_of(data)) == [data[:-1], b"x"]
    assert list(pieces_of(data[:-1])) == [data[:-1]]
    assert list(pieces_of(b"")) == [b""]
