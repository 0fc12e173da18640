"""Floor and product in turns: a neighbour who is busy for a while meets both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeAlias

from msgspec import Struct

from benchmarks.floor import run_floor
from benchmarks.load import Asked, Load, Seen
from benchmarks.machine import sync_ms
from benchmarks.product import run_product

SYNCS = 300

Run: TypeAlias = tuple[Asked, Seen]


class Rounds(Struct, frozen=True):
    """The same load put to both, `rounds` times; `syncs_ms` are the disk's medians between."""

    floor: list[Run]
    product: list[Run]
    syncs_ms: list[float]

    def values(self, of: Callable[[Run], float]) -> tuple[list[float], list[float]]:
        """(product, floor), one value a round."""
        return [of(run) for run in self.product], [of(run) for run in self.floor]

    @property
    def sync_ms(self) -> float:
        return median(self.syncs_ms)


class Bench(Struct, frozen=True):
    """How long each run counts, how often the runs take turns, and in which folder. `taken` are the
    loads that were put already: two questions about one load are answered by the same runs."""

    seconds: float
    rounds: int
    folder: Path
    taken: dict[Load, Rounds] = {}


def take_turns(bench: Bench, load: Load) -> Rounds:
    if load in bench.taken:
        return bench.taken[load]
    rounds = Rounds([], [], [])
    for _ in range(bench.rounds):
        rounds.syncs_ms.append(median(sync_ms(bench.folder, count=SYNCS)))
        rounds.floor.append(run_floor(load, within=bench.folder))
        rounds.product.append(run_product(load, within=bench.folder))
    bench.taken[load] = rounds
    return rounds


def floor_runs(bench: Bench, load: Load) -> list[Run]:
    """Of the floor alone."""
    if load in bench.taken:
        return bench.taken[load].floor
    return [run_floor(load, within=bench.folder) for _ in range(bench.rounds)]


def per_s(run: Run) -> float:
    return run[0].per_s


def cpu_us(run: Run) -> float:
    """Processor time of the asked node's process per request: hardly a neighbour's affair."""
    asked, _ = run
    return asked.cpu_s / asked.count * 1e6


def waits_ms(run: Run) -> Sequence[float]:
    return run[0].waits_ms
