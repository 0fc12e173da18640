"""Forgetting entries that an expunge took, contents that were overwritten, and flags that others
shadow. The rules stand in docs/semantics.md, at "What is forgotten, and when"."""

from __future__ import annotations

from crdt.contexts import context
from crdt.entries import entry_row, entry_rows, lives, put_entry, relocate, standing
from crdt.ids import Clock
from crdt.keys import ID_BYTES, STAMP_BYTES, id_in, stamp_within, stop_of, within
from crdt.limbo import Budget, unsettled
from crdt.notes import Note
from crdt.shadows import has_rows, put_below, shadow_key
from crdt.tables import (
    CONTEXTS,
    ENTRIES,
    FLAG,
    LIFE,
    OVER,
    OVERWRITTEN,
    SHADOWED,
    SHADOWED_LIVES,
    EntryRow,
    Flag,
    Life,
)
from crdt.uses import release
from crdt.watched import WatchedRows


class FoldedEntries:
    def __init__(self, rows: WatchedRows, stable: Clock, budget: Budget) -> None:
        self._rows = rows
        self._stable = stable
        self._budget = budget

    def _is_stable(self, id: bytes) -> bool:
        return within(self._stable, id)

    def expunged(self, note: Note) -> bool:
        """Entries that an expunge listed. Its context goes with the last of them."""
        done = 0
        while done < len(note.keys) and not self._budget.is_spent:
            self._budget.spend()
            id = note.keys[done]
            blocker = self._expunged(id, note.of)
            if blocker is not None:
                note.wait(id, blocker)
            done += 1
        del note.keys[:done]
        if note.keys:
            return False
        if not self._note_rest(note):
            self._rows.remove(CONTEXTS, note.of)
        return True

    def _note_rest(self, note: Note) -> bool:
        rest = note.rest()
        if rest is not None:
            self._rows.notes.again(rest)
        return rest is not None

    def _expunged(self, id: bytes, expunge: bytes) -> bytes | None:
        """None where it is done; otherwise what has to be stable first."""
        row = entry_row(self._rows, id)
        if row is None or expunge not in row.expunges:
            return None
        blocker = unsettled(self._rows, self._stable, row.issue) if row.crowded else None
        if blocker is not None:
            return blocker
        family = entry_rows(self._rows, row)
        seen = context(self._rows, expunge)
        outliving = [id_in(life.stamp) for life in lives(family)]
        outliving = [dot for dot in outliving if not within(seen, dot)]
        if outliving:
            if not any(map(self._is_stable, outliving)):
                return outliving[0]
            row.expunges.remove(expunge)
            put_entry(self._rows, id, row)
            return None
        every = (id_in(life.stamp) for one in family for life in one.life)
        unstable = next((dot for dot in every if not self._is_stable(dot)), None)
        if unstable is None:
            forget_entry(self._rows, family)
        return unstable

    def overwritten(self, note: Note) -> bool:
        while note.keys and not self._budget.is_spent:
            id = note.keys[0]
            for key, value in list(self._rows.scan(OVERWRITTEN, id, stop_of(id))):
                self._budget.spend()
                if self._is_stable(OVER.decode(value).by):
                    self._rows.remove(OVERWRITTEN, key)
                    release(self._rows, key[ID_BYTES:])
            self._budget.spend()
            del note.keys[0]
        return not note.keys

    # Flags

    def shadowed(self, note: Note) -> bool:
        looked_at = self._budget.share_of(note.keys)
        for id in looked_at:
            row = entry_row(self._rows, id)
            blocker = None if row is None or row.crowded else self._lighten(id, row)
            if blocker is not None:
                note.wait(id, blocker)
        del note.keys[: len(looked_at)]
        if note.keys:
            return False
        self._note_rest(note)
        return True

    def _lighten(self, id: bytes, row: EntryRow) -> bytes | None:
        """Forget stable dots under stable ones; returns a dot under a stable one that has to stay.

        Where the upper one is not stable, there is nothing to wait for: its own operation has noted
        this entry, and that note comes to its turn when it is.
        """
        blocker: bytes | None = None
        is_lighter = False
        for flag in row.flags:
            if (flag.under or flag.below) and not flag.hidden and self._is_above(flag):
                is_lighter = self._forget_flags(id, flag) or is_lighter
                blocker = _first_below(flag) or blocker
        for life in row.life:
            if life.under and not life.hidden and self._is_above(life):
                self._forget_lives(id, life.under)
                life.under, is_lighter = b"", True
        if is_lighter:
            put_entry(self._rows, id, row)
        return blocker

    def _is_above(self, dot: Flag | Life) -> bool:
        """Whether what it shadows is shadowed for good."""
        return stamp_within(self._stable, dot.stamp)

    def _forget_lives(self, id: bytes, under: bytes) -> None:
        """All that a life dot shadows, it has seen: so it is stable with it."""
        while under:
            stamp, under = under[:STAMP_BYTES], under[STAMP_BYTES:]
            value = self._rows.get(SHADOWED_LIVES, id + stamp)
            assert value is not None, f"the life dot {stamp.hex()} was put away and is gone"
            under += LIFE.decode(value).under
            self._rows.remove(SHADOWED_LIVES, id + stamp)

    def _forget_flags(self, id: bytes, above: Flag) -> bool:
        """Whether any goes. What stood under something that goes comes up."""
        stays: list[Flag] = []
        left, waiting, below = b"", above.under, above.below
        is_any = False
        while waiting or below:
            if not below:
                stamp, waiting = waiting[:STAMP_BYTES], waiting[STAMP_BYTES:]
                if not stamp_within(self._stable, stamp):
                    left += stamp
                    continue
                below = [self._taken(shadow_key(id, stamp, above.flag))]
            dot, *below = below
            if stamp_within(self._stable, dot.stamp):
                is_any = True
                waiting += dot.under
                below += dot.below
            else:
                stays.append(dot)
        above.under, above.below = left, []
        put_below(self._rows, id, above, stays)
        return is_any

    def _taken(self, key: bytes) -> Flag:
        value = self._rows.get(SHADOWED, key)
        assert value is not None, f"the dot {key.hex()} was put away and is gone"
        self._rows.remove(SHADOWED, key)
        return FLAG.decode(value)


def _first_below(above: Flag) -> bytes | None:
    """The id of a dot that it shadows."""
    stamp = above.below[0].stamp if above.below else above.under[:STAMP_BYTES]
    return id_in(stamp) if stamp else None


def forget_entry(rows: WatchedRows, family: list[EntryRow]) -> None:
    """An entry with all its twins. The request that made it is looked at once more."""
    relocate(rows, standing(rows, family), None)
    for row in family:
        id = id_in(row.life[0].stamp)
        if any(map(has_rows, row.flags)) or any(life.under for life in row.life):
            for table in (SHADOWED, SHADOWED_LIVES):
                for key, _ in list(rows.scan(table, id, stop_of(id))):
                    rows.remove(table, key)
        rows.remove(ENTRIES, id)
        if row.issue:
            rows.notes.issued(row.issue)
