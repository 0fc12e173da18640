"""Every two and three of the actions, in every causal relation and every order of delivery."""

from __future__ import annotations

import itertools

import pytest

from tests.crdt.agreement import Tried
from tests.pairs import ACTIONS, PAGE, base, page

TRIPLE_ACTIONS = (
    "create A/N", "create file N", "delete A", "delete A, create it again", "append to A/B",
    "rename A to N", "rename C to N", "move A into C", "move C into A/B", "move one to A/B",
    "mark one deleted", "undelete two", "expunge A", "write f", "rename INBOX to N",
)  # fmt: skip
"""Those that meet the most rules; tests.soak goes on with triples of all actions."""


@pytest.fixture(scope="module")
def tried() -> Tried:
    return Tried(base())


@pytest.mark.slow
def test_every_two_actions_in_every_relation_and_order(tried: Tried) -> None:
    together, in_turn = frozenset[tuple[int, int]](), frozenset({(0, 1)})
    for pair in itertools.product(ACTIONS.values(), repeat=2):  # both ways: stamps break ties
        tried.each(pair, [together, in_turn])
    print(f"pairs of {len(ACTIONS)} actions: {tried}")


@pytest.mark.slow
def test_every_three_actions_in_every_relation_and_order() -> None:
    tried = Tried(base())
    doings = [ACTIONS[name] for name in TRIPLE_ACTIONS]
    for index, triple in enumerate(itertools.combinations_with_replacement(doings, 3)):
        turned = triple[index % 3 :] + triple[: index % 3]  # whose actor is least differs
        tried.every_relation(turned)
    print(f"triples of {len(doings)} actions: {tried}")


def test_the_page_of_pairs_is_current() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.pairs, and read what changed"
