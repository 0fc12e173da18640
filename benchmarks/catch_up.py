"""How fast does a peer that was away get what it lacks, and what do local writes wait meanwhile?

Beside the p99 of what a caller waits stands that of the node's own fdatasync: both nodes write to
one disk here.

python -m benchmarks.catch_up [--operations N]
"""

from __future__ import annotations

import argparse
from statistics import median
from time import monotonic_ns, sleep

from benchmarks.figures import Figure, at_least, at_most, percentile, print_table
from benchmarks.lasting import lasting
from benchmarks.load import Load
from benchmarks.machine import disk_folder
from benchmarks.rounds import Bench, floor_runs, per_s

OPERATIONS = 20_000
"""Of the short set; the target speaks of 100,000."""
TARGET_PER_S = 40_000
LATENCY_TIMES = 2.0
BEFORE_S = 3.0
SLOWEST_PER_S = 500


def measure(bench: Bench, operations: int = OPERATIONS) -> list[Figure]:
    floor = median([per_s(run) for run in floor_runs(bench, Load("many", bench.seconds))])
    with lasting(bench.folder, behind=operations) as pair:
        ready = pair.ready()
        before_ns = monotonic_ns()
        sleep(BEFORE_S)
        back_ns = monotonic_ns()
        peer = pair.start_peer(ready)
        returned = pair.returned(peer, seconds=operations / SLOWEST_PER_S)
        lasted = pair.end()
    seconds = (returned.last_ns - returned.first_ns) / 1e9
    alone = lasted.waits(before_ns, back_ns)
    meanwhile = lasted.waits(returned.first_ns, returned.last_ns)
    times = percentile(meanwhile, 99) / percentile(alone, 99)
    syncs = percentile(lasted.syncs(returned.first_ns, returned.last_ns), 99) / percentile(
        lasted.syncs(before_ns, back_ns), 99
    )
    name = f"a peer {operations:,} operations behind"
    return [
        Figure(
            "catch_up",
            f"{name} gets them",
            "/s",
            operations / seconds,
            floor=floor,
            target=at_least(TARGET_PER_S, f"{TARGET_PER_S:,} /s"),
        ),
        Figure("catch_up", "one write here before, median", "ms", median(alone)),
        Figure("catch_up", "one write here meanwhile, median", "ms", median(meanwhile)),
        Figure(
            "catch_up",
            "and p99, against that before",
            "times",
            times,
            floor=syncs,
            target=at_most(LATENCY_TIMES, f"{LATENCY_TIMES:.0f} times"),
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000)
    options = parser.parse_args()
    print_table(measure(Bench(3.0, 1, disk_folder()), options.operations))


if __name__ == "__main__":
    main()
