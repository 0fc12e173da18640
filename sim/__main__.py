"""Run seeds: `python -m sim --seed 42` with its trace, `python -m sim --seeds 0..5000 --jobs 2`.

`--view MODULE:NAME` names a function from operations to their view, to compare the state with.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import multiprocessing
import sys
import time
from collections.abc import Iterable

from sim.account import Sum, summary
from sim.seed import Account, Options, run_seed
from sim.verdict import Oracle

PROGRESS_S = 5.0
GARBAGE_OBJECTS = 100_000
"""New objects until the collector looks for cycles: a world makes many and few of them die in
one, so looking every 700 costs an eighth of the time."""

options = Options()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="replay this one, with its trace")
    which.add_argument("--seeds", help="run these: FIRST..LAST, the last one left out")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no more after")
    parser.add_argument("--nodes", type=int, help="nodes of every world; else drawn")
    parser.add_argument("--errands", type=int, help="requests in every world; else drawn")
    parser.add_argument("--view", help="MODULE:NAME of the view that operations should have")
    parser.add_argument("--upkeep", action="store_true", help="snapshots and checks, very often")
    parser.add_argument("--cuts", action="store_true", help="nodes cut their logs")
    given = parser.parse_args()
    _set(given)
    if given.seed is not None:
        return _one(given.seed)
    first, _, last = given.seeds.partition("..")
    seeds = range(int(first), int(last or int(first) + 1))
    if given.jobs == 1:
        return _many((run(seed) for seed in seeds), len(seeds), given.seconds)
    with multiprocessing.Pool(given.jobs, _set, (given,)) as pool:
        return _many(pool.imap_unordered(run, seeds, chunksize=4), len(seeds), given.seconds)


def _set(given: argparse.Namespace) -> None:
    """In every process of its own."""
    global options
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    oracle = _named(given.view)
    options = Options(
        errands=given.errands,
        nodes=given.nodes,
        oracle=oracle,
        upkeep=given.upkeep,
        cuts=given.cuts,
    )


def _named(view: str | None) -> Oracle | None:
    if view is None:
        return None
    module, _, name = view.partition(":")
    found: Oracle = getattr(importlib.import_module(module), name)
    return found


def run(seed: int) -> Account:
    return run_seed(seed, options)


def _one(seed: int) -> int:
    account = run_seed(seed, options, print)
    print(f"\ntrace {account.trace}, {account.operations} operations, {account.starts} starts")
    if account.violation is not None:
        print(account.violation)
    return 1 if account.violation else 0


def _many(accounts: Iterable[Account], count: int, seconds: float) -> int:
    began = shown = time.monotonic()
    total = Sum()
    for account in accounts:
        total.add(account)
        if account.violation is not None:
            print(f"\nseed {account.seed}: {account.violation}", flush=True)
        now = time.monotonic()
        if now - shown > PROGRESS_S:
            shown = now
            rate = total.seeds / (now - began)
            print(
                f"\r{total.seeds}/{count} seeds, {rate:.1f}/s, {total.operations} operations, "
                f"{len(total.violations)} violations",
                end="",
                file=sys.stderr,
                flush=True,
            )
        if now - began > seconds:
            break
    print(file=sys.stderr)
    print(summary(total, time.monotonic() - began))
    return 1 if total.violations else 0


if __name__ == "__main__":
    sys.exit(main())
