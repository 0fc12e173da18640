"""Every two and three of the actions, in every causal relation and every order of delivery."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.crdt import state_mutants
from tests.crdt.trying import Tried
from tests.mutants import planted
from tests.pairs import ACTIONS, PAGE, base, page

TRIPLE_ACTIONS = (
    "create N", "create A/N", "create file N", "delete A", "delete A, create it again",
    "delete A/B", "delete C", "delete f", "append to A/B", "append to C", "append to INBOX",
    "copy one to C", "rename A to N", "rename A/B to A/N", "rename C to N", "rename INBOX to N",
    "move A into C", "move C into A/B", "move f into A", "move one to A/B", "flag one Seen",
    "set flags of two to New", "mark one deleted", "undelete two", "expunge A", "write f",
)  # fmt: skip
"""The seven operations on folders, nested and merged ones, messages, files and INBOX. tests.soak
goes through the triples of all actions."""


@pytest.mark.slow
def test_every_two_actions_in_every_relation_and_order(tell: Callable[[str], None]) -> None:
    tried = Tried(base())
    together, in_turn = frozenset[tuple[int, int]](), frozenset({(0, 1)})
    for pair in itertools.product(ACTIONS.values(), repeat=2):  # both ways: stamps break ties
        tried.each(pair, [together, in_turn])
    tell(f"pairs of {len(ACTIONS)} actions: {tried}")


@pytest.mark.slow
@pytest.mark.parametrize("least", TRIPLE_ACTIONS)
def test_every_three_actions_in_every_relation_and_order(
    least: str, tell: Callable[[str], None]
) -> None:
    """Those that come from `least` on, so that each three are tried once."""
    tried = Tried(base())
    doings = [ACTIONS[name] for name in TRIPLE_ACTIONS]
    from_least = doings[TRIPLE_ACTIONS.index(least) :]
    others = itertools.combinations_with_replacement(from_least, 2)
    for index, triple in enumerate((from_least[0], *two) for two in others):
        turned = triple[index % 3 :] + triple[: index % 3]  # whose actor is least differs
        tried.every_relation(turned)
    tell(f"triples of {len(doings)} actions, from {least!r} on: {tried}")


def test_a_planted_mistake_is_noticed_in_one_order_of_two() -> None:
    late = next(one for one in state_mutants.MUTANTS if "arrives late is not" in one.mistake)
    pair = [ACTIONS["delete A"], ACTIONS["rename A to N"]]
    Tried(base()).every_relation(pair)
    with planted(late), pytest.raises(AssertionError):
        Tried(base()).every_relation(pair)


@pytest.mark.slow
def test_the_page_of_pairs_is_current() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.pairs, and read what changed"
