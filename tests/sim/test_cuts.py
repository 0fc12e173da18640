"""Worlds whose nodes cut their logs all the time, and take over each other's snapshots."""

from __future__ import annotations

import pytest

from sim.faults import FAULTS
from sim.seed import Options, run_seed
from tests.oracle import view

ANY = Options(oracle=view, cuts=True)
AWAY = Options(
    oracle=view,
    cuts=True,
    errands=250,
    faults=[
        fault
        for fault in FAULTS
        if fault.name in ("away for long", "partition", "kill", "disk lost", "power cut")
    ],
)
BACK = Options(
    oracle=view,
    cuts=True,
    errands=200,
    faults=[
        fault
        for fault in FAULTS
        if fault.name in ("restored from a backup", "away for long", "kill", "bit flip")
    ],
)


def broken(seeds: range, options: Options) -> list[str]:
    accounts = [run_seed(seed, options) for seed in seeds]
    return [f"seed {one.seed}: {one.violation}" for one in accounts if one.violation]


@pytest.mark.slow
@pytest.mark.parametrize("options", [ANY, AWAY, BACK], ids=["any", "away", "back"])
def test_the_promises_hold_in_many_worlds(options: Options) -> None:
    assert broken(range(5), options) == []


@pytest.mark.slow
def test_logs_are_cut_and_snapshots_are_taken_over() -> None:
    lines: list[str] = []
    for seed in range(36, 39):
        run_seed(seed, AWAY, lines.append)
    assert sum("a snapshot was taken over" in line for line in lines) > 0
    assert sum("Truncated(segments=" in line for line in lines) > 10
