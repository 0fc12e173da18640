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


class Bench(Struct, frozen=True):
    """How long each run counts, how often the runs take turns, and in which folder."""

    seconds: float
    rounds: int
    folder: Path


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


def take_turns(bench: Bench, load: Load) -> Rounds:
    rounds = Rounds([], [], [])
    for _ in range(bench.rounds):
        rounds.syncs_ms.append(median(sync_ms(bench.folder, count=SYNCS)))
        rounds.floor.append(run_floor(load, within=bench.folder))
        rounds.product.append(run_product(load, within=bench.folder))
    return rounds


def per_s(run: Run) -> float:
    return run[0].per_s


def cpu_us(run: Run) -> float:
    """Processor time of the asked node's process per request: hardly a neighbour's affair."""
    asked, _ = run
    return asked.cpu_s / asked.count * 1e6


def waits_ms(run: Run) -> Sequence[float]:
    return run[0].waits_ms
