"""All questions, or some: one table, and on request the results as JSON.

python -m benchmarks.run [--only NAME]... [--seconds N] [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import msgspec
from msgspec import Struct

from benchmarks import (
    append_4k,
    bytes_kept,
    bytes_sent,
    catch_up,
    depths,
    disk,
    imports,
    large_box,
    large_changes,
    latency,
    small_operations,
    stopped_peer,
    visible,
)
from benchmarks.children import PROJECT
from benchmarks.figures import Figure, Row, print_table, row
from benchmarks.load import SEED
from benchmarks.machine import Busy, Machine, disk_folder, machine
from benchmarks.rounds import Bench

QUESTIONS: dict[str, Callable[[Bench], list[Figure]]] = {
    "disk": disk.measure,
    "small_operations": small_operations.measure,
    "append_4k": append_4k.measure,
    "latency": latency.measure,
    "visible": visible.measure,
    "depths": depths.measure,
    "catch_up": catch_up.measure,
    "stopped_peer": stopped_peer.measure,
    "imports": imports.measure,
    "bytes_kept": bytes_kept.measure,
    "bytes_sent": bytes_sent.measure,
    "large_changes": large_changes.measure,
    "large_box": large_box.measure,
}
SECONDS = 2.0
ROUNDS = 3


class Results(Struct, frozen=True):
    """`others` says how many cores other processes kept busy meanwhile, per question."""

    machine: Machine
    seed: int
    seconds: float
    rounds: int
    others: dict[str, float]
    figures: list[Row]


def main() -> None:
    options = arguments()
    with TemporaryDirectory(prefix="samebox-benchmarks-", dir=disk_folder()) as name:
        folder = Path(name)
        results = measure(
            options.only or list(QUESTIONS), Bench(options.seconds, options.rounds, folder)
        )
    print_table([line.figure for line in results.figures])
    for question, cores in results.others.items():
        print(
            f"{question}: others kept {cores:.2f} of {results.machine.cores} cores busy meanwhile"
        )
    if options.json is not None:
        encoded = msgspec.json.format(msgspec.json.encode(results), indent=1)
        options.json.write_bytes(encoded + b"\n")


def measure(names: list[str], bench: Bench) -> Results:
    found: list[Figure] = []
    others: dict[str, float] = {}
    described = machine(bench.folder)
    for name in names:
        busy, start = Busy(), monotonic()
        print(f"{name} … ", end="", flush=True)
        found += QUESTIONS[name](bench)
        print(f"{monotonic() - start:.0f} s", flush=True)
        others[name] = busy.others()
    return Results(described, SEED, bench.seconds, bench.rounds, others, [row(f) for f in found])


class Options(Struct, frozen=True):
    only: list[str]
    seconds: float
    rounds: int
    json: Path | None


def arguments() -> Options:
    parser = argparse.ArgumentParser(description=f"benchmarks of {PROJECT.name}")
    parser.add_argument("--only", action="append", choices=list(QUESTIONS), default=[])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that each run counts")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of floor and product each")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    found = parser.parse_args()
    return Options(found.only, found.seconds, found.rounds, found.json)


if __name__ == "__main__":
    main()
