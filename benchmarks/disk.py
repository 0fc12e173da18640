"""What does the disk take for one append and sync, the way to a thread, and a step of Python?"""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Figure, percentile
from benchmarks.floor import hops_ms
from benchmarks.machine import python_ns, sync_ms
from benchmarks.rounds import Bench

SYNCS = 1_000


def measure(bench: Bench) -> list[Figure]:
    waits = [sync_ms(bench.folder, count=SYNCS) for _ in range(bench.rounds)]
    hops = [hops_ms() for _ in range(bench.rounds)]
    steps = [python_ns() for _ in range(bench.rounds)]
    return [
        figure("append and fdatasync, median", [median(part) for part in waits]),
        figure("append and fdatasync, p99", [percentile(part, 99) for part in waits]),
        figure("to the disk thread and back, median", [median(part) for part in hops]),
        figure("one step of plain Python, processor", steps, "ns"),
    ]


def figure(name: str, rounds: list[float], unit: str = "ms") -> Figure:
    return Figure("disk", name, unit, median(rounds), rounds)
