"""How many messages of 4 KiB does a pair of nodes confirm, with many outstanding?

Every message has contents of its own, durable at both nodes before the operation that names them.
Beside the floor with the same contents stands that of small operations.
"""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Figure, at_least
from benchmarks.load import DEPTH, Load
from benchmarks.rounds import Bench, floor_runs, per_s, take_turns

WORST = 0.06
TARGET_PER_S = 8_000


def measure(bench: Bench) -> list[Figure]:
    values, floors = take_turns(bench, Load("many", bench.seconds, contents=True)).values(per_s)
    small = [per_s(run) for run in floor_runs(bench, Load("many", bench.seconds))]
    worst = at_least(WORST * median(small), f"{WORST} × small floor")
    target = at_least(TARGET_PER_S, f"{TARGET_PER_S:,}/s")
    name = f"appends of 4 KiB, {DEPTH} outstanding, durable at both"
    value = median(values)
    return [
        Figure("append_4k", name, "/s", value, values, median(floors), floors, target=target),
        Figure(
            "append_4k",
            "the same beside the floor of small operations",
            "/s",
            value,
            values,
            median(small),
            small,
            worst=worst,
        ),
    ]
