"""What grows: boxes of one shape in several sizes, and what is asked of them.

Every box is called "box". `each` is how many things a case lists by itself (ids, folders, names of
its path, flags): its cost is told for one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

from msgspec import Struct

from benchmarks.grown_box import GrownBox, Reading
from crdt import (
    DELETED,
    Address,
    Append,
    Blob,
    BoxMade,
    Copy,
    Create,
    Delete,
    Dot,
    EntriesMoved,
    EntryAppended,
    Expunge,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    Mode,
    NodesRenamed,
    Rename,
    Request,
    State,
    Store,
)

BLOB = Blob(sha256(b"a message").digest(), 9)
PAGE = 50
"""Entries that a client shows at a time."""
ENTRIES, FOLDERS, DEPTHS, FLAGS, TIMES = 100_000, 10_000, 200, 1_000, 1_000
"""The largest sizes."""
LISTED = 10_000
CROWD = 1_000
"""Entries of a mailbox where flags grow."""


class Made(Struct, frozen=True):
    """`folder`: the mailbox at "box:work/mailbox"; `entries`: those in it."""

    box: Dot
    work: Dot
    folder: Dot
    entries: list[Dot]


Ask: TypeAlias = Callable[[Made, int], Request | Reading]


class Case(Struct, frozen=True):
    """`cold`: the tree of names changed just before, as with every request that changes it."""

    name: str
    ask: Ask
    each: Callable[[int], int] = lambda size: 1
    per: str = ""
    cold: bool = False
    least: int = 0
    most: int = ENTRIES


class Shape(Struct, frozen=True):
    """`same_box`: the size is that of what is asked; the box is built once, for the largest."""

    name: str
    sizes: tuple[int, ...]
    build: Callable[[GrownBox, int], Made]
    cases: tuple[Case, ...]
    same_box: bool = False


def at(path: str) -> Address:
    return Address("box", path)


MAILBOX = at("work/mailbox")
ARCHIVE = at("archive")


def base(box: GrownBox, entries: int) -> Made:
    """box: archive, INBOX, work/mailbox with its entries."""
    made = box.do(BoxMade("box", False))
    box.do(FolderMade(made, "archive"))
    work = box.do(FolderMade(made, "work"))
    folder = box.do(FolderMade(work, "mailbox"))
    append = EntryAppended(folder, BLOB, ("\\Seen",), 0)
    return Made(made, work, folder, [box.do(append) for _ in range(entries)])


def page(path: str, after: Dot | None = None) -> Reading:
    """As a client asks: by path, and from where it scrolled to."""

    def read(state: State) -> object:
        found = state.find(at(path))
        assert found is not None, path
        return list(state.entries(found.ids, after=after, limit=PAGE))

    return read


def find(path: str) -> Reading:
    def read(state: State) -> object:
        found = state.find(at(path))
        assert found is not None, path
        return found

    return read


def names_below(path: str) -> Reading:
    def read(state: State) -> object:
        found = state.find(at(path))
        assert found is not None, path
        return state.node_children(found.ids)

    return read


def one(made: Made) -> tuple[Dot, ...]:
    return (made.entries[len(made.entries) // 2],)


def apart(made: Made, count: int) -> tuple[Dot, ...]:
    """So that no two are neighbours: ids are written as runs, and a run is short."""
    return tuple(made.entries[: 2 * count : 2])


def all_of(size: int) -> int:
    return size


# Entries in a mailbox


def mailbox(box: GrownBox, size: int) -> Made:
    """The last one is marked \\Deleted."""
    made = base(box, size)
    box.do(FlagsStored(made.folder, (made.entries[-1],), (DELETED,), (), False, ()))
    return made


def last(made: Made) -> tuple[Dot, ...]:
    return (made.entries[-1],)


ENTRIES_GROW = Shape(
    "entries in a mailbox",
    (100, 1_000, 10_000, ENTRIES),
    mailbox,
    (
        Case("append", lambda m, n: Append(MAILBOX, BLOB, ("\\Seen",), 0)),
        Case("store of a flag", lambda m, n: Store(MAILBOX, one(m), ("\\Flagged",))),
        Case("undelete", lambda m, n: Store(MAILBOX, last(m), (DELETED,), Mode.REMOVE)),
        Case("copy", lambda m, n: Copy(MAILBOX, ARCHIVE, one(m))),
        Case("expunge of one", lambda m, n: Expunge(MAILBOX, one(m))),
        Case(
            "expunge of 10,000",
            lambda m, n: Expunge(MAILBOX, tuple(m.entries[:LISTED])),
            lambda n: LISTED,
            "id",
            least=LISTED,
        ),
        Case("expunge of what is marked (one)", lambda m, n: Expunge(MAILBOX)),
        Case("move of an entry", lambda m, n: Rename(MAILBOX, ARCHIVE, one(m))),
        Case("create beside it", lambda m, n: Create(at("work/new")), cold=True),
        Case("rename above it", lambda m, n: Rename(at("work"), at("works")), cold=True),
        Case("move above it", lambda m, n: Rename(at("work"), at("archive/work")), cold=True),
        Case("delete above it", lambda m, n: Delete(at("work")), cold=True),
        Case("page", lambda m, n: page("work/mailbox", one(m)[0])),
        Case("find", lambda m, n: find("work/mailbox"), cold=True),
    ),
)

# Ids in one request

IDS_GROW = Shape(
    "ids in one request",
    (1, 10, 100, 1_000, LISTED),
    lambda box, size: base(box, 2 * size),
    (
        Case("store of a flag", lambda m, n: Store(MAILBOX, apart(m, n), ("x",)), all_of, "id"),
        Case("copy", lambda m, n: Copy(MAILBOX, ARCHIVE, apart(m, n)), all_of, "id"),
        Case("expunge", lambda m, n: Expunge(MAILBOX, apart(m, n)), all_of, "id"),
        Case("move", lambda m, n: Rename(MAILBOX, ARCHIVE, apart(m, n)), all_of, "id"),
    ),
    same_box=True,
)

# Folders beside one another


def siblings(box: GrownBox, size: int) -> Made:
    """work/f0, work/f1, … beside work/mailbox."""
    made = base(box, 1)
    for number in range(size):
        box.do(FolderMade(made.work, f"f{number}"))
    return made


FOLDERS_GROW = Shape(
    "folders beside one another",
    (100, 1_000, FOLDERS),
    siblings,
    (
        Case("append", lambda m, n: Append(at("work/f7"), BLOB)),
        Case("create", lambda m, n: Create(at("work/new")), cold=True),
        Case("create of a file", lambda m, n: Create(at("work/new.txt"), BLOB), cold=True),
        Case("rename", lambda m, n: Rename(at("work/f7"), at("work/new")), cold=True),
        Case("rename above them", lambda m, n: Rename(at("work"), at("works")), cold=True),
        Case("move", lambda m, n: Rename(at("work/f7"), at("archive/f7")), cold=True),
        Case("move above them", lambda m, n: Rename(at("work"), at("archive/w")), cold=True),
        Case("delete of one", lambda m, n: Delete(at("work/f7")), cold=True),
        Case("delete above them", lambda m, n: Delete(at("work")), all_of, "folder", cold=True),
        Case("find", lambda m, n: find("work/f7"), cold=True),
        Case("list of them", lambda m, n: names_below("work"), all_of, "folder", cold=True),
    ),
)

# Folders inside one another


def deep(size: int) -> str:
    return "/".join(("work", *"d" * (size - 2), "inner"))


def nested(box: GrownBox, size: int) -> Made:
    """work/d/d/…/inner: `size` names."""
    made = base(box, 1)
    parent = made.work
    for _ in range(size - 2):
        parent = box.do(FolderMade(parent, "d"))
    inner = box.do(FolderMade(parent, "inner"))
    return Made(made.box, made.work, inner, [box.do(EntryAppended(inner, BLOB, (), 0))])


DEPTH_GROWS = Shape(
    "folders inside one another",
    (10, 50, 90, DEPTHS),
    nested,
    (
        Case("append", lambda m, n: Append(at(deep(n)), BLOB)),
        Case("store of a flag", lambda m, n: Store(at(deep(n)), one(m), ("x",))),
        Case("move of an entry", lambda m, n: Rename(at(deep(n)), ARCHIVE, one(m))),
        Case("page", lambda m, n: page(deep(n))),
        Case("find", lambda m, n: find(deep(n)), all_of, "name", cold=True),
        Case("create", lambda m, n: Create(at(deep(n) + "/x")), all_of, "name", cold=True, most=99),
        Case(
            "rename inside",
            lambda m, n: Rename(at(deep(n)), at(deep(n) + "2")),
            all_of,
            "name",
            cold=True,
            most=99,
        ),
        Case("rename above them", lambda m, n: Rename(at("work"), at("works")), cold=True),
        Case("move above them", lambda m, n: Rename(at("work"), at("archive/w")), cold=True),
        Case("delete above them", lambda m, n: Delete(at("work")), all_of, "folder", cold=True),
    ),
)

# Flags


def flagged_entry(box: GrownBox, size: int) -> Made:
    """One entry of many has them all."""
    made = base(box, CROWD)
    flags = tuple(f"k{number}" for number in range(size))
    box.do(FlagsStored(made.folder, one(made), flags, (), False, ()))
    return made


FLAGS_OF_ONE_GROW = Shape(
    "flags on one entry",
    (1, 10, 100, FLAGS - 1),
    flagged_entry,
    (
        Case("store of a flag", lambda m, n: Store(MAILBOX, one(m), ("new",))),
        Case("clear", lambda m, n: Store(MAILBOX, one(m), ("k0",), Mode.REMOVE)),
        Case("set", lambda m, n: Store(MAILBOX, one(m), ("new",), Mode.SET)),
        Case("copy", lambda m, n: Copy(MAILBOX, ARCHIVE, one(m)), all_of, "flag"),
        Case("move of the entry", lambda m, n: Rename(MAILBOX, ARCHIVE, one(m))),
        Case("expunge", lambda m, n: Expunge(MAILBOX, one(m))),
        Case("append", lambda m, n: Append(MAILBOX, BLOB)),
    ),
)


def flagged_mailbox(box: GrownBox, size: int) -> Made:
    """Each flag is on one entry."""
    made = base(box, CROWD)
    for number in range(size):
        entry = made.entries[number % CROWD]
        box.do(FlagsStored(made.folder, (entry,), (f"k{number}",), (), False, ()))
    return made


FLAGS_GROW = Shape(
    "flags in a mailbox",
    (1, 10, 100, FLAGS),
    flagged_mailbox,
    (
        Case("append", lambda m, n: Append(MAILBOX, BLOB, ("new",))),
        Case("store of a flag", lambda m, n: Store(MAILBOX, one(m), ("new",))),
        Case("clear", lambda m, n: Store(MAILBOX, one(m), ("k0",), Mode.REMOVE)),
        Case("page", lambda m, n: page("work/mailbox")),
    ),
)

# What was done to one thing before


def weathered(box: GrownBox, size: int) -> Made:
    """Entry 0 got one flag again and again, 1 was moved, 2 marked and unmarked, "work" renamed and
    "archive" moved; "notes" was written."""
    made = base(box, CROWD)
    kept, moved, marked = ((entry,) for entry in made.entries[:3])
    away = box.do(FolderMade(made.box, "away"))
    travels = box.do(FolderMade(made.box, "travels"))
    notes = box.do(FileMade(made.box, "notes", BLOB))
    for number in range(size):
        box.do(FlagsStored(made.folder, kept, ("\\Seen",), (), False, ()))
        box.do(EntriesMoved(moved, (away, made.folder)[number % 2]))
        box.do(FlagsStored(made.folder, marked, (DELETED,), (), False, ()))
        box.do(FlagsStored(made.folder, marked, (), (), False, marked))
        box.do(NodesRenamed((made.work,), None, ("works", "work")[number % 2]))
        box.do(NodesRenamed((travels,), (away, made.box)[number % 2], None))
        box.do(FileWritten((notes,), BLOB))
    return made


def nth(made: Made, place: int) -> tuple[Dot, ...]:
    return (made.entries[place],)


HISTORY_GROWS = Shape(
    "times done before",
    (2, 10, 100, TIMES),
    weathered,
    (
        Case("store of the same flag", lambda m, n: Store(MAILBOX, nth(m, 0), ("\\Seen",))),
        Case("another flag", lambda m, n: Store(MAILBOX, nth(m, 0), ("x",))),
        Case("move of an entry again", lambda m, n: Rename(MAILBOX, at("away"), nth(m, 1))),
        Case("flag on a moved entry", lambda m, n: Store(MAILBOX, nth(m, 1), ("x",))),
        Case("mark as deleted again", lambda m, n: Store(MAILBOX, nth(m, 2), (DELETED,))),
        Case("expunge after undeletes", lambda m, n: Expunge(MAILBOX, nth(m, 2))),
        Case("rename again", lambda m, n: Rename(at("work"), at("again")), cold=True),
        Case("move again", lambda m, n: Rename(at("travels"), at("away/travels")), cold=True),
        Case("write again", lambda m, n: Store(at("notes"), content=BLOB), cold=True),
        Case("delete after renames", lambda m, n: Delete(at("work")), cold=True),
    ),
)

SHAPES = (
    ENTRIES_GROW,
    IDS_GROW,
    FOLDERS_GROW,
    DEPTH_GROWS,
    FLAGS_OF_ONE_GROW,
    FLAGS_GROW,
    HISTORY_GROWS,
)
