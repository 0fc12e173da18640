"""How much more do many callers get done than one who waits for every answer?

Ten callers with a hundred requests under way each, against one with one: what is made durable
together shares its syncs.
"""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Figure, at_least
from benchmarks.load import Load
from benchmarks.rounds import Bench, Run, per_s, take_turns

CALLERS, DEPTH = 10, 100
TIMES = 20


def measure(bench: Bench) -> list[Figure]:
    many = take_turns(bench, Load("many", bench.seconds, depth=CALLERS * DEPTH))
    one = take_turns(bench, Load("one", bench.seconds, copies=2))
    values = times(many.product, one.product)
    floors = times(many.floor, one.floor)
    return [
        Figure(
            "depths",
            f"{CALLERS} callers with {DEPTH} under way, against one with one, durable at both",
            "times",
            median(values),
            values,
            median(floors),
            floors,
            target=at_least(TIMES, f"{TIMES} times"),
        )
    ]


def times(many: list[Run], one: list[Run]) -> list[float]:
    return [per_s(left) / per_s(right) for left, right in zip(many, one, strict=True)]
