"""The state agrees with the oracle: after every history, at every replica, in every order tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import FileMade, FolderMade, MemoryRows
from tests import oracle
from tests.crdt.agreement import check_history
from tests.crdt.implementations import QUICK_ROWS, state_of
from tests.histories import World
from tests.scripts import Script, random_script, scripts
from tests.site import all_of, blob_of
from tests.user import users

QUICK_HISTORIES = 10
SLOW_HISTORIES = 1700
"""Two thousand, with those of tests/crdt/test_folding.py."""
PARTS = 10
LENGTH = 30
"""`make soak` draws lengths to 300."""


@pytest.mark.parametrize("rows", QUICK_ROWS)
def test_views_and_digests_agree_after_random_histories(rows: str) -> None:
    compared(range(QUICK_HISTORIES), rows)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_views_and_digests_agree_after_many_random_histories(
    part: int, tell: Callable[[str], None]
) -> None:
    seeds = range(QUICK_HISTORIES + part, QUICK_HISTORIES + SLOW_HISTORIES, PARTS)
    tell(f"histories, part {part}: {len(seeds)}, {compared(seeds, 'memory')} operations compared")


def compared(seeds: Iterable[int], rows: str) -> int:
    return sum(
        check_history(random_script(Random(seed), LENGTH), Random(seed), rows) for seed in seeds
    )


@settings(max_examples=20)
@given(scripts())
def test_views_and_digests_agree_after_any_script(script: Script) -> None:
    check_history(script, Random(0), "memory")


NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=3)
SPELLINGS = st.builds(lambda name, spell: spell(name), NAME, st.sampled_from(
    [str, str.upper, str.lower, str.title, lambda n: normalize("NFD", n), lambda n: f"{n}.a"]
))  # fmt: skip


@given(st.lists(SPELLINGS, min_size=2, max_size=5), NAME, st.booleans(), st.booleans())
def test_names_of_every_script_compare_alike(
    names: list[str], name: str, fold: bool, files: bool
) -> None:
    first, *others = users("abcdef")
    box = first.create_box("mail", fold=fold)
    for user, spelled in zip(others, [name, name.upper(), name.swapcase(), *names], strict=False):
        user.sees(first)
        user.do(FileMade(box, spelled, blob_of("x")) if files else FolderMade(box, spelled))
    for user, spelled in zip(others, names, strict=False):
        user.do(FolderMade(box, spelled))
    operations = all_of([first, *others])
    assert state_of(operations, MemoryRows()).view() == oracle.view(operations)


def test_the_oracle_asks_for_the_set_not_for_the_order() -> None:
    for seed in range(20):
        operations = World(random_script(Random(seed), LENGTH)).operations()
        shuffled = [*operations, *operations]
        Random(seed).shuffle(shuffled)
        assert oracle.view(shuffled) == oracle.view(operations)
