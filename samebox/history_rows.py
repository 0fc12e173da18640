"""What a history keeps among the rows of the state: the head of every actor, and the births.

They are put in the transactions of the state, so rows of one commit always tell of one clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from crdt import ACTOR_BYTES, Actor, Born, Head, Rows

HEADS = "heads"
"""actor -> what its next record builds on."""
BIRTHS = "births"
"""place in the order of delivery, actor -> [node, key, previous]."""
PLACE_BYTES = 4
FIRST, LAST = b"", b"\xff" * (PLACE_BYTES + ACTOR_BYTES + 1)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, bytes, tuple[Actor, int, bytes] | None]).decode


def keep_heads(rows: Rows, heads: Mapping[Actor, bytes]) -> None:
    """By actor, encoded."""
    for actor, head in heads.items():
        rows.put(HEADS, actor, head)


def kept_heads(rows: Rows) -> Iterator[Head]:
    for _, value in rows.scan(HEADS, FIRST, LAST):
        yield Head.decode(value)


def keep_birth(rows: Rows, place: int, actor: Actor, born: Born) -> None:
    key = place.to_bytes(PLACE_BYTES, "big") + actor
    rows.put(BIRTHS, key, _encode((born.node, born.key, born.previous)))


def kept_births(rows: Rows) -> dict[Actor, Born]:
    """In the order of delivery."""
    return {
        key[PLACE_BYTES:]: Born(*_decode(value)) for key, value in rows.scan(BIRTHS, FIRST, LAST)
    }
