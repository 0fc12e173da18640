"""What a segment says of itself: the base it starts from, the index and the trailer that seal it.

Base, index and offsets are MessagePack arrays in frames of their own. The trailer is the last 52
bytes of a sealed segment:

    8   magic "sbx-end\\n"
    16  id of the file
    u64 offset of the index frame, which is where the batches end
    u64 offset of the offsets frame, which is where the index ends
    u64 length of the file
    u32 CRC-32C of the 48 bytes before
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple, TypeVar

import msgspec
from crc32c import crc32c

from storage.errors import Damaged

TRAILER_MAGIC: Final = b"sbx-end\n"
_TRAILER = Struct("<8s16sQQQ")
_CRC = Struct("<I")
TRAILER_BYTES: Final = _TRAILER.size + _CRC.size


class Tip(msgspec.Struct, frozen=True, array_like=True):
    """The last record of an actor so far. `head` is what decodes the next; None if not known."""

    seq: int
    chain: bytes
    head: bytes | None


class Base(msgspec.Struct, frozen=True, array_like=True):
    """The tip of every actor before the first record of a segment."""

    tips: dict[bytes, Tip]


class ActorIndex(msgspec.Struct, frozen=True, array_like=True):
    """`runs` are (first, last) in the order of the file; seqs ascend within each.

    `tip` is the tip of the actor after this segment.
    """

    runs: tuple[tuple[int, int], ...]
    tip: Tip


class Index(msgspec.Struct, frozen=True, array_like=True):
    """What a sealed segment holds; `last_batch` was synced before the index was written."""

    last_batch: int
    records: int
    actors: dict[bytes, ActorIndex]


class Offsets(msgspec.Struct, frozen=True, array_like=True):
    """Per actor (seq, offset), by seq: reading from `offset` on finds `seq`, then those after it.

    Sparse, but every run's first seq has an entry.
    """

    actors: dict[bytes, list[tuple[int, int]]]


class Trailer(NamedTuple):
    id: bytes
    index_at: int
    offsets_at: int
    size: int


_Part = TypeVar("_Part", Base, Index, Offsets)


def encode_part(part: Base | Index | Offsets) -> bytes:
    return msgspec.msgpack.encode(part)


def decode_part(payload: bytes, type: type[_Part], where: str) -> _Part:
    """Raises `Damaged`."""
    try:
        return msgspec.msgpack.decode(payload, type=type)
    except msgspec.MsgspecError as error:
        raise Damaged(f"{where}: expected a {type.__name__.lower()}: {error}") from error


def encode_trailer(trailer: Trailer) -> bytes:
    packed = _TRAILER.pack(TRAILER_MAGIC, *trailer)
    return packed + _CRC.pack(crc32c(packed))


def decode_trailer(buffer: bytes, *, size: int) -> Trailer | None:
    """The trailer that the last bytes of a file of `size` bytes are; None where they are none."""
    if len(buffer) != TRAILER_BYTES or _CRC.unpack_from(buffer, _TRAILER.size)[0] != crc32c(
        buffer[: _TRAILER.size]
    ):
        return None
    magic, *fields = _TRAILER.unpack_from(buffer, 0)
    trailer = Trailer(*fields)
    placed = 0 < trailer.index_at < trailer.offsets_at < size == trailer.size
    return trailer if magic == TRAILER_MAGIC and placed else None


def floor(entries: Sequence[tuple[int, int]], seq: int) -> int | None:
    """The offset of the entry with the greatest seq up to `seq`."""
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        if entries[middle][0] <= seq:
            low = middle + 1
        else:
            high = middle
    return entries[low - 1][1] if low else None
