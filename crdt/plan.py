"""From a request to the bodies of operations, or to a refusal with its reason.

Addresses become ids here, by what the origin shows now; after this a request knows names no more.
Each body becomes one operation, atomic by itself, in the order given. docs/requests.md lists
every precondition with its error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from crdt.entry_plans import appended, copied, expunged, moved, stored
from crdt.ids import Dot
from crdt.node_plans import deleted, file_copied, file_written, made, renamed
from crdt.operations import Body
from crdt.reading import Reading, named
from crdt.requests import Address, Append, Copy, Create, Delete, Expunge, Rename, Request, Store
from crdt.view import Kind


class Planned(Struct, frozen=True, gc=False):
    """`bodies` may be empty: the request changes nothing, and that is success.

    `box` is the least id of the box where things change (of two, the destination's); None where
    the first body makes it.
    """

    box: Dot | None
    bodies: tuple[Body, ...]


def plan(reading: Reading, request: Request, next_dot: Callable[[int], Dot]) -> Planned:
    """What `request` means on what `reading` shows.

    `next_dot(i)` is the dot that the operation of body i (0, 1, …) will have: later bodies of one
    request name what earlier ones make. Raises Refused.
    """
    bodies = _bodies(reading, request, next_dot)
    box = reading.find(_whole_box(_changed(request).box))
    return Planned(None if box is None else box.ids[0], bodies)


def _bodies(reading: Reading, request: Request, next_dot: Callable[[int], Dot]) -> tuple[Body, ...]:
    match request:
        case Store(content=None):
            return stored(reading, request)
        case Store():
            return file_written(reading, request)
        case Append():
            return appended(reading, request)
        case Create():
            return made(reading, request, next_dot)
        case Delete():
            return deleted(reading, request.target)
        case Copy(entries=None) if named(reading, request.source).kind is Kind.FILE:
            return file_copied(reading, request)
        case Copy():
            return copied(reading, request)
        case Rename(entries=None):
            return renamed(reading, request, next_dot)
        case Rename():
            return moved(reading, request)
        case Expunge():
            return expunged(reading, request)


@lru_cache(maxsize=1024)
def _whole_box(name: str) -> Address:
    return Address(name)


_HERE = (Store, Append, Create, Delete, Expunge)


def _changed(request: Request) -> Address:
    if isinstance(request, _HERE):  # one that says yes at once; of structs, a no is slow
        return request.target
    return request.destination
