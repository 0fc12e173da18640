"""How ids, receipts, request ids and counts are written where people and scripts read them.

    entry       a1b2c3d4:17             the first hex digits of the actor, and the seq
    request id  5f3a90c2d4e6f708:3      the client's 8 bytes in hex, and the number (1 if left out)
    receipt     main@<actor>=17,<actor>=4   shard, then the clock with whole actors in hex

An entry may be typed with 8 to 32 digits of its actor, an even count; the node finds the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from crdt import ACTOR_BYTES, Actor, Dot, RequestId
from samebox.errors import SameboxError

CLIENT_BYTES = 8
PREFIX_BYTES_MIN = 4
SEQ_MAX = 2**63 - 1

ENTRY = re.compile(r"([0-9a-f]+):([1-9][0-9]*)")
REQUEST_ID = re.compile(r"([0-9a-f]+)(?::([0-9]+))?")
SHARD_CLOCK = re.compile(r"([^@\s]+)@((?:[0-9a-f]+=[0-9]+(?:,(?!$)|$))*)")


class Misspelt(SameboxError):
    """What was typed is none of the forms above; the message says which was expected."""


def entry(text: str) -> Dot:
    """The dot of an entry; its actor may be a prefix, of PREFIX_BYTES_MIN bytes at least."""
    found = ENTRY.fullmatch(text.strip().lower())
    digits = len(found[1]) if found else 0
    if not found or digits % 2 or not PREFIX_BYTES_MIN * 2 <= digits <= ACTOR_BYTES * 2:
        raise Misspelt(
            f"expected an entry such as a1b2c3d4:17 (8 to 32 hex digits, an even count), "
            f"found {text!r}; `samebox ls --entries` shows them"
        )
    return Dot(bytes.fromhex(found[1]), _number(found[2], text))


def shown_entry(dot: Dot) -> str:
    return str(dot)


def request_id(text: str) -> RequestId:
    found = REQUEST_ID.fullmatch(text.strip().lower())
    if not found or len(found[1]) != CLIENT_BYTES * 2:
        raise Misspelt(
            f"expected a request id such as 5f3a90c2d4e6f708:3 (16 hex digits, a number), "
            f"found {text!r}"
        )
    return RequestId(bytes.fromhex(found[1]), _number(found[2] or "1", text))


def shown_request_id(id: RequestId) -> str:
    return f"{id.client.hex()}:{id.number}"


def shard_clock(text: str) -> tuple[str, dict[Actor, int]]:
    """A receipt, or the cursor of a change: a shard and a clock."""
    found = SHARD_CLOCK.fullmatch(text.strip())
    pairs = [pair.split("=") for pair in found[2].split(",") if pair] if found else []
    if not found or any(len(actor) != ACTOR_BYTES * 2 for actor, _ in pairs):
        raise Misspelt(
            f"expected a shard and a clock such as main@<32 hex digits>=17, found {text!r}; "
            "take it from --json of the command that wrote, or of watch"
        )
    return found[1], {bytes.fromhex(actor): _number(seq, text) for actor, seq in pairs}


def shown_shard_clock(shard: str, clock: Mapping[Actor, int]) -> str:
    return f"{shard}@" + ",".join(f"{actor.hex()}={clock[actor]}" for actor in sorted(clock))


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _number(digits: str, text: str) -> int:
    number = int(digits) if len(digits) <= len(str(SEQ_MAX)) else SEQ_MAX + 1
    if number > SEQ_MAX:
        raise Misspelt(f"expected a number up to {SEQ_MAX}, found {digits} in {text!r}")
    return number
