"""How long after a request does the peer show its effect, at 500 requests a second?

One machine, one monotonic clock: noted when the request is made, and when a watcher at the peer
is told of the change. For the floor it is when the peer's state is committed.
"""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Figure, at_most, percentile
from benchmarks.load import PACED_PER_S, Load, visible_ms
from benchmarks.rounds import Bench, Run, take_turns

WORST_MS = 2.0
TARGET_MS = 1.0
TARGET_P99_MS = 5.0


def measure(bench: Bench) -> list[Figure]:
    rounds = take_turns(bench, Load("paced", bench.seconds))
    medians, floor_medians = rounds.values(middle)
    tails, floor_tails = rounds.values(slow)
    lates, floor_lates = rounds.values(late)
    name = f"visible at the peer, at {PACED_PER_S}/s"
    return [
        Figure(
            "visible",
            f"{name}, median",
            "ms",
            median(medians),
            medians,
            median(floor_medians),
            floor_medians,
            worst=at_most(WORST_MS, f"{WORST_MS} ms"),
            target=at_most(TARGET_MS, f"{TARGET_MS} ms"),
        ),
        Figure(
            "visible",
            f"{name}, p99",
            "ms",
            median(tails),
            tails,
            median(floor_tails),
            floor_tails,
            target=at_most(TARGET_P99_MS, f"{TARGET_P99_MS} ms"),
        ),
        Figure(
            "visible",
            "of which unseen: made later than planned, p99",
            "ms",
            median(lates),
            lates,
            median(floor_lates),
            floor_lates,
        ),
    ]


def middle(run: Run) -> float:
    return median(visible_ms(*run))


def slow(run: Run) -> float:
    return percentile(visible_ms(*run), 99)


def late(run: Run) -> float:
    return percentile(run[0].late_ms, 99)
