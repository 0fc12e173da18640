"""Dots of an entry that another one outdoes: kept, and out of the way.

The simple rule: a flag has all dots that were added and not removed (R5). But whoever sets what is
set adds a dot every time, and a row would grow with every repetition. What shows depends on the dot
with the greatest stamp alone, as long as it is there and acts: so it *shadows* the others. A few of
them stay in its place (`below`); all others go from the row of the entry to rows of their own
(SHADOWED), which it names in `under`. They come back before anything happens that could take that
one away: a removal of the flag, an operation on the entry that becomes an alias or ceases to be
one, a twin (R10).

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

BELOW_MAX = 4
"""Dots that one may keep in its place: as many as come until what was set again is stable."""


def add_flags(rows: Rows, id: bytes, row: EntryRow, dots: Iterable[Flag]) -> bool:
    """Put these new dots into the row of entry `id`; whether they shadow others."""
    is_any_below = False
    for above in dots:
        if row.flags and not (above.hidden or row.crowded):
            is_any_below = _shadow(rows, id, row, above) or is_any_below
        row.flags.append(above)
    return is_any_below


def _shadow(rows: Rows, id: bytes, row: EntryRow, above: Flag) -> bool:
    """Put away what `above` outdoes; whether there is any."""
    flag, key = above.flag, flag_key(above.flag)
    stays: list[Flag] = []
    outdone: list[Flag] = []
    for dot in row.flags:
        is_same = dot.flag == flag or flag_key(dot.flag) == key
        (outdone if is_same and dot.stamp < above.stamp else stays).append(dot)
    if not outdone:
        return False
    row.flags = stays
    put_below(rows, id, above, outdone)
    return True


def put_below(rows: Rows, id: bytes, above: Flag, dots: Iterable[Flag]) -> None:
    """Have `above` shadow these as well, in its place while there is room."""
    room = BELOW_MAX - sum(map(_weight, above.below)) if above.below else BELOW_MAX
    for dot in dots:
        weight = _weight(dot)
        if weight <= room:
            above.below.append(dot)
            room -= weight
        else:
            rows.put(SHADOWED, shadow_key(id, dot.stamp, above.flag), FLAG.encode(dot))
            above.under += dot.stamp


def _weight(dot: Flag) -> int:
    weight = 1
    while len(dot.below) == 1:  # mostly they lie one below the other
        dot = dot.below[0]
        weight += 1
    return weight + sum(map(_weight, dot.below)) if dot.below else weight


def has_rows(dot: Flag) -> bool:
    """Whether something that it shadows has a row of its own."""
    return dot.under != b"" or any(map(has_rows, dot.below))


def bring_back(rows: Rows, id: bytes, row: EntryRow, concerns: Callable[[str], bool]) -> None:
    """Put what is shadowed by the dots of those flags into the row of entry `id` again."""
    waiting = [dot for dot in row.flags if (dot.under or dot.below) and concerns(dot.flag)]
    back: list[Flag] = []
    while waiting:
        above = waiting.pop()
        found = above.below
        for at in range(0, len(above.under), STAMP_BYTES):
            key = shadow_key(id, above.under[at : at + STAMP_BYTES], above.flag)
            value = rows.get(SHADOWED, key)
            assert value is not None, f"the dot {key.hex()} was put away and is gone"
            rows.remove(SHADOWED, key)
            found.append(FLAG.decode(value))
        back += found
        waiting += found
        above.under, above.below = b"", []
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
