"""Carry out one request at a node, and say which level of confirmation was reached and where."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from crdt import Request
from samebox import spelling
from samebox.control import PIECE_BYTES_MAX, Answered, Ask, Copies
from samebox.errors import reason
from samebox.events import SHOWN_MAX
from samebox.io.commands.options import (
    Asking,
    DeadlinePassed,
    Misused,
    NotReached,
    Site,
    connected,
)
from samebox.io.commands.showing import hint, say, say_json
from samebox.io.control_client import Connection, NodeGone
from samebox.spelling import plural


def carry_out(
    site: Site,
    request: Request,
    asking: Asking,
    done: str,
    content: Iterable[bytes] | None = None,
    *,
    repeat: str = "",
) -> None:
    """`done` says what has happened then; `repeat` is what a repetition of the command must also
    say to be the same request."""
    ask = Ask(request, asking.id, asking.copies, asking.timeout_s, content is not None)
    with connected(site) as node:
        answered = one_answer(node, ask, content, repeat)
    tell(answered, asking, done)


def one_answer(
    node: Connection, ask: Ask, content: Iterable[bytes] | None, repeat: str
) -> Answered:
    assert ask.id is not None
    try:
        (body,) = node.call(ask, content)
    except (NodeGone, KeyboardInterrupt) as error:
        ended = (
            f"{error} before it" if isinstance(error, NodeGone) else "interrupted before the node"
        )
        raise NotReached(
            f"{ended} answered: whether this was done is not known. Repeat the command "
            f"with\n  --request-id {spelling.shown_request_id(ask.id)} {repeat}".rstrip()
            + "\nand it is done once, at whichever node"
        ) from None
    assert isinstance(body, Answered), f"a write is answered by {body}"
    return body


def tell(answered: Answered, asking: Asking, done: str) -> None:
    """Print the answer; a deadline that has passed ends the command with its exit status."""
    if asking.json:
        say_json(
            confirmed=not answered.late,
            copies=len(answered.nodes),
            nodes=list(answered.nodes),
            operations=[spelling.shown_entry(dot) for dot in answered.dots],
            receipt=str(answered.receipt),
            request_id=spelling.shown_request_id(asking.id),
        )
    elif not answered.late:
        say(f"{done}{what(answered)}, {level(answered)}")
    if answered.late:
        raise DeadlinePassed(late_words(answered, asking.copies, done))


def what(answered: Answered) -> str:
    dots = answered.dots
    if not dots:
        return " nothing had to change"
    if len(dots) > SHOWN_MAX:
        return f" in {plural(len(dots), 'operation')}"
    return " " + ", ".join(map(spelling.shown_entry, dots))


def level(answered: Answered) -> str:
    return f"confirmed at {', '.join(answered.nodes)}"


def wanted(copies: Copies) -> str:
    match copies:
        case None:
            return "as many members held it as the node list asks for"
        case "all":
            return "all members held it"
        case _:
            return f"{plural(copies, 'member')} held it"


def late_words(answered: Answered, copies: Copies, done: str) -> str:
    held = ", ".join(answered.nodes) or "no node yet"
    receipt = str(answered.receipt)
    return (
        f"{done}{what(answered)}, held by {held}: the deadline passed before {wanted(copies)}. "
        f"Nothing is undone; to wait on:\n  samebox wait --receipt {receipt} --copies {copies or 1}"
    )


def read_file(path: str) -> Iterable[bytes]:
    """The bytes of a file, or for "-" of standard input, piece by piece."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        hint("type what is to be read, and end it with Ctrl-D in a line of its own")
    try:
        with click.open_file(path, "rb") as file:
            while piece := file.read(PIECE_BYTES_MAX):
                yield piece
    except OSError as error:
        raise Misused(f"expected to read {path}, found: {reason(error)}") from None
