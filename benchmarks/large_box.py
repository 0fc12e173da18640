"""What does a box of many entries cost to open, to hold, to list and to make again?

The short form of benchmarks/big_box.py, with fewer entries and lives.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from benchmarks.big_box import LISTED, life, prepare
from benchmarks.figures import Figure, Target, at_least, at_most
from benchmarks.rounds import Bench

ENTRIES = 30_000
"""Of the short set; the target speaks of 1,000,000."""
MADE_PER_S = 40_000
OPEN_S, OPEN_KILLED_S = 1.0, 3.0
RESIDENT_MB = 150.0
LISTED_MS = 30.0


def measure(bench: Bench) -> list[Figure]:
    with TemporaryDirectory(prefix="samebox-box-", dir=bench.folder) as name:
        folder = Path(name)
        task = prepare(folder / "big", ENTRIES, bench.seconds)
        made, clean, killed = (
            life(folder, replace(task, ends=e)) for e in ("stop", "kill", "stop")
        )
    largest = max(one.loaded_mb for one in (made, clean, killed))
    return [
        figure(
            "state made from its log",
            "/s",
            ENTRIES / made.open_s,
            at_least(MADE_PER_S, f"{MADE_PER_S:,}/s"),
        ),
        figure("… processor time of an operation", "µs", made.open_cpu_s / ENTRIES * 1e6, None),
        figure("open after a clean stop", "s", clean.open_s, at_most(OPEN_S, f"{OPEN_S:.0f} s")),
        figure(
            "open after kill -9",
            "s",
            killed.open_s,
            at_most(OPEN_KILLED_S, f"{OPEN_KILLED_S:.0f} s"),
        ),
        figure(
            "resident memory under load, most of all",
            "MB",
            largest,
            at_most(RESIDENT_MB, f"{RESIDENT_MB:.0f} MB"),
        ),
        listed("at first", killed.listed_cpu_ms[0]),
        listed("at best", min(killed.listed_cpu_ms)),
        figure("… and kept the loop at most", "ms", killed.held_ms, None),
    ]


def listed(when: str, value: float) -> Figure:
    target = at_most(LISTED_MS, f"{LISTED_MS:.0f} ms")
    return figure(f"a mailbox of {LISTED:,} listed {when}, processor", "ms", value, target)


def figure(name: str, unit: str, value: float, target: Target | None) -> Figure:
    return Figure("large_box", f"{ENTRIES:,} entries: {name}", unit, value, target=target)
