"""A flag that is set again and again: the same view as if none of its dots was put away."""

from __future__ import annotations

from random import Random

import pytest

from crdt import (
    BoxMade,
    Dot,
    EntryAppended,
    FlagsStored,
    Issue,
    MemoryRows,
    Operation,
    entry_effects,
    inbox_of,
    shadows,
)
from crdt.keys import id_key
from crdt.shadows import BELOW_MAX
from crdt.tables import ENTRIES, SHADOWED
from tests import oracle
from tests.crdt.implementations import state_of
from tests.histories import causal_order
from tests.mutants import Mutant, planted
from tests.site import Site, actor_named, all_of, blob_of
from tests.state.phrases import REQUEST, shown, twice, with_box
from tests.user import User, meet

FLAGS = ("f", "F", "g")
"""Two of them are one flag."""
LENGTH = 25
ORDERS = 3


def count(rows: MemoryRows, table: str) -> int:
    return sum(1 for _ in rows.scan(table, b"", b"\xff" * 200))


def add(inbox: Dot, entry: Dot, *flags: str) -> FlagsStored:
    return FlagsStored(inbox, (entry,), flags, (), replace=False, undelete=())


def remove(inbox: Dot, entry: Dot, *flags: str) -> FlagsStored:
    return FlagsStored(inbox, (entry,), (), flags, replace=False, undelete=())


def one_message(everyone: list[User]) -> tuple[Dot, Dot]:
    """The INBOX, and an entry in it that everyone has seen."""
    inbox = inbox_of(everyone[0].look("mail").ids[0])
    entry = everyone[0].do(EntryAppended(inbox, blob_of("one"), (), 0))
    meet(everyone)
    return inbox, entry


def test_the_row_of_an_entry_does_not_grow_with_every_repetition() -> None:
    (a,) = with_box("a")
    inbox, entry = one_message([a])
    a.do(add(inbox, entry, "f", "g"))
    rows = MemoryRows()
    sizes = []
    for _ in range(100):
        a.do(add(inbox, entry, "f", "g"))
        rows = MemoryRows()
        state_of(a.delivered, rows)
        sizes.append(len(rows.get(ENTRIES, id_key(entry)) or b""))
    assert max(sizes[50:]) == max(sizes[:50])
    assert count(rows, SHADOWED) == 200 // (1 + BELOW_MAX)


def test_a_removal_of_all_leaves_nothing_behind() -> None:
    (a,) = with_box("a")
    inbox, entry = one_message([a])
    for flag in ("f", "F", "g", "f"):
        a.do(add(inbox, entry, flag))
    a.do(remove(inbox, entry, "f"))
    rows = MemoryRows()
    state_of(a.delivered, rows)
    assert count(rows, SHADOWED) == 0
    assert shown([a]) == "INBOX: one [g]"


def test_when_the_last_to_set_a_flag_becomes_an_alias_the_earlier_spelling_shows() -> None:
    a, b = with_box("ab")
    inbox, entry = one_message([a, b])
    b.do(add(inbox, entry, "F"))
    twice(b, add(inbox, entry, "f"))
    twice(a, remove(inbox, entry, "g"))
    assert shown([a, b]) == "INBOX: one [F]"


def test_a_removal_takes_what_it_saw_from_behind_what_it_did_not_see() -> None:
    a, b, c = with_box("abc")
    inbox, entry = one_message([a, b, c])
    a.do(add(inbox, entry, "f"))
    c.sees(a)
    c.do(remove(inbox, entry, "f"))
    b.sees(a)
    twice(b, add(inbox, entry, "f"))
    assert shown([b, c]) == "INBOX: one [f]"
    twice(a, remove(inbox, entry, "g"))
    assert shown([a, b, c]) == "INBOX: one"


def test_a_removal_from_a_twin_leaves_what_it_did_not_see() -> None:
    a, b, c = with_box("abc")
    inbox = inbox_of(a.look("mail").ids[0])
    made = EntryAppended(inbox, blob_of("one"), (), 0)
    one = twice(a, made)
    c.sees(a)
    twin = twice(b, made)
    a.do(add(inbox, one, "f"))
    c.do(add(inbox, one, "g"))
    c.do(add(inbox, one, "F"))
    a.sees(c)
    c.sees(b)
    c.do(remove(inbox, twin, "f"))
    assert shown([a, b, c]) == "INBOX: one [f g]"


def random_history(random: Random) -> list[Operation]:
    """Stores on one entry, which those who do not know it yet may make once more."""
    sites = [Site(actor_named(letter)) for letter in "abc"]
    inbox = inbox_of(sites[0].do(BoxMade("mail", False)))
    for site in sites:
        site.sees(sites[0])
    made: list[Dot] = []
    for number in range(LENGTH):
        site = random.choice(sites)
        entries = tuple(dot for dot in made if site.knows(dot))
        chance = random.random()
        if not made or (not entries and chance < 0.5):
            body = EntryAppended(inbox, blob_of("one"), random.choice([(), ("f",)]), 0)
            made.append(site.do(body, REQUEST))
        elif chance < 0.3 or not entries:
            site.sees(random.choice(sites))
        else:
            request = number - random.randrange(6)
            issue = Issue(b"client-2", request, 0, b"body") if request >= 0 else None
            site.do(random_store(random, inbox, entries), issue)
    return all_of(sites)


def random_store(random: Random, inbox: Dot, entries: tuple[Dot, ...]) -> FlagsStored:
    flags = tuple(random.sample(FLAGS, random.choice((1, 1, 2))))
    if random.random() < 0.1:
        return FlagsStored(inbox, entries, flags, (), replace=True, undelete=())
    return random.choice([add, add, add, remove])(inbox, random.choice(entries), *flags)


def differs(seed: int) -> bool:
    random = Random(seed)
    operations = random_history(random)
    expected = oracle.view(operations)
    orders = [causal_order(operations, random) for _ in range(ORDERS)]
    return any(state_of(order, MemoryRows()).view() != expected for order in orders)


@pytest.mark.parametrize("seeds", [range(60), pytest.param(range(60, 400), marks=pytest.mark.slow)])
def test_stores_and_their_repetitions_show_as_if_no_dot_was_away(seeds: range) -> None:
    assert not [seed for seed in seeds if differs(seed)]


MISTAKES = [
    Mutant(
        "R5", "a removal forgets what is away", entry_effects,
        "bring_back(rows, id, row, self._concerns)", "pass",
    ),
    Mutant(
        "R5", "what has a greater stamp goes away too", shadows,
        "is_same and dot.stamp < above.stamp", "is_same",
    ),
    Mutant(
        "R5", "another flag goes away too", shadows,
        "is_same and dot.stamp < above.stamp", "dot.stamp < above.stamp",
    ),
    Mutant(
        "R10", "an alias puts away what still counts", shadows,
        "not (above.hidden or row.crowded)", "not row.crowded",
    ),
    Mutant(
        "R10", "dots of a twin go away where a removal does not look", shadows,
        "not (above.hidden or row.crowded)", "not above.hidden",
    ),
    Mutant(
        "R10", "what is away stays away when the one above becomes an alias", entry_effects,
        "self._bring_back(id, row)\n            dots", "dots",
    ),
    Mutant(
        "R5", "of what lies above each other, the first alone comes back", shadows,
        "waiting += found", "pass",
    ),
    Mutant(
        "R5", "what found no room is not put away", shadows,
        "above.under += dot.stamp", "pass",
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.mistake for mistake in MISTAKES])
def test_a_planted_mistake_is_noticed(mistake: Mutant) -> None:
    with planted(mistake):
        assert any(noticed(seed) for seed in range(400))


def test_that_what_is_away_has_to_come_back_for_a_twin_is_noticed() -> None:
    """Once in a thousand histories, so by hand."""
    mistake = Mutant(
        "R10", "what is away when an entry gets a twin stays away", entry_effects,
        "row.crowded = True\n                self._bring_back(id, row)",
        "row.crowded = True",
    )  # fmt: skip
    with planted(mistake), pytest.raises(AssertionError):
        test_a_removal_from_a_twin_leaves_what_it_did_not_see()


def noticed(seed: int) -> bool:
    try:
        return differs(seed)
    except AssertionError:
        return True
