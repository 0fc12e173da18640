"""What stands around a request and no peer could read: refused before anything is made of it.

What the request itself says is judged when it is planned (crdt.plan).
"""

from __future__ import annotations

from crdt import CLIENT_BYTES, NUMBER_END, PRINCIPAL_BYTES_MAX
from samebox.events import Asked, Refusal


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
    if len(principal.encode(errors="replace")) > PRINCIPAL_BYTES_MAX:
        found = f"expected a principal of at most {PRINCIPAL_BYTES_MAX} bytes"
        return Refusal("bad-principal", f"{found}, found {len(principal)} characters; shorten it")
    return None


def too_many(copies: int, members: int) -> Refusal:
    text = f"{copies} copies asked for, but the shard has {members} members; ask for fewer"
    return Refusal("too-many-copies", text)
