"""Dots of a flag that another one of it outdoes: kept, and out of the way.

The simple rule: a flag has all dots that were added and not removed (R5). But whoever sets what is
set adds a dot every time, and a row would grow with every repetition. What shows depends on the dot
with the greatest stamp alone, as long as it is there and acts: so it *shadows* the others. They go
from the row of the entry to rows of their own (SHADOWED), which it names in `under`. They come back
before anything happens that could take that one away: a removal of the flag, an operation on the
entry that becomes an alias or ceases to be one, a twin (R10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crdt.keys import STAMP_BYTES
from crdt.names import flag_key
from crdt.rows import Rows
from crdt.tables import FLAG, SHADOWED, EntryRow, Flag


def add_flags(rows: Rows, id: bytes, row: EntryRow, dots: Iterable[Flag]) -> None:
    """Put new dots into the row of entry `id`."""
    for dot in dots:
        under = b""
        if row.flags and not (dot.hidden or row.crowded):
            under = _shadow(rows, id, row, dot)
        row.flags.append(Flag(dot.flag, dot.stamp, dot.hidden, under))


def _shadow(rows: Rows, id: bytes, row: EntryRow, above: Flag) -> bytes:
    """Put away what `above` outdoes; returns the stamps."""
    key = flag_key(above.flag)
    stays: list[Flag] = []
    under = b""
    for dot in row.flags:
        if flag_key(dot.flag) == key and dot.stamp < above.stamp:
            rows.put(SHADOWED, _key(id, dot.stamp, key), FLAG.encode(dot))
            under += dot.stamp
        else:
            stays.append(dot)
    row.flags = stays
    return under


def bring_back(rows: Rows, id: bytes, row: EntryRow, concerns: Callable[[str], bool]) -> None:
    """Put what is shadowed by the dots of those flags into the row of entry `id` again."""
    waiting = [dot for dot in row.flags if dot.under and concerns(dot.flag)]
    back: list[Flag] = []
    while waiting:
        above = waiting.pop()
        for at in range(0, len(above.under), STAMP_BYTES):
            key = _key(id, above.under[at : at + STAMP_BYTES], flag_key(above.flag))
            value = rows.get(SHADOWED, key)
            assert value is not None, f"the dot {key.hex()} was put away and is gone"
            rows.remove(SHADOWED, key)
            dot = FLAG.decode(value)
            back.append(dot)
            waiting.append(dot)
        above.under = b""
    row.flags[:0] = back


def any_flag(_: str) -> bool:
    return True


def _key(id: bytes, stamp: bytes, flag: str) -> bytes:
    return id + stamp + flag.encode()
