"""Random histories and triples of actions with fresh seeds, for as long as you like.

`python -m tests.soak --seconds 60`. On a disagreement: the seed, and the script made small, to be
kept as a regression; exit status 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from random import Random, SystemRandom

from tests.crdt.agreement import Tried, check_history
from tests.histories import World
from tests.pairs import ACTIONS, base
from tests.scripts import Script, random_script, shrink, spelled

LENGTHS = (10, 20, 30, 30, 50, 50, 50, 80, 80, 120, 300)
REPORT_SECONDS = 30


def fails(script: Script) -> bool:
    try:
        check_history(script, Random(0), "memory")
    except Exception:
        return True
    return False


def show_failure(seed: int, script: Script) -> None:
    """The smallest script that still fails, its operations, and how."""
    traceback.print_exc()
    print(f"seed {seed} fails", file=sys.stderr)
    if not fails(script):
        print(f"in its own order of delivery alone: {spelled(script)}", file=sys.stderr)
        return
    small = shrink(script, fails)
    print(spelled(small), file=sys.stderr)
    for operation in World(small).operations():
        print(operation, file=sys.stderr)


def soak(seconds: float, first_seed: int) -> int:
    start = reported = time.monotonic()
    histories = operations = 0
    tried = Tried(base())
    print(f"seeds from {first_seed}")
    while (now := time.monotonic()) - start < seconds:
        seed = first_seed + histories
        random = Random(seed)
        script = random_script(random, random.choice(LENGTHS))
        rows = "sqlite" if histories % 10 == 0 else "memory"
        try:
            operations += check_history(script, random, rows)
        except Exception:
            show_failure(seed, script)
            return 1
        histories += 1
        if histories % 20 == 0:
            tried.every_relation([ACTIONS[random.choice(list(ACTIONS))] for _ in range(3)])
        if now - reported > REPORT_SECONDS:
            reported = now
            print(f"{histories} histories, {operations} operations compared; triples: {tried}")
    print(f"{histories} histories, {operations} operations compared; triples: {tried}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="the first seed; without it, a fresh one")
    asked = parser.parse_args()
    first = SystemRandom().randrange(10**9) if asked.seed is None else asked.seed
    sys.exit(soak(asked.seconds, first))
