"""Dots of an entry that another one outdoes: kept, and out of the way.

The simple rule: a flag has all dots that were added and not removed (R5). But whoever sets what is
set adds a dot every time, and a row would grow with every repetition. What shows depends on the dot
with the greatest stamp alone, as long as it is there and acts: so it *shadows* the others. They go
from the row of the entry to rows of their own (SHADOWED), which it names in `under`. They come back
before anything happens that could take that one away: a removal of the flag, an operation on the
entry that becomes an alias or ceases to be one, a twin (R10).

The same with life (R2): whoever has seen a move or undelete has seen all that this one had seen. So
of life dots that saw one another the last one tells whether a remover knows all of them, and it
shadows the others: but the making, those that say where the entry is now, and those that keep it
from showing as \\Deleted. These come back when an operation on the entry becomes an alias or ceases
to be one, and for a twin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crdt.keys import STAMP_BYTES, id_in, saw
from crdt.names import flag_key
from crdt.operations import Operation
from crdt.rows import Rows
from crdt.tables import FLAG, LIFE, SHADOWED, SHADOWED_LIVES, EntryRow, Flag, Life


def add_flags(rows: Rows, id: bytes, row: EntryRow, dots: Iterable[Flag]) -> bool:
    """Put new dots into the row of entry `id`; whether they shadow others."""
    any_under = False
    for dot in dots:
        under = b""
        if row.flags and not (dot.hidden or row.crowded):
            under = _shadow(rows, id, row, dot)
        any_under = any_under or under != b""
        row.flags.append(Flag(dot.flag, dot.stamp, dot.hidden, under))
    return any_under


def _shadow(rows: Rows, id: bytes, row: EntryRow, above: Flag) -> bytes:
    """Put away what `above` outdoes; returns the stamps."""
    key = flag_key(above.flag)
    stays: list[Flag] = []
    under = b""
    for dot in row.flags:
        if flag_key(dot.flag) == key and dot.stamp < above.stamp:
            rows.put(SHADOWED, shadow_key(id, dot.stamp, key), FLAG.encode(dot))
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
            key = shadow_key(id, above.under[at : at + STAMP_BYTES], above.flag)
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


def add_life(rows: Rows, id: bytes, row: EntryRow, operation: Operation, life: Life) -> bool:
    """Put the life dot of `operation` into the row of entry `id`; whether it shadows others."""
    under = b""
    if len(row.life) > 1 and not (life.hidden or row.crowded):
        making, *others = row.life
        row.life = [making]
        for dot in others:
            if _outdoes(operation, life, dot):
                rows.put(SHADOWED_LIVES, id + dot.stamp, LIFE.encode(dot))
                under += dot.stamp
            else:
                row.life.append(dot)
    row.life.append(Life(life.stamp, life.folder, life.keep, life.hidden, under))
    return under != b""


def _outdoes(operation: Operation, life: Life, dot: Life) -> bool:
    if dot.keep or (dot.folder is not None and life.folder is None):
        return False
    return saw(operation, id_in(dot.stamp))


def bring_back_lives(rows: Rows, id: bytes, row: EntryRow) -> None:
    """Put what is shadowed by life dots into the row of entry `id` again."""
    waiting = [dot for dot in row.life if dot.under]
    while waiting:
        above = waiting.pop()
        for at in range(0, len(above.under), STAMP_BYTES):
            key = id + above.under[at : at + STAMP_BYTES]
            value = rows.get(SHADOWED_LIVES, key)
            assert value is not None, f"the life dot {key.hex()} was put away and is gone"
            rows.remove(SHADOWED_LIVES, key)
            dot = LIFE.decode(value)
            row.life.insert(1, dot)
            waiting.append(dot)
        above.under = b""


def shadow_key(id: bytes, stamp: bytes, flag: str) -> bytes:
    """`flag` in any spelling."""
    return id + stamp + flag_key(flag).encode()
