"""How long does one caller wait, who asks again only when answered?

Durable here, and durable at both nodes. The limits are the disk's own sync, measured between the
rounds, and an allowance.
"""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Figure, Target, at_most, percentile
from benchmarks.load import Load
from benchmarks.rounds import Bench, Rounds, Run, take_turns, waits_ms

HERE_MS = 0.35
BOTH_MS = 0.7


def measure(bench: Bench) -> list[Figure]:
    here = take_turns(bench, Load("one", bench.seconds, copies=1))
    both = take_turns(bench, Load("one", bench.seconds, copies=2))
    return [
        *figures(here, "here", at_most(here.sync_ms + HERE_MS, f"fdatasync + {HERE_MS} ms")),
        *figures(
            both, "at both", at_most(2 * both.sync_ms + BOTH_MS, f"2 fdatasync + {BOTH_MS} ms")
        ),
    ]


def figures(rounds: Rounds, where: str, target: Target) -> list[Figure]:
    name = f"one outstanding, durable {where}"
    return [
        figure(f"{name}, median", *rounds.values(middle), target),
        figure(f"{name}, p99", *rounds.values(slow), None),
    ]


def figure(name: str, values: list[float], floors: list[float], target: Target | None) -> Figure:
    return Figure(
        "latency", name, "ms", median(values), values, median(floors), floors, target=target
    )


def middle(run: Run) -> float:
    return median(waits_ms(run))


def slow(run: Run) -> float:
    return percentile(waits_ms(run), 99)
