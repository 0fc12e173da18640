"""What operations and readings cost, in rows read and changed: not more in a larger box."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from crdt import (
    DELETED,
    Address,
    Body,
    BoxMade,
    Create,
    Dot,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    FileMade,
    FlagsStored,
    FolderMade,
    NodesDeleted,
    NodesRenamed,
    Rename,
    Request,
    State,
    inbox_of,
    plan,
)
from tests.site import Site, actor_named, blob_of
from tests.state.phrases import CountedRows, apply_all

FEW, MANY = 20, 5_000


class Box:
    """A box with one mailbox of `size` entries, and a folder of `size` folders."""

    def __init__(self, size: int) -> None:
        self.site = Site(actor_named("a"))
        self.rows = CountedRows()
        self.state = State(self.rows)
        self.box = self.site.do(BoxMade("mail", False))
        self.mailbox = self.site.do(FolderMade(self.box, "mailbox"))
        self.entries = [self.site.do(appended(self.mailbox)) for _ in range(size)]
        self.parent = self.site.do(FolderMade(self.box, "parent"))
        self.folders = [self.site.do(FolderMade(self.parent, f"f{n}")) for n in range(size)]
        apply_all(self.state, self.site.delivered)

    def cost(self, body: Body) -> int:
        self.site.do(body)
        self.rows.count = 0
        apply_all(self.state, self.site.delivered[-1:])
        return self.rows.count

    def cost_of(self, reading: Callable[[State], object]) -> int:
        self.rows.count = 0
        reading(self.state)
        return self.rows.count


def appended(folder: Dot) -> Body:
    return EntryAppended(folder, blob_of("x"), ("\\Seen",), 0)


@pytest.fixture(scope="module")
def sizes() -> tuple[Box, Box]:
    return Box(FEW), Box(MANY)


BODIES: dict[str, Callable[[Box], Body]] = {
    "append": lambda box: appended(box.mailbox),
    "flag": lambda box: FlagsStored(box.mailbox, (box.entries[7],), ("x",), ("y",), False, ()),
    "undelete": lambda box: FlagsStored(
        box.mailbox, (box.entries[7],), (), (), False, (box.entries[7],)
    ),
    "move of an entry": lambda box: EntriesMoved((box.entries[3],), inbox_of(box.box)),
    "expunge": lambda box: EntriesExpunged((box.entries[5],)),
    "folder": lambda box: FolderMade(box.parent, "new"),
    "file": lambda box: FileMade(box.parent, "new.txt", blob_of("x")),
    "rename": lambda box: NodesRenamed((box.parent,), None, "another"),
    "move of a folder": lambda box: NodesRenamed((box.mailbox,), box.parent, None),
    "delete of a mailbox": lambda box: NodesDeleted(((box.mailbox, -1),)),
    "append to the deleted mailbox": lambda box: appended(box.mailbox),
    "expunge in the deleted mailbox": lambda box: EntriesExpunged((box.entries[6],)),
    "second delete": lambda box: NodesDeleted(((box.mailbox, -1),)),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_operation_costs_what_it_lists(sizes: tuple[Box, Box], name: str) -> None:
    few, many = sizes
    assert many.cost(BODIES[name](many)) <= few.cost(BODIES[name](few)) + 2


@pytest.mark.slow
def test_an_operation_on_ten_thousand_costs_as_many_times_what_one_costs() -> None:
    box = Box(MANY)
    assert box.cost(EntriesExpunged(tuple(box.entries))) <= 12 * MANY
    listed = ((box.parent, -1), *((folder, 0) for folder in box.folders))
    assert box.cost(NodesDeleted(listed)) <= 30 * MANY
    assert box.state.node_children((box.box,))[-1].name == "mailbox"
    assert box.state.count((box.mailbox,)) == 0


READINGS: dict[str, Callable[[Box], Callable[[State], object]]] = {
    "find": lambda box: lambda state: state.find(Address("mail", "parent/f9")),
    "find nothing": lambda box: lambda state: state.find(Address("mail", "parent/none")),
    "address": lambda box: lambda state: state.address_of(box.folders[9]),
    "entry": lambda box: lambda state: state.entry(box.entries[9]),
    "first entries": lambda box: lambda state: list(state.entries((box.mailbox,), limit=3)),
    "last entries": lambda box: (
        lambda state: list(state.entries((box.mailbox,), after=box.entries[-2]))
    ),
    "count": lambda box: lambda state: state.count((box.mailbox,)),
    "what is marked": lambda box: lambda state: list(state.marked((box.mailbox,))),
}


@pytest.mark.parametrize("name", READINGS)
def test_a_reading_costs_what_it_gives(name: str) -> None:
    few, many = Box(FEW), Box(200)
    for box in (few, many):
        box.cost(FlagsStored(box.mailbox, tuple(box.entries[3:5]), (DELETED,), (), False, ()))
        assert list(box.state.marked((box.mailbox,))) == box.entries[3:5]
    assert many.cost_of(READINGS[name](many)) <= few.cost_of(READINGS[name](few))


def test_a_path_is_looked_up_once_whatever_is_asked_for_below_it() -> None:
    costs: list[int] = []
    for depth in (20, 80):
        box = Box(1)
        folder, path = box.parent, "parent"
        for _ in range(depth):
            folder, path = box.site.do(FolderMade(folder, "d")), f"{path}/d"
        apply_all(box.state, box.site.delivered[-depth:])
        below = Address("mail", f"{path}/new")
        asked = (Create(below), Rename(Address("mail", path), Address("mail", f"{path}2")))
        costs.append(sum(box.cost_of(partial(planned, request=request)) for request in asked))
    assert costs[1] <= 4 * costs[0]


def planned(state: State, request: Request) -> None:
    assert plan(state, request, lambda _: Dot(actor_named("a"), 9)).bodies


def test_a_suffix_is_resolved_among_those_that_compete_alone() -> None:
    costs: list[int] = []
    for size in (FEW, 200):
        box = Box(size)
        for text in ("x", "y"):
            box.cost(FileMade(box.parent, "twin.txt", blob_of(text)))
        names = [node.name for node in box.state.node_children((box.parent,))]
        (suffixed,) = (name for name in names if "~" in name)
        address = Address("mail", f"parent/{suffixed}")
        assert box.state.find(address) is not None
        costs.append(box.cost_of(partial(State.find, address=address)))
    assert costs[1] <= costs[0]


def test_what_survives_a_delete_is_listed_without_what_does_not() -> None:
    costs: list[int] = []
    for size in (FEW, MANY):
        box = Box(size)
        other = Site(actor_named("b"))
        other.sees(box.site)
        late = other.do(appended(box.mailbox))
        box.cost(NodesDeleted(((box.mailbox, -1),)))
        apply_all(box.state, other.delivered[-1:])
        box.rows.count = 0
        assert [entry.id for entry in box.state.entries((box.mailbox,))] == [late]
        assert box.state.count((box.mailbox,)) == 1
        costs.append(box.rows.count)
    assert costs[1] <= costs[0]


def test_two_hundred_folders_deep_everything_still_works() -> None:
    box = Box(1)
    deepest = box.parent
    path = ["parent"]
    for number in range(200):
        box.cost(FolderMade(deepest, f"d{number}"))
        deepest = box.site.delivered[-1].dot
        path.append(f"d{number}")
    where = Address("mail", "/".join(path))
    found = box.state.find(where)
    assert found is not None and found.ids == (deepest,)
    assert box.state.address_of(deepest) == where
    box.cost(NodesRenamed((box.parent,), box.mailbox, None))
    assert box.state.address_of(deepest) == Address("mail", f"mailbox/{where.path}")
    assert len(box.state.subtree((box.mailbox,))) == 1 + 1 + 1 + 200
    assert len(box.state.digest()) == 32
    box.cost(NodesRenamed((box.mailbox,), deepest, None))
    assert box.state.find(Address("mail", "mailbox")) is not None
