"""How many small operations does a pair of nodes confirm, with many outstanding?

Stores of one flag on one entry, durable at both nodes.
"""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Figure, at_least
from benchmarks.load import DEPTH, Load
from benchmarks.rounds import Bench, cpu_us, per_s, take_turns

WORST = 0.25
TARGET = 0.6


def measure(bench: Bench) -> list[Figure]:
    rounds = take_turns(bench, Load("many", bench.seconds))
    values, floors = rounds.values(per_s)
    costs, floor_costs = rounds.values(cpu_us)
    floor = median(floors)
    return [
        Figure(
            "small_operations",
            f"stores, {DEPTH} outstanding, durable at both",
            "/s",
            median(values),
            values,
            floor,
            floors,
            worst=at_least(WORST * floor, f"{WORST} × floor"),
            target=at_least(TARGET * floor, f"{TARGET} × floor"),
        ),
        Figure(
            "small_operations",
            "processor time of the asked node per store",
            "µs",
            median(costs),
            costs,
            median(floor_costs),
            floor_costs,
        ),
    ]
