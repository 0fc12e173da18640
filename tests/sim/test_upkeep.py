"""Worlds whose nodes make snapshots and verify all they keep, far more often than real ones do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import samebox.write_back
from samebox.image import Change
from samebox.unwritten import Table
from sim.seed import Options, run_seed
from tests.oracle import view

TIDY = Options(oracle=view, upkeep=True)
CALM = Options(oracle=view, upkeep=True, faults=())


def broken(seeds: range, tell: Callable[[str], None] | None = None) -> list[str]:
    accounts = [run_seed(seed, TIDY, tell) for seed in seeds]
    return [f"seed {one.seed}: {one.violation}" for one in accounts if one.violation]


def test_the_promises_hold_where_snapshots_are_made() -> None:
    lines: list[str] = []
    assert broken(range(33, 37), lines.append) == []
    assert sum("Taken" in line for line in lines) > 5


@pytest.mark.slow
@pytest.mark.parametrize("first", range(4, 44, 20))
def test_the_promises_hold_in_many_worlds(first: int) -> None:
    assert broken(range(first, first + 20)) == []


@pytest.mark.slow
def test_a_state_that_is_not_what_the_log_says_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    written = samebox.write_back._changes

    def but_some(tables: list[Table]) -> Iterator[Change]:
        for number, change in enumerate(written(tables)):
            if number % 50 != 49:
                yield change

    assert run_seed(13, CALM).violation is None
    monkeypatch.setattr(samebox.write_back, "_changes", but_some)
    violations = [str(run_seed(seed, CALM).violation) for seed in range(13, 25)]
    assert any("a state shows what the log does not say" in violation for violation in violations)


@pytest.mark.slow
def test_a_snapshot_may_name_an_actor_of_whom_two_histories_are_known() -> None:
    """A watch once looked up the history of such an actor, of which it keeps none."""
    assert run_seed(25, Options(oracle=view, cuts=True)).violation is None
