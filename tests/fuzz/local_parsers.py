"""Parsers of what local programs say, and of files that people write: see tests.fuzz.parsers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crdt import Address, Append, Create, RequestId
from samebox.config import Config
from samebox.control import (
    NO_BLOB,
    Answered,
    Ask,
    Call,
    Command,
    Frames,
    FromNode,
    Greeting,
    Look,
    Piece,
    Problem,
    Reply,
    Wait,
    Watch,
    frame,
)
from samebox.events import Receipt
from samebox.mail.maildir import flags_of, folder_path, order, read_keywords, split_name
from samebox.mail.mbox import MboxReader
from samebox.node_list import parse_config

CLIENT = b"client.."


def said_by_programs() -> list[bytes]:
    receipt = Receipt("main", {b"a" * 16: 7})
    inbox = Address("mail/alice", "INBOX")
    commands: list[Command] = [
        Ask(Append(inbox, NO_BLOB, ("\\Seen",)), RequestId(CLIENT, 1), "all", 2.5, content=True),
        Ask(Create(inbox)),
        Look(inbox),
        Wait(receipt, 2),
        Watch(box="mail/alice", since={b"a" * 16: 7}),
    ]
    calls = [frame(Call(number, command)) for number, command in enumerate(commands)]
    return [*calls, b"".join(calls), frame(Piece(b"content", last=True))]


def said_by_node() -> list[bytes]:
    answered = Answered(Receipt("main", {b"a" * 16: 7}), (), ("a",))
    said: list[FromNode] = [
        Greeting("example.org", "a"),
        Problem("code", "text"),
        Reply(1, answered),
    ]
    return [frame(one) for one in said]


def parse_control(make: Callable[[], Frames[Any]]) -> Callable[[bytes], None]:
    def parse(data: bytes) -> None:
        frames = make()
        for start in range(0, len(data), 50):
            frames.feed(data[start : start + 50])
            for message in frames:
                again = make()
                again.feed(frame(message))
                assert again.next() == message

    return parse


NODE_LIST = b"""cluster: example.org
nodes:
  a: {address: "mail-a.example.org:7788"}
  b: {address: "192.0.2.7:7788"}
tls: {ca: certs/ca.pem, certificate: certs/{node}.pem, key: certs/{node}.key}
data: /var/lib/samebox/{node}
socket: /run/samebox/{node}.sock
copies: 2
shards:
  main: {nodes: [a, b]}
"""


def parse_node_list(data: bytes) -> None:
    """A configuration, or at least one problem with its line."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # said by who reads the file
    found = parse_config(text, Path("nodes.yaml"))
    if isinstance(found, Config):
        assert found.nodes and found.shards
    else:
        assert found and all(problem.line >= 1 for problem in found)


MBOX = b"""From ann@example.org Thu Jan  1 00:00:00 1970
Subject: one
Status: RO

>From here on
text

From bob Fri Jan  2 00:00:00 1970
Subject: two

"""


def parse_mbox(data: bytes) -> None:
    """The same events, whole or byte by byte."""
    whole, slow = MboxReader(), MboxReader()
    events = [*whole.feed(data), *whole.finish()]
    few = [event for at in range(len(data)) for event in slow.feed(data[at : at + 1])]
    few += slow.finish()
    assert texts(events) == texts(few)


def texts(events: Sequence[object]) -> list[object]:
    """Pieces of content that follow each other are one."""
    found: list[object] = []
    for event in events:
        data = getattr(event, "data", None)
        if data is not None and found and isinstance(found[-1], bytes):
            found[-1] += data
        else:
            found.append(event if data is None else data)
    return found


def parse_maildir(data: bytes) -> None:
    name = data.decode(errors="surrogateescape")
    unique, letters = split_name(name)
    assert name.startswith(unique)
    flags_of(letters, read_keywords(name))
    folder_path(name)
    order(name)
