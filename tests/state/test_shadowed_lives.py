"""A message that is moved or undeleted again and again: the same as if no life dot was put away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from crdt import (
    DELETED,
    Body,
    BoxMade,
    Dot,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    FlagsStored,
    FolderMade,
    Issue,
    MemoryRows,
    NodesDeleted,
    Operation,
    entry_effects,
    shadows,
)
from crdt.keys import id_key
from crdt.tables import ENTRIES, LIVES, SHADOWED_LIVES
from tests import oracle
from tests.crdt.agreement import marked_agree
from tests.crdt.implementations import state_of
from tests.histories import causal_order
from tests.mutants import Mutant, planted
from tests.site import Site, actor_named, all_of, blob_of
from tests.state.phrases import REQUEST, shown, twice, with_box
from tests.state.test_shadows import count
from tests.user import User, meet

LENGTH = 30
ORDERS = 3
HISTORIES = 150


def mark(folder: Dot, *entries: Dot) -> FlagsStored:
    return FlagsStored(folder, entries, (DELETED,), (), replace=False, undelete=())


def unmark(folder: Dot, *entries: Dot) -> FlagsStored:
    return FlagsStored(folder, entries, (), (), replace=False, undelete=entries)


def two_folders(everyone: list[User]) -> tuple[Dot, Dot, Dot]:
    """Folders A and B, and a message in A; everyone has seen them."""
    first = everyone[0]
    a, b = first.create("mail/A"), first.create("mail/B")
    entry = first.append("mail/A", "one")
    meet(everyone)
    return a, b, entry


def test_neither_row_nor_index_of_a_message_grows_with_every_move_and_undelete() -> None:
    (u,) = with_box("a")
    a, b, entry = two_folders([u])
    sizes = set()
    rows = MemoryRows()
    for _ in range(50):
        for folder in (b, a):
            u.do(EntriesMoved((entry,), folder))
        u.do(mark(a, entry))
        u.do(unmark(a, entry))
        rows = MemoryRows()
        state_of(u.delivered, rows)
        sizes.add((len(rows.get(ENTRIES, id_key(entry)) or b""), count(rows, LIVES)))
    assert len(sizes) <= 2
    assert max(sizes)[1] <= 3
    assert count(rows, SHADOWED_LIVES) >= 140


def test_a_move_that_becomes_an_alias_leaves_the_message_where_it_was() -> None:
    x, y = with_box("xy")
    a, b, entry = two_folders([x, y])
    c = y.create("mail/C")
    y.do(EntriesMoved((entry,), b))
    y.do(EntriesMoved((entry,), a))
    y.do(EntriesMoved((entry,), b))
    twice(y, EntriesMoved((entry,), c))
    twice(x, EntriesMoved((entry,), a))
    assert shown([x, y]) == "A\nB: one\nC"


def test_three_moves_that_become_aliases_leave_the_message_where_it_was() -> None:
    x, y = with_box("xy")
    a, b, entry = two_folders([x, y])
    c = y.create("mail/C")
    for _ in range(3):
        y.append("mail/C", "later stamps")
    y.do(EntriesMoved((entry,), b))
    for number, folder in enumerate((c, a, c), 2):
        issue = REQUEST._replace(number=number)
        y.do(EntriesMoved((entry,), folder), issue)
        x.do(EntriesMoved((entry,), a), issue)
    assert "B: one" in shown([x, y])


def test_an_expunge_that_saw_all_but_the_last_move_takes_nothing() -> None:
    x, y = with_box("xy")
    a, b, entry = two_folders([x, y])
    for folder in (b, a, b):
        x.do(EntriesMoved((entry,), folder))
    y.sees(x)
    x.do(EntriesMoved((entry,), a))
    y.do(EntriesExpunged((entry,)))
    assert shown([x, y]) == "A: one\nB"
    y.do(EntriesExpunged((entry,)))
    assert shown([x, y]) == "A\nB"


def test_a_move_does_not_put_away_what_keeps_the_mark_off() -> None:
    x, y, z = with_box("xyz")
    a, b, entry = two_folders([x, y, z])
    x.do(mark(a, entry))
    y.sees(x)
    z.sees(x)
    x.do(unmark(a, entry))
    x.do(EntriesMoved((entry,), b))
    y.do(mark(a, entry))
    assert shown([x, y, z]) == "A\nB: one"
    z.do(mark(b, entry))
    assert shown([x, y, z]) == "A\nB: one [\\Deleted]"


def random_history(random: Random) -> list[Operation]:
    """What is done to one message, which those who do not know it yet may append once more."""
    sites = [Site(actor_named(letter)) for letter in "abc"]
    box = sites[0].do(BoxMade("mail", False))
    folders = [sites[0].do(FolderMade(box, name)) for name in "AB"]
    for site in sites:
        site.sees(sites[0])
    made: list[Dot] = []
    first = random.randrange(10**6)
    for number in range(LENGTH):
        site = random.choice(sites)
        entries = [dot for dot in made if site.knows(dot)]
        chance = random.random()
        if not made or (not entries and chance < 0.5):
            made.append(site.do(EntryAppended(folders[0], blob_of("one"), (), 0), REQUEST))
        elif chance < 0.25 or not entries:
            site.sees(random.choice(sites))
        else:
            request = max(0, number - random.randrange(4))
            issue = Issue(b"client-2", request, 0, b"body") if random.random() < 0.7 else None
            same = Random(first + request)  # so that one request asks for one thing
            site.do(random_body(same, folders, random.choice(entries)), issue)
    return all_of(sites)


def random_body(random: Random, folders: list[Dot], entry: Dot) -> Body:
    folder = random.choice(folders)
    bodies: list[Body] = [mark(folder, entry), unmark(folder, entry)]
    if random.random() < 0.05:
        bodies = [EntriesExpunged((entry,)), NodesDeleted(((folder, -1),))]
    return random.choice([*bodies, EntriesMoved((entry,), folder)])


def differs(seed: int) -> bool:
    random = Random(seed)
    operations = random_history(random)
    expected = oracle.view(operations)
    for _ in range(ORDERS):
        state = state_of(causal_order(operations, random), MemoryRows())
        if state.view() != expected or not marked_agree(state, expected):
            return True
    return False


@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 400), marks=pytest.mark.slow)])
def test_messages_stand_as_if_no_life_dot_was_away(seeds: range) -> None:
    assert not [seed for seed in seeds if differs(seed)]


MISTAKES = [
    Mutant("R2", "what was not seen goes away too", shadows,
        "return saw(operation, id_in(dot.stamp))", "return True"),
    Mutant("R2", "an undelete puts away where the message is", shadows,
        "if dot.keep or (dot.folder is not None and life.folder is None):", "if dot.keep:"),
    Mutant("R4", "what keeps the mark off goes away", shadows,
        "if dot.keep or (dot.folder", "if (dot.folder"),
    Mutant("R10", "an alias puts away what still counts", shadows,
        "not (life.hidden or row.crowded)", "not row.crowded"),
    Mutant("R10", "life of a twin stays away when the one above becomes an alias", entry_effects,
        "self._bring_back(id, row)\n            dots", "dots"),
    Mutant("R2", "of life that lies above each other, the first alone comes back", shadows,
        "row.life.insert(1, dot)\n            waiting.append(dot)", "row.life.insert(1, dot)"),
    Mutant("R4", "what becomes marked is not found as such", entry_effects,
        "relocate(self._rows, before, self._standing(row))", "pass"),
]  # fmt: skip


BY_HAND = (
    test_a_move_that_becomes_an_alias_leaves_the_message_where_it_was,
    test_three_moves_that_become_aliases_leave_the_message_where_it_was,
    test_an_expunge_that_saw_all_but_the_last_move_takes_nothing,
    test_a_move_does_not_put_away_what_keeps_the_mark_off,
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.mistake for mistake in MISTAKES])
def test_a_planted_mistake_is_noticed(mistake: Mutant, tell: Callable[[str], None]) -> None:
    tries: list[Callable[[], None]] = [
        *BY_HAND,
        *(partial(agrees, seed) for seed in range(HISTORIES)),
    ]
    with planted(mistake):
        took = next(tried for tried, test in enumerate(tries, 1) if not passes(test))
    tell(f"mutant of the state, {mistake.rule}, {mistake.mistake}: after {took} histories")


def agrees(seed: int) -> None:
    assert not differs(seed)


def passes(test: Callable[[], None]) -> bool:
    try:
        test()
    except AssertionError:
        return False
    return True
