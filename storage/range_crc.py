"""CRC-32C of many ranges of one buffer, each at the cost of its two ends.

For a search among bytes that a stranger chose: what they claim to be long must not cost its length
again and again. The states of the CRC before every block are kept. A CRC is linear: the state after
a range is that from zero over the same bytes, plus the first state times x to the number of bits
(Mark Adler's `crc32_combine` in zlib).
"""

from __future__ import annotations

from array import array
from typing import Final

from crc32c import crc32c

BLOCK_BYTES: Final = 4096
"""At each end of a range up to so much is read: about as long as the step in Python takes."""
_ZEROS: Final = bytes(BLOCK_BYTES)
_INVERTED: Final = 0xFFFFFFFF
_ONE: Final = 1 << 31
"""The lowest power is the highest bit, as in every state of a reflected CRC."""
_POLYNOMIAL: Final = 0x82F63B78


class RangeCrc:
    """Ranges of `buffer` from `start` on. It is read once, up to the end of the longest range."""

    def __init__(self, buffer: bytes, start: int) -> None:
        self._view = memoryview(buffer)
        self._start = start
        self._states = array("I", [0])
        self._powers = array("I", [_ONE])

    def extend(self, crc: int, at: int, stop: int) -> int:
        """`crc32c(buffer[at:stop], crc)`."""
        first, last = -((self._start - at) // BLOCK_BYTES), (stop - self._start) // BLOCK_BYTES
        if first >= last:
            return crc32c(self._view[at:stop], crc)
        self._read_up_to(last)
        begin, end = (self._start + block * BLOCK_BYTES for block in (first, last))
        state = crc32c(self._view[at:begin], crc) ^ _INVERTED ^ self._states[first]
        state = _product(state, self._powers[last - first]) ^ self._states[last]
        return crc32c(self._view[end:stop], state ^ _INVERTED)

    def _read_up_to(self, block: int) -> None:
        for number in range(len(self._states) - 1, block):
            at = self._start + number * BLOCK_BYTES
            self._states.append(_after(self._view[at : at + BLOCK_BYTES], self._states[-1]))
            self._powers.append(_after(_ZEROS, self._powers[-1]))


def _after(block: bytes | memoryview, state: int) -> int:
    return crc32c(block, state ^ _INVERTED) ^ _INVERTED


def _product(a: int, b: int) -> int:
    """Of two polynomials over GF(2), modulo that of CRC-32C."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & _INVERTED
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product
