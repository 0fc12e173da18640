"""What stands around a request and no peer could read: refused before anything is made of it.

What the request itself says is judged when it is planned (crdt.plan).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from crdt import CLIENT_BYTES, NUMBER_END, PRINCIPAL_BYTES_MAX, Append, Blob, Create, Request, Store
from samebox.events import Asked, Carried, Refusal
from samebox.spelling import plural
from samebox.supply import CARRIED_BYTES_MAX, Hashed


class Unfit(Exception):
    """A request that cannot be made an operation of: a value of it is of no type or size that an
    operation can hold. Nothing has changed."""


def vetted(asked: Asked, members: int) -> Refusal | None:
    """Why `asked` is refused, whatever the state shows; None if it is not."""
    client, number = asked.id
    if asked.copies > members:
        return too_many(asked.copies, members)
    if len(client) != CLIENT_BYTES or not 0 <= number < NUMBER_END:
        found = f"expected a request id of {CLIENT_BYTES} bytes and a number from 0 up to 2^63"
        return Refusal("bad-id", f"{found}, found {asked.id!r}; take another id")
    principal = asked.principal
    if principal and len(principal.encode(errors="replace")) > PRINCIPAL_BYTES_MAX:
        found = f"expected a principal of at most {PRINCIPAL_BYTES_MAX} bytes"
        return Refusal("bad-principal", f"{found}, found {len(principal)} characters; shorten it")
    return None


def too_many(copies: int, members: int) -> Refusal:
    found = plural(members, "member")
    text = f"{copies} copies asked for, but the shard has {found}; ask for fewer"
    return Refusal("too-many-copies", text)


def false_contents(carried: Sequence[Carried]) -> Refusal | None:
    """Why these are not what they say, or too long to travel beside an operation. What comes into
    the core was looked at: it takes the hashes as they stand."""
    for blob in carried:
        if len(blob.data) > CARRIED_BYTES_MAX:
            found = f"expected at most {CARRIED_BYTES_MAX} carried bytes, found {len(blob.data)}"
            return Refusal("bad-blob", f"{found}; put the contents, and carry what put returns")
        if type(blob) is Hashed:
            continue
        hash_ = sha256(blob.data).digest()
        if hash_ != blob.hash:
            found = f"expected bytes with the SHA-256 {blob.hash.hex()}, found {hash_.hex()}"
            return Refusal("bad-blob", f"{found}; name the contents by their own hash")
    return None


def blob_of_request(request: Request) -> Blob | None:
    """What the caller says it has handed in."""
    return request.content if isinstance(request, (Store, Append, Create)) else None


def not_here(blob: Blob) -> Refusal:
    found = f"expected the {blob.size} bytes {blob.hash.hex()} with the request, or put before it"
    return Refusal("no-contents", f"{found}, found neither; put them, then ask again")
