"""How many bytes does a node write to its disk, for each byte that it is given?

Counted by the kernel for the process of the asked node (write_bytes of proc(5): whole pages, as
they become dirty), from a load whose answers are durable.
"""

from __future__ import annotations

from statistics import median

from msgspec.structs import replace

from benchmarks.figures import Figure, at_most
from benchmarks.load import CONTENTS_BYTES, Load
from benchmarks.rounds import Bench, Run, take_turns

OPERATION_BYTES = 110
"""Of one operation as the floor writes it; the product's are about as long."""
SLOWLY_PER_S, SLOWLY_S = 10, 5.0
TIMES = 4.0


def measure(bench: Bench) -> list[Figure]:
    messages = take_turns(bench, Load("many", bench.seconds, contents=True))
    once = replace(bench, rounds=1)  # bytes are no matter of who else is busy
    slowly = take_turns(once, Load("paced", SLOWLY_S, per_s=SLOWLY_PER_S))
    return [
        figure(
            "written for each byte of 4 KiB messages and their operations",
            "times",
            *messages.values(lambda run: written(run) / (CONTENTS_BYTES + OPERATION_BYTES)),
            times=TIMES,
        ),
        figure(
            f"written for one store of a flag, at {SLOWLY_PER_S}/s",
            "bytes",
            *slowly.values(written),
        ),
    ]


def written(run: Run) -> float:
    """Bytes, for each request."""
    asked, _ = run
    return asked.written_bytes / asked.count


def figure(
    name: str, unit: str, values: list[float], floors: list[float], times: float | None = None
) -> Figure:
    target = None if times is None else at_most(times, f"{times:.0f} times")
    floor = median(floors)
    return Figure("bytes_kept", name, unit, median(values), values, floor, floors, target=target)
