"""The header: the first bytes of either side of a connection, the same in every version.

    +0      8   "samebox" and a zero byte
    +8      u16 the lowest protocol version that the sender speaks, big-endian
    +10     u16 the highest

The acceptor sends it at once, the dialer when it has read the acceptor's. What follows is in the
highest version common to both ranges; where there is none, either side closes, and knows why.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from comm.errors import PeerBroke, WeRefused

MAGIC = b"samebox\0"
HEADER_BYTES = 12

_HEADER = Struct(">8sHH")


class Protocols(NamedTuple):
    """A range of protocol versions, both ends included."""

    low: int
    high: int

    @property
    def text(self) -> str:
        return f"{self.low} to {self.high}"


PROTOCOLS = Protocols(1, 1)
"""What this version speaks."""


def encode_header(protocols: Protocols = PROTOCOLS) -> bytes:
    return _HEADER.pack(MAGIC, protocols.low, protocols.high)


def decode_header(header: bytes) -> Protocols:
    """Raises PeerBroke where no samebox speaks."""
    magic, low, high = _HEADER.unpack(header)
    if magic != MAGIC:
        raise PeerBroke(
            f"expected the header {MAGIC!r}, found {header!r}: another service at this address?"
        )
    if low > high:
        raise PeerBroke(f"expected a range of protocol versions, found {low} to {high}")
    return Protocols(low, high)


def common_version(mine: Protocols, theirs: Protocols) -> int:
    """The version to speak. Raises WeRefused where there is none."""
    version = min(mine.high, theirs.high)
    if version < max(mine.low, theirs.low):
        older = "this node" if mine.high < theirs.low else "the peer"
        text = f"this node speaks protocol {mine.text}, the peer {theirs.text}; upgrade {older}"
        raise WeRefused("protocol", text)
    return version
