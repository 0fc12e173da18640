"""What does the disk take for one append and sync, and the way to a thread and back?"""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Figure, percentile
from benchmarks.floor import hops_ms
from benchmarks.machine import sync_ms
from benchmarks.rounds import Bench

SYNCS = 1_000


def measure(bench: Bench) -> list[Figure]:
    waits = [sync_ms(bench.folder, count=SYNCS) for _ in range(bench.rounds)]
    hops = [hops_ms() for _ in range(bench.rounds)]
    return [
        figure("append and fdatasync, median", [median(part) for part in waits]),
        figure("append and fdatasync, p99", [percentile(part, 99) for part in waits]),
        figure("to the disk thread and back, median", [median(part) for part in hops]),
    ]


def figure(name: str, rounds: list[float]) -> Figure:
    return Figure("disk", name, "ms", median(rounds), rounds)
