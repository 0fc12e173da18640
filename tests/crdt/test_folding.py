"""R9: a state that forgets what is stable shows what one shows that forgets nothing, ever after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings

from crdt import Dot, MemoryRows, NodeView, Operation, Rows
from crdt.keys import dot_of
from crdt.tables import (
    CONTEXTS,
    ENTRIES,
    ENTRY,
    LISTED,
    MOVES,
    NODE,
    NODES,
    OVERWRITTEN,
    SHADOWED,
    SHADOWED_LIVES,
    EntryRow,
    Kind,
    NodeRow,
)
from tests.crdt.folded import (
    check_folding,
    deliver_folding,
    focused_script,
    fold_all,
    orders_of,
)
from tests.crdt.folding_mutants import MUTANTS
from tests.crdt.implementations import QUICK_ROWS, ROWS
from tests.crdt.trying import Tried
from tests.mutants import Mutant, planted
from tests.pairs import ACTIONS, base
from tests.scripts import Script, scripts
from tests.user import User, meet

QUICK_HISTORIES = 6
SLOW_HISTORIES = 300
PARTS = 3
LENGTH = 60
MUTANT_HISTORIES_MAX = 300
CHUNK = 25
LAST = b"\xff" * 64
GONE = (CONTEXTS, LISTED, MOVES, OVERWRITTEN, SHADOWED, SHADOWED_LIVES)
"""Tables of what is only remembered until it is stable."""


def check(seed: int, rows: str) -> int:
    script = focused_script(Random(seed), LENGTH)
    orders = orders_of(script, Random(seed))
    check_folding(orders, ROWS[rows], seed)
    return sum(map(len, orders))


@pytest.mark.parametrize("rows", QUICK_ROWS)
def test_what_forgets_agrees_after_random_histories(rows: str) -> None:
    assert sum(check(seed, rows) for seed in range(QUICK_HISTORIES)) > QUICK_HISTORIES


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_what_forgets_agrees_after_many_random_histories(
    part: int, tell: Callable[[str], None]
) -> None:
    seeds = range(QUICK_HISTORIES + part, QUICK_HISTORIES + SLOW_HISTORIES, PARTS)
    compared = sum(check(seed, "memory") for seed in seeds)
    tell(f"histories that forget, part {part}: {len(seeds)}, {compared} operations compared")


@settings(max_examples=10)
@given(scripts(honest=True))
def test_what_forgets_agrees_after_any_script(script: Script) -> None:
    check_folding(orders_of(script, Random(0)), MemoryRows, seed=0)


@pytest.mark.slow
def test_every_two_actions_on_a_base_that_was_folded(tell: Callable[[str], None]) -> None:
    tried = Tried(weathered())
    assert fold_all(tried.state, tried.state.clock()) > 0
    doings = list(ACTIONS.values())
    for index, doing in enumerate(doings):
        for other in doings[index:]:
            tried.every_relation((doing, other))
    tell(f"pairs of {len(ACTIONS)} actions on a folded base: {tried}")


def weathered() -> list[User]:
    """The users of the base, after something was renamed, deleted, expunged and written over."""
    three = base()
    one = three[0]
    one.create("mail/gone")
    one.append("mail/gone", "gone")
    one.rename("mail/gone", "mail/A/gone")
    one.delete("mail/A/gone")
    one.append("mail/C", "gone")
    one.move("mail/C", "gone", "mail/A")
    one.flag("mail/A", "gone", "\\Deleted")
    one.unflag("mail/A", "gone", "\\Deleted")
    one.expunge("mail/A", "gone")
    one.write("mail/f", "gone")
    one.write("mail/f", "old")
    meet(three)
    return three


# What is left


def nodes_of(nodes: Sequence[NodeView]) -> Iterator[NodeView]:
    for node in nodes:
        yield node
        yield from nodes_of(node.children)


def test_when_all_is_stable_nothing_is_left_but_what_shows() -> None:
    for seed in range(15):
        script = focused_script(Random(seed), LENGTH)
        order = orders_of(script, Random(seed))[0]
        rows = MemoryRows()
        state = deliver_folding(order, rows, Random(seed))
        fold_all(state, state.clock())
        shown = [node for node in nodes_of(state.view().boxes) if node.conflict is None]
        ids = {id for node in shown for id in node.ids}
        entries = {entry.id for node in shown for entry in node.entries}
        assert acting(rows, NODES, NODE) == ids
        assert acting(rows, ENTRIES, ENTRY) == entries
        assert not {table for table in GONE if any(rows.scan(table, b"", LAST))}
        assert {blob for blob, _ in state.blobs()} >= {e.blob for n in shown for e in n.entries}


def acting(rows: Rows, table: str, kind: Kind[NodeRow] | Kind[EntryRow]) -> set[Dot]:
    """The ids of a table that stand for themselves."""
    found = ((key, kind.decode(value)) for key, value in rows.scan(table, b"", LAST))
    return {dot_of(key) for key, row in found if not row.twins or row.twins[0] == key}


# The tests of the tests


@cache
def known(seed: int) -> list[Sequence[Operation]]:
    return orders_of(focused_script(Random(seed), LENGTH), Random(seed))


def notices(seed: int) -> bool:
    try:
        check_folding(known(seed), MemoryRows, seed)
    except (AssertionError, KeyError, ValueError, StopIteration, TypeError):
        return True
    except Exception as error:
        return "MessagePack" in str(error) or "truncated" in str(error)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.mistake for mutant in MUTANTS])
def test_a_planted_mistake_is_noticed(mutant: Mutant, tell: Callable[[str], None]) -> None:
    for start in range(0, MUTANT_HISTORIES_MAX, CHUNK):
        seeds = range(start, start + CHUNK)
        for seed in seeds:
            known(seed)
        with planted(mutant):
            took = next((seed + 1 for seed in seeds if notices(seed)), None)
        if took is not None:
            tell(f"mutant of the state, {mutant.rule}, {mutant.mistake}: after {took} histories")
            return
    raise AssertionError(f"not noticed in {MUTANT_HISTORIES_MAX} histories")
