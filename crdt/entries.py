"""Entries: what their rows say together, and the index of each folder.

A folder's index holds its entries in the order of their stamps (MAIL), those that show as \\Deleted
once more (MARKED), and all by their life dots (LIVES): so what is to be expunged, and what outlives
a delete, is found without a look at the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from msgspec import Struct

from crdt.contexts import context, widen
from crdt.ids import ACTOR_BYTES, Actor
from crdt.keys import ID_BYTES, id_in, stop_of, within
from crdt.names import flag_key
from crdt.operations import DELETED
from crdt.rows import Rows
from crdt.tables import (
    ALL,
    COUNTS,
    ENTRIES,
    ENTRY,
    KEEP,
    LIVES,
    MAIL,
    MARKED,
    EntryRow,
    Flag,
    Life,
    seq_of,
    seq_value,
)

Clock: TypeAlias = Mapping[Actor, int]
NOTHING: Clock = {}
ONLY_DELETED = (DELETED,)


class Standing(Struct, frozen=True, gc=False):
    """Where the index of a folder holds an entry: with its stamp, and its life dots.

    `marked`: whether it shows as \\Deleted.
    """

    folder: bytes
    stamp: bytes
    lives: tuple[bytes, ...]
    marked: bool


def entry_row(rows: Rows, key: bytes) -> EntryRow | None:
    found = rows.get(ENTRIES, key)
    return None if found is None else ENTRY.decode(found)


def put_entry(rows: Rows, key: bytes, row: EntryRow) -> None:
    rows.put(ENTRIES, key, ENTRY.encode(row))


def entry_rows(rows: Rows, row: EntryRow) -> list[EntryRow]:
    """`row` and its twins, the one that acts first."""
    if not row.twins:
        return [row]
    own = id_in(row.life[0].stamp)
    return [row if twin == own else _twin(rows, twin) for twin in row.twins]


def _twin(rows: Rows, key: bytes) -> EntryRow:
    row = entry_row(rows, key)
    assert row is not None, f"the entry {key.hex()} has a twin that is not there"
    return row


def family_of(rows: Rows, stamp: bytes) -> list[EntryRow]:
    """The rows of an entry that an index names."""
    return entry_rows(rows, _twin(rows, id_in(stamp)))


def lives(family: Sequence[EntryRow]) -> list[Life]:
    return [life for row in family for life in row.life if not life.hidden]


def standing(rows: Rows, family: Sequence[EntryRow]) -> Standing | None:
    """None for what is homeless, and for what an expunge took (R2)."""
    if len(family) == 1 and len(family[0].life) == 1 and not family[0].expunges:
        making = family[0].life[0]  # as with most entries
        if making.hidden or not making.folder:
            return None
        return Standing(making.folder, making.stamp, (id_in(making.stamp),), not making.keep)
    alive = lives(family)
    moves = [life for life in alive if life.folder is not None]
    if not moves:
        return None  # an alias whose twin is not told yet
    last = max(moves, key=lambda life: life.stamp) if len(moves) > 1 else moves[0]
    if not last.folder:
        return None
    dots = tuple(id_in(life.stamp) for life in alive)
    for row in family:
        for expunge in row.expunges:
            seen = context(rows, expunge)
            if all(within(seen, dot) for dot in dots):
                return None
    return Standing(last.folder, family[0].life[0].stamp, dots, not is_kept(family))


def relocate(rows: Rows, before: Standing | None, after: Standing | None) -> None:
    """Bring the index up to date."""
    if before == after:
        return
    same = (
        before is not None
        and after is not None
        and (before.folder, before.stamp) == (after.folder, after.stamp)
    )
    if before is not None:
        _take_out(rows, before, after if same else None)
    if after is not None:
        _put_in(rows, after, before if same else None)


def _take_out(rows: Rows, one: Standing, stays: Standing | None) -> None:
    """All but what `stays` in the same place."""
    place = one.folder + one.stamp
    for dot in one.lives:
        if stays is None or dot not in stays.lives:
            rows.remove(LIVES, one.folder + dot + one.stamp)
    if one.marked and not (stays is not None and stays.marked):
        rows.remove(MARKED, place)
    if stays is None:
        rows.remove(MAIL, place)
        _count(rows, one.folder, -1)


def _put_in(rows: Rows, one: Standing, there: Standing | None) -> None:
    """All but what is `there` in the same place."""
    place = one.folder + one.stamp
    for dot in one.lives:
        if there is None or dot not in there.lives:
            rows.put(LIVES, one.folder + dot + one.stamp, b"")
    if one.marked and not (there is not None and there.marked):
        rows.put(MARKED, place, b"")
    if there is None:
        rows.put(MAIL, place, b"")
        _count(rows, one.folder, 1)


def enter(rows: Rows, folder: bytes, stamp: bytes, *, marked: bool) -> None:
    """The same for a new entry, which is nowhere yet and has one life dot."""
    rows.put(LIVES, folder + id_in(stamp) + stamp, b"")
    rows.put(MAIL, folder + stamp, b"")
    if marked:
        rows.put(MARKED, folder + stamp, b"")
    _count(rows, folder, 1)


def _count(rows: Rows, folder: bytes, step: int) -> None:
    rows.put(COUNTS, folder, seq_value(counted(rows, folder) + step))


def counted(rows: Rows, folder: bytes) -> int:
    return seq_of(rows.get(COUNTS, folder) or b"")


def shown_flags(family: Sequence[EntryRow]) -> tuple[str, ...]:
    """R4 and R5, sorted."""
    if len(family) == 1 and not family[0].flags:  # as of most entries
        return () if _is_kept(family, NOTHING) else ONLY_DELETED
    removed = removed_of(family) if len(family) > 1 else {}
    flags = [flag.flag for flag in _greatest(family, removed)]
    if not _is_kept(family, removed.get(KEEP, {})):
        flags.append(DELETED)
    flags.sort()
    return tuple(flags)


def _greatest(family: Sequence[EntryRow], removed: Mapping[str, Clock]) -> Iterable[Flag]:
    """For each flag that is not removed, the dot with the greatest stamp."""
    greatest: dict[str, Flag] = {}
    for row in family:
        for flag in row.flags:
            key = flag_key(flag.flag)
            if flag.hidden or (removed and _is_removed(removed, key, flag)):
                continue
            known = greatest.get(key)
            if known is None or flag.stamp > known.stamp:
                greatest[key] = flag
    return greatest.values()


def _is_removed(removed: Mapping[str, Clock], key: str, flag: Flag) -> bool:
    return any(within(removed.get(by, {}), id_in(flag.stamp)) for by in (key, ALL))


def is_kept(family: Sequence[EntryRow]) -> bool:
    """Whether it shows without \\Deleted (R4)."""
    return _is_kept(family, removed_of(family).get(KEEP, {}) if len(family) > 1 else {})


def _is_kept(family: Sequence[EntryRow], removed: Clock) -> bool:
    for row in family:
        for life in row.life:
            if (
                life.keep
                and not life.hidden
                and not (removed and within(removed, id_in(life.stamp)))
            ):
                return True
    return False


def removed_of(family: Sequence[EntryRow]) -> dict[str, dict[Actor, int]]:
    """What twins remember of removals: one that lists a twin removes from all of them."""
    removed: dict[str, dict[Actor, int]] = {}
    for row in family:
        for flag, clock in row.removed.items():
            widen(removed.setdefault(flag, {}), clock)
    return removed


def survivors(rows: Rows, folders: Sequence[bytes], deletes: Sequence[Clock]) -> Iterator[bytes]:
    """The stamps of the entries that outlive every one of `deletes` (at least one), unordered.

    Each outlives all of them, or none is a candidate for the shortest list of candidates.
    """
    if len(deletes) == 1:
        yield from dict.fromkeys(_outside(rows, folders, deletes[0]))
        return
    scans = [_outside(rows, folders, delete) for delete in deletes]
    candidates: list[dict[bytes, None]] = [{} for _ in deletes]
    while True:
        for scan, found in zip(scans, candidates, strict=True):
            stamp = next(scan, None)
            if stamp is None:
                yield from (one for one in found if outlives(family_of(rows, one), deletes))
                return
            found[stamp] = None


def has_survivor(rows: Rows, folders: Sequence[bytes], deletes: Sequence[Clock]) -> bool:
    if len(deletes) == 1:
        return next(_outside(rows, folders, deletes[0]), None) is not None
    return next(survivors(rows, folders, deletes), None) is not None


def outlives(family: Sequence[EntryRow], deletes: Sequence[Clock]) -> bool:
    alive = lives(family)
    return all(any(not within(seen, id_in(life.stamp)) for life in alive) for seen in deletes)


def _outside(rows: Rows, folders: Sequence[bytes], seen: Clock) -> Iterator[bytes]:
    """Entries with a life dot that is not in `seen`, as often as they have one."""
    return chain.from_iterable(_outside_in(rows, folder, seen) for folder in folders)


def _outside_in(rows: Rows, folder: bytes, seen: Clock) -> Iterator[bytes]:
    """Skips, actor by actor, the dots that are seen."""
    start, stop = folder, stop_of(folder)
    while True:
        row = next(rows.scan(LIVES, start, stop), None)
        if row is None:
            return
        actor = row[0][ID_BYTES : ID_BYTES + ACTOR_BYTES]
        end = stop_of(folder + actor)
        for key, _ in rows.scan(LIVES, folder + _first_unseen(actor, seen), end):
            yield key[2 * ID_BYTES :]
        start = end


def _first_unseen(actor: Actor, seen: Clock) -> bytes:
    return actor + (seen.get(actor, 0) + 1 + (1 << 63)).to_bytes(8, "big")
