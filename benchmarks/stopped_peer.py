"""What do local writes and the memory of a node notice of a peer that stands still, without ending?

python -m benchmarks.stopped_peer [--minutes M]

The node has written enough before that what it remembers of late records and rows is at its bounds:
to get there it takes some 20 MB, whether the peer stands or not.
"""

from __future__ import annotations

import argparse
import signal
from statistics import median
from time import monotonic_ns, sleep

from benchmarks.figures import Figure, at_most, percentile, print_table
from benchmarks.lasting import lasting
from benchmarks.machine import disk_folder
from benchmarks.rounds import Bench

MINUTES = 1 / 6
"""Of the short set; the target speaks of ten."""
WRITTEN = 120_000
TOGETHER_S = 3.0
BACK_S = 120.0
TIMES = 1.5
GROWTH_MB = 10.0


def measure(bench: Bench, minutes: float = MINUTES) -> list[Figure]:
    with lasting(bench.folder, behind=WRITTEN, seconds=minutes * 60) as pair:
        peer = pair.start_peer(pair.ready())
        pair.caught_up(peer)
        sleep(TOGETHER_S)
        together_ns = monotonic_ns()
        sleep(TOGETHER_S)
        stopped_ns = monotonic_ns()
        peer.send_signal(signal.SIGSTOP)
        try:
            sleep(minutes * 60)
        finally:
            peer.send_signal(signal.SIGCONT)
        back_ns = monotonic_ns()
        pair.returned(peer, seconds=BACK_S)
        lasted = pair.end()
    together = lasted.waits(together_ns, stopped_ns)
    alone = lasted.waits(stopped_ns, back_ns)
    memory = lasted.memory(stopped_ns, back_ns)
    name = f"peer stopped for {minutes * 60:.0f} s, one write here"
    return [
        Figure("stopped_peer", f"{name}, median", "ms", median(alone), floor=median(together)),
        Figure(
            "stopped_peer",
            f"{name}, p99 against that before",
            "times",
            percentile(alone, 99) / percentile(together, 99),
            target=at_most(TIMES, f"{TIMES} times"),
        ),
        Figure(
            "stopped_peer",
            "and the memory of this node grows by",
            "MB",
            max(memory) - memory[0],
            target=at_most(GROWTH_MB, f"{GROWTH_MB:.0f} MB"),
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    print_table(measure(Bench(3.0, 1, disk_folder()), options.minutes))


if __name__ == "__main__":
    main()
