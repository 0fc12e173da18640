"""Plans for messages: appended, copied, moved, flagged, expunged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from crdt.checks import blob, date, few_enough, flags
from crdt.ids import ACTOR_BYTES, Dot
from crdt.operations import (
    DELETED,
    Body,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    FlagsStored,
)
from crdt.reading import Reading, mailbox
from crdt.refusals import Code, Refused
from crdt.requests import Address, Append, Copy, Expunge, Mode, Rename, Store
from crdt.view import EntryView, Located, NodeView

ENTRIES_PER_OPERATION = 20_000
"""At most 15 bytes an id, and a store may list each twice: 600 kB of an operation's 1 MiB."""
ENTRIES_PER_REQUEST = 100_000
"""Held in memory while a request is planned: some 20 MB."""
COPIES_PER_REQUEST = 10_000
"""Each copy is an operation of its own, and all of them are one step of the replica."""
SEQ_END = 1 << 62
"""No actor counts so far."""
NAMED_MAX = 5
"""Entries that one message names."""

T = TypeVar("T")

_ADD = Mode.ADD  # a member looked up in its enumeration takes 0.1 us and more


def appended(reading: Reading, request: Append) -> tuple[Body, ...]:
    target = request.target
    folder = mailbox(reading, target).ids[0]
    given = flags(request.flags, target)
    return (
        EntryAppended(folder, blob(request.content, target), given, date(request.date_ms, target)),
    )


def copied(reading: Reading, request: Copy) -> tuple[Body, ...]:
    """Entries alone, with the flags that are shown: no folder below the mailbox is copied."""
    source = mailbox(reading, request.source)
    folder = mailbox(reading, request.destination).ids[0]
    if request.entries is None:
        shown = reading.entries(source.ids)
    else:
        found = _named(reading, source, request.entries, request.source)
        shown = (_view(reading, one.id) for one in found)
    views = _bounded(shown, COPIES_PER_REQUEST, request.source)
    for view in views:
        few_enough(view.flags, request.source)
    return tuple(EntryCopied(folder, v.id, v.blob, v.flags, v.date_ms) for v in views)


def _view(reading: Reading, shown: Dot) -> EntryView:
    found = reading.entry(shown)
    assert found is not None, f"entry {shown} was found a moment ago"
    return found[0]


def moved(reading: Reading, request: Rename) -> tuple[Body, ...]:
    assert request.entries is not None
    source = mailbox(reading, request.source)
    goal = mailbox(reading, request.destination)
    found = _named(reading, source, request.entries, request.source)
    if goal.ids == source.ids:
        return ()
    return tuple(_moves((one.id for one in found), goal.ids[0]))


def inbox_emptied(
    reading: Reading, inbox: NodeView, address: Address, folder: Dot
) -> Iterator[Body]:
    """All that the INBOX shows goes into `folder`; a concurrent append stays (R11)."""
    views = _bounded(reading.entries(inbox.ids), ENTRIES_PER_REQUEST, address)
    return _moves((view.id for view in views), folder)


def _moves(entries: Iterable[Dot], folder: Dot) -> Iterator[Body]:
    return (EntriesMoved(part, folder) for part in _parts(entries))


def stored(reading: Reading, request: Store) -> tuple[Body, ...]:
    """One body for each folder id in which the entries lie."""
    node = mailbox(reading, request.target)
    given = flags(request.flags, request.target)
    if request.entries is None:
        found = _bounded(_all_of(reading, node), ENTRIES_PER_REQUEST, request.target)
    else:
        found = _named(reading, node, request.entries, request.target)
    if len(found) == 1:  # mostly
        body = _store(found[0].folder, found, given, request.mode)
        return (body,) if _changes(body) else ()
    by_folder: dict[Dot, list[Located]] = {}
    for one in found:
        by_folder.setdefault(one.folder, []).append(one)
    bodies = [
        _store(folder, part, given, request.mode)
        for folder, inside in by_folder.items()
        for part in _parts(inside)
    ]
    return tuple(body for body in bodies if _changes(body))


def _changes(body: FlagsStored) -> bool:
    return bool(body.add or body.remove or body.replace or body.undelete)


def _all_of(reading: Reading, node: NodeView) -> Iterator[Located]:
    for folder in node.ids:
        for view in reading.entries((folder,)):
            yield Located(view.id, folder, DELETED in view.flags)


def _store(folder: Dot, part: Sequence[Located], given: tuple[str, ...], mode: Mode) -> FlagsStored:
    """R4: clearing a \\Deleted that is shown is an undelete; there is no other way to clear it."""
    entries = tuple([one.id for one in part])
    if mode == _ADD:
        return FlagsStored(folder, entries, given, (), replace=False, undelete=())
    match mode:
        case Mode.REMOVE:
            others = tuple(flag for flag in given if flag != DELETED)
            undelete = _deleted(part) if DELETED in given else ()
            return FlagsStored(folder, entries, (), others, replace=False, undelete=undelete)
        case _:
            undelete = () if DELETED in given else _deleted(part)
            return FlagsStored(folder, entries, given, (), replace=True, undelete=undelete)


def _deleted(part: Sequence[Located]) -> tuple[Dot, ...]:
    return tuple(one.id for one in part if one.deleted)


def expunged(reading: Reading, request: Expunge) -> tuple[Body, ...]:
    node = mailbox(reading, request.target)
    found: Iterable[Dot]
    if request.entries is None:
        found = reading.marked(node.ids)
    else:
        found = (one.id for one in _named(reading, node, request.entries, request.target))
    ids = _bounded(found, ENTRIES_PER_REQUEST, request.target)
    return tuple(EntriesExpunged(part) for part in _parts(ids))


def _named(
    reading: Reading, node: NodeView, entries: tuple[Dot, ...], address: Address
) -> list[Located]:
    """The entries asked for, each once, in the order asked; all have to be shown in `node`."""
    if len(entries) > ENTRIES_PER_REQUEST:
        raise _too_many(ENTRIES_PER_REQUEST, address)
    if len(entries) == 1 and _may_be_made(entries[0]):  # mostly
        one = reading.locate(entries[0])
        if one is not None and one.folder in node.ids:
            return [one]
    found: dict[Dot, Located] = {}
    missing: list[Dot] = []
    for entry in entries:
        shown = reading.locate(entry) if _may_be_made(entry) else None
        if shown is None or shown.folder not in node.ids:
            missing.append(entry)
        else:
            found[shown.id] = shown
    if missing:
        few = ", ".join(map(str, missing[:NAMED_MAX])) + (", …" if missing[NAMED_MAX:] else "")
        wanted = f"expected the entries named, found {len(missing)} of them not there ({few})"
        raise Refused(Code.NO_SUCH_ENTRY, address, f"{wanted}; look with ls what is there")
    return list(found.values())


def _may_be_made(entry: Dot) -> bool:
    """Ids come from outside, and a state is asked only for what an operation can be called."""
    return len(entry.actor) == ACTOR_BYTES and 0 < entry.seq < SEQ_END


def _bounded(items: Iterable[T], maximum: int, address: Address) -> list[T]:
    few = list(islice(items, maximum + 1))
    if len(few) > maximum:
        raise _too_many(maximum, address)
    return few


def _too_many(maximum: int, address: Address) -> Refused:
    wanted = f"expected at most {maximum} entries in one request, found more"
    return Refused(Code.TOO_LARGE, address, f"{wanted}; name them in portions")


def _parts(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    rest = iter(items)
    while part := tuple(islice(rest, ENTRIES_PER_OPERATION)):
        yield part
