"""The state agrees with the oracle: after every history, at every replica, in every order tried."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings

from tests import oracle
from tests.crdt.agreement import check_history
from tests.crdt.implementations import ROWS
from tests.histories import World
from tests.scripts import Script, random_script, scripts

QUICK_HISTORIES = 40
SLOW_HISTORIES = 2000
LENGTH = 50


@pytest.mark.parametrize("rows", ROWS)
def test_views_and_digests_agree_after_random_histories(rows: str) -> None:
    compared = sum(
        check_history(random_script(Random(seed), LENGTH), Random(seed), rows)
        for seed in range(QUICK_HISTORIES)
    )
    print(f"{QUICK_HISTORIES} histories, {compared} operations compared over {rows}")


@pytest.mark.slow
def test_views_and_digests_agree_after_many_random_histories() -> None:
    compared = sum(
        check_history(random_script(Random(seed), LENGTH), Random(seed), "memory")
        for seed in range(QUICK_HISTORIES, QUICK_HISTORIES + SLOW_HISTORIES)
    )
    print(f"{SLOW_HISTORIES} histories, {compared} operations compared")


@settings(max_examples=40)
@given(scripts())
def test_views_and_digests_agree_after_any_script(script: Script) -> None:
    check_history(script, Random(0), "memory")


def test_the_oracle_asks_for_the_set_not_for_the_order() -> None:
    for seed in range(20):
        operations = World(random_script(Random(seed), LENGTH)).operations()
        shuffled = [*operations, *operations]
        Random(seed).shuffle(shuffled)
        assert oracle.view(shuffled) == oracle.view(operations)
