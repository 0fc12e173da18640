"""Worlds whose nodes make snapshots and verify all they keep, far more often than real ones do."""

from __future__ import annotations

import pytest

from sim.seed import Options, run_seed
from tests.oracle import view

TIDY = Options(oracle=view, upkeep=True)


def broken(seeds: range) -> list[str]:
    accounts = [run_seed(seed, TIDY) for seed in seeds]
    return [f"seed {one.seed}: {one.violation}" for one in accounts if one.violation]


def test_the_promises_hold() -> None:
    assert broken(range(33, 37)) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(4, 64, 20))
def test_the_promises_hold_in_many_worlds(first: int) -> None:
    assert broken(range(first, first + 20)) == []


def test_snapshots_are_made() -> None:
    lines: list[str] = []
    for seed in (33, 34, 35):
        run_seed(seed, TIDY, lines.append)
    assert sum("Taken" in line for line in lines) > 5
