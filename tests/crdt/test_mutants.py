"""The histories notice planted mistakes, in the oracle and in the state.

A suite that has never failed is no evidence. Each mistake has to show in some view within
HISTORIES_MAX histories, or raise; how many it took is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import NamedTuple

import pytest

from crdt import MemoryRows, Operation, View
from tests import oracle
from tests.crdt import oracle_mutants, state_mutants
from tests.crdt.implementations import state_of
from tests.crdt.regressions import KEPT
from tests.histories import World, causal_order
from tests.mutants import Mutant, planted
from tests.scripts import random_script

HISTORIES_MAX = 1000
LENGTH = 60
CHUNK = 50
ORDERS = 5


class Known(NamedTuple):
    """A history in an order of delivery, with its right view."""

    operations: Sequence[Operation]
    view: View


@cache
def known(seed: int) -> Known:
    """Made before any mistake is planted; the kept histories come first, ORDERS times."""
    random = Random(seed)
    kept = list(KEPT.values())
    if seed < len(kept) * ORDERS:
        operations = kept[seed % len(kept)]()
    else:
        operations = World(random_script(random, LENGTH)).operations()
    operations = causal_order(operations, random)
    return Known(operations, oracle.view(operations))


Notices = Callable[[Known], bool]


def oracle_differs(case: Known) -> bool:
    try:
        return oracle.view(case.operations) != case.view
    except (KeyError, AttributeError, AssertionError):
        return True


def state_differs(case: Known) -> bool:
    try:
        return state_of(case.operations, MemoryRows()).view() != case.view
    except (KeyError, AttributeError, AssertionError, TypeError):
        return True


def histories_until(notices: Notices, mutant: Mutant) -> int | None:
    for start in range(0, HISTORIES_MAX, CHUNK):
        cases = [known(seed) for seed in range(start, start + CHUNK)]
        with planted(mutant):
            for took, case in enumerate(cases, start + 1):
                if notices(case):
                    return took
    return None


ALL: list[tuple[str, Notices, Mutant]] = [
    *(("oracle", oracle_differs, mutant) for mutant in oracle_mutants.MUTANTS),
    *(("state", state_differs, mutant) for mutant in state_mutants.MUTANTS),
]


@pytest.mark.parametrize("mutant", [mutant for _, _, mutant in ALL], ids=lambda m: m.mistake)
def test_a_planted_mistake_changes_the_source_and_nothing_for_good(mutant: Mutant) -> None:
    with planted(mutant):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "notices", "mutant"), ALL, ids=[f"{w}: {m.rule}: {m.mistake}" for w, _, m in ALL]
)
def test_a_planted_mistake_is_noticed(
    where: str, notices: Notices, mutant: Mutant, tell: Callable[[str], None]
) -> None:
    took = histories_until(notices, mutant)
    assert took is not None, f"not noticed in {HISTORIES_MAX} histories"
    tell(f"mutant of the {where}, {mutant.rule}, {mutant.mistake}: after {took} histories")


@pytest.mark.parametrize("mutants", [oracle_mutants.MUTANTS, state_mutants.MUTANTS])
def test_every_rule_has_a_mutant(mutants: list[Mutant]) -> None:
    rules = {f"R{number}" for number in range(1, 13) if number != 9}  # R9: not in the view
    assert {mutant.rule for mutant in mutants} == rules


@pytest.mark.parametrize("notices", [oracle_differs, state_differs])
def test_without_a_mistake_nothing_is_noticed(notices: Notices) -> None:
    assert not any(notices(known(seed)) for seed in range(20))
