"""From a request as a program wrote it to the one that a shard is asked.

A program names entries by the first bytes of their actor, and knows no hash of the contents that it
streams; the node puts in the whole ids and the real blob.
"""

from __future__ import annotations

from msgspec.structs import replace

from crdt import (
    ACTOR_BYTES,
    Append,
    Blob,
    Clock,
    Copy,
    Create,
    Delete,
    Dot,
    Expunge,
    Rename,
    Request,
    Store,
)
from samebox.control import Problem
from samebox.spelling import PREFIX_BYTES_MIN


class Declined(Exception):
    """The command cannot be carried out; nothing was changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code, message)


def box_of(request: Request) -> str:
    """Where the request changes things."""
    match request:
        case Copy() | Rename():
            return request.destination.box
        case _:
            return request.target.box


def with_content(request: Request, blob: Blob) -> Request:
    match request:
        case Create() | Append() | Store():
            return replace(request, content=blob)
        case Copy() | Delete() | Rename() | Expunge():
            kind = type(request).__name__.lower()
            raise Declined("unclear", f"expected no contents with a {kind}, found some")


def with_whole_entries(request: Request, clock: Clock) -> Request:
    match request:
        case Copy() | Rename() | Store() | Expunge() if request.entries is not None:
            return replace(request, entries=tuple(whole(dot, clock) for dot in request.entries))
        case _:
            return request


def whole(dot: Dot, clock: Clock) -> Dot:
    """The dot whose actor begins as that of `dot` does, among the operations held here."""
    if len(dot.actor) == ACTOR_BYTES:
        return dot
    if len(dot.actor) < PREFIX_BYTES_MIN:
        raise Declined("unclear", f"expected at least {PREFIX_BYTES_MIN * 2} digits, found {dot}")
    actors = [a for a in sorted(clock) if a.startswith(dot.actor) and clock[a] >= dot.seq]
    shown = f"{dot.actor.hex()}:{dot.seq}"
    if not actors:
        raise Declined(
            "no-such-entry",
            f"expected an entry {shown}, found none that this node holds; "
            "`samebox ls --entries` shows them",
        )
    if len(actors) > 1:
        candidates = ", ".join(f"{actor.hex()}:{dot.seq}" for actor in actors)
        raise Declined("unclear", f"expected one entry {shown}, found {candidates}; write it whole")
    return Dot(actors[0], dot.seq)
