"""Where two states of the same operations show different things. One is what the log says; of the
other the rows may be anything, so whatever goes wrong with them is a difference as well.

What both show is walked in the same order, node by node and entry by entry, so it takes no memory
that grows with them: beside the names of the folders on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple, TypeAlias, TypeVar

from typing_extensions import override

from crdt import EntryView, NodeView, State, StateLost
from samebox.history_rows import kept_births, kept_heads

ENTRIES_PER_STEP = 100
"""Compared at a time: some milliseconds."""

Step: TypeAlias = str | None
"""A difference, in words; None where a little more was compared."""
T = TypeVar("T")


class _Impossible(Exception):
    """The rows that are judged say what cannot be, or do not read."""


class _Shown(NamedTuple):
    names: tuple[str, ...]
    view: NodeView

    @override
    def __str__(self) -> str:
        box, *path = self.names
        return f"{box}:{'/'.join(path)}" if path else box


def differences(told: State, kept: State) -> Iterator[Step]:
    """Of each folder the first one alone. `told` is what the log says, `kept` what is judged."""
    try:
        yield from _heads(told, kept)
        yield from _nodes(told, kept)
    except _Impossible as error:
        yield str(error)


def _heads(told: State, kept: State) -> Iterator[Step]:
    """What the next operation of each actor builds on."""
    expected = {head.actor: head for head in kept_heads(told.rows)}
    found = {head.actor: head for head in _judged(kept_heads(kept.rows))}
    for actor in sorted(expected.keys() | found.keys()):
        if expected.get(actor) != found.get(actor):
            yield f"the head of {actor.hex()[:8]} is another one than the log leads to"
    births = _judged(kept_births(kept.rows) for _ in range(1))
    if kept_births(told.rows) != next(births):
        yield "the births of actors are not those in the log"
    clocks = _judged(kept.clock() for _ in range(1))
    if told.clock() != next(clocks):
        yield "the clock of what was applied is not that of the log"


def _nodes(told: State, kept: State) -> Iterator[Step]:
    walks = _walk(told), _judged(_walk(kept))
    expected, found = [next(walk, None) for walk in walks]
    while expected is not None or found is not None:
        yield None
        if found is None or (expected is not None and expected.names < found.names):
            yield f"{expected}: does not show, and the log says it does"
            expected = next(walks[0], None)
        elif expected is None or found.names < expected.names:
            yield f"{found}: shows, and the log says it does not"
            found = next(walks[1], None)
        else:
            if expected.view != found.view:
                yield f"{found}: expected {expected.view}, found {found.view}"
            yield from _entries(told, kept, expected, found)
            expected, found = [next(walk, None) for walk in walks]


def _entries(told: State, kept: State, expected: _Shown, found: _Shown) -> Iterator[Step]:
    pairs = zip_longest(
        told.entries(expected.view.ids), _judged(kept.entries(found.view.ids)), fillvalue=None
    )
    for number, (says, shows) in enumerate(pairs, start=1):
        if says != shows:
            yield f"{found}: entry {number}: expected {_words(says)}, found {_words(shows)}"
            return
        if number % ENTRIES_PER_STEP == 0:
            yield None


def _walk(state: State) -> Iterator[_Shown]:
    names: tuple[str, ...] = ()
    for depth, view in state.walk():
        names = (*names[:depth], view.name)
        yield _Shown(names, view)


def _words(entry: EntryView | None) -> str:
    if entry is None:
        return "none"
    flags = " ".join(entry.flags) or "no flags"
    return f"{entry.id} of {entry.blob.size} bytes {entry.blob.hash.hex()[:16]} with {flags}"


def _judged(steps: Iterator[T]) -> Iterator[T]:
    """Reads spoilt rows: there is no saying what they raise."""
    try:
        yield from steps
    except StateLost as error:
        raise _Impossible(str(error)) from error
    except MemoryError:
        raise
    except Exception as error:
        raise _Impossible(f"its rows say what cannot be: {error!r}") from error
