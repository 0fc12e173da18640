"""What a member says that is not true: its lies go out in place of its messages, or beside them.

Members are trusted as relays, so a liar forges nothing that fits another actor's chain. What it
can do is claim to hold what it does not, leave holes, repeat itself, ask for what nobody has, and
send what no honest member writes.
"""

from __future__ import annotations

from hashlib import sha256
from random import Random

from comm import CHAIN_PREFIX_BYTES, Ack, Message, Records, Want
from crdt import ACTOR_BYTES, Born, Draft, first_head, write

FORGED_LAMPORT = 1 << 61


def spoken(message: Message, random: Random, *, cluster: str, shard: str) -> list[Message]:
    """What a liar says where an honest node would say `message`."""
    match message:
        case Ack(clock, missing, more):
            ahead = [(actor, seq + random.randrange(1, 9)) for actor, seq in clock]
            return [Ack(ahead, missing, more)]
        case Records():
            return _of_records(message, random, cluster, shard)
        case Want(actor, _, last):
            return [message, Want(actor, last + 1, last + 1000), Want(_nobody(random), 1, 1 << 40)]
        case _:
            return [message]


def _of_records(true: Records, random: Random, cluster: str, shard: str) -> list[Message]:
    match random.randrange(6):
        case 0:
            return [true, true]
        case 1 if len(true.items) > 1:
            return [Records(true.actor, true.first + 1, true.chain, true.items[1:])]
        case 2:
            return [Records(true.actor, true.first + 1, true.chain, true.items)]
        case 3:
            return [true, _from_nowhere(random)]
        case 4:
            return [_forged_birth(random, cluster, shard), true]
        case _:
            return [flipped(true, random)]


def flipped(true: Records, random: Random) -> Records:
    """A record with a bit that is another."""
    items = list(true.items)
    place = random.randrange(len(items))
    data, blobs = items[place]
    changed = bytearray(data)
    changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    items[place] = (bytes(changed), blobs)
    return Records(true.actor, true.first, true.chain, items)


def _from_nowhere(random: Random) -> Records:
    """Behind operations that will never come."""
    junk = (random.randbytes(30), ())
    return Records(_nobody(random), 5, random.randbytes(CHAIN_PREFIX_BYTES), [junk])


def _forged_birth(random: Random, cluster: str, shard: str) -> Records:
    """Well-formed and well chained, but for a time that nothing before it explains."""
    actor = _nobody(random)
    draft = Draft(Born("b", b"", None), FORGED_LAMPORT, {})
    _, record, _ = write(first_head(cluster, shard, actor), draft)
    return Records(actor, 1, record.chain[:CHAIN_PREFIX_BYTES], [(record.data, ())])


def _nobody(random: Random) -> bytes:
    return sha256(random.randbytes(8)).digest()[:ACTOR_BYTES]
