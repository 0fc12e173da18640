"""Random histories, simulated worlds, real processes, odd inputs: fresh seeds, as long as you like.

`python -m tests.soak --seconds 60`. On a disagreement: the seed, and the script made small, to be
kept as a regression; on a broken promise: the seed, and how to see it again. Exit status 1.
After each history comes one triple, from a place that the first seed chooses, until each of all
actions has been tried once.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from random import Random, SystemRandom
from typing import TypeAlias

from typing_extensions import override

from crdt import MemoryRows
from samebox.testing import LocalCluster
from sim.account import HOUR_US, Sum, summary
from sim.seed import Options, run_seed
from tests.crdt.agreement import check_history
from tests.crdt.folded import check_folding, focused_script, orders_of
from tests.crdt.trying import Tried
from tests.fuzz.mutations import fuzz
from tests.fuzz.parsers import PARSERS
from tests.histories import World
from tests.oracle import view
from tests.pairs import ACTIONS, base
from tests.plan.test_meaning import asked_there, by_oracle, by_state
from tests.processes.nemesis import FAULTS, survive
from tests.processes.test_kill_upkeep import LITTLE, OPERATIONS, doom, survive_kills
from tests.replica.test_cluster import run_scripts
from tests.scripts import Script, random_script, shrink, spelled
from tests.sim.joining import JOINING, MEMBERS, Step, dies
from tests.sim.joining import steps as joining_steps

LENGTHS = (10, 20, 30, 30, 50, 50, 50, 80, 80, 120, 300)
REPORT_SECONDS = 30
UPKEEP_ONE_IN = 4
"""Worlds whose nodes make snapshots and verify all they keep, over and over."""
KILLS_ONE_IN = 3
"""Runs of real processes that are killed while they make snapshots, cut logs and compact packs."""
HISTORIES_PER_SCRIPTS = 20
SCRIPTS = 25
"""At once: what fails among them is made small."""
INPUTS = 300
"""For one parser at a time."""


def fails(script: Script) -> bool:
    try:
        check_history(script, Random(0), "memory")
        check_folding_in_all_orders(script)
    except Exception:
        return True
    return False


def check_folding_in_all_orders(script: Script) -> None:
    """Of an honest script: what it means once something was forgotten."""
    if script.honest:
        check_folding(orders_of(script, Random(0)), MemoryRows, seed=0)


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


class Triples:
    """Every three actions, each three once, beginning somewhere and going round."""

    def __init__(self, first: int) -> None:
        every = list(itertools.combinations_with_replacement(ACTIONS, 3))
        start = first % len(every)
        self._count = len(every)
        self._left = iter(every[start:] + every[:start])
        self._tried = Tried(base())
        self._done = 0

    def one(self) -> bool:
        """False where it failed. Once all are done, nothing happens."""
        for names in itertools.islice(self._left, 1):
            try:
                self._tried.every_relation([ACTIONS[name] for name in names])
            except Exception:
                traceback.print_exc()
                print(f"together fail: {', '.join(names)}", file=sys.stderr)
                return False
            self._done += 1
        return True

    @override
    def __str__(self) -> str:
        return f"{self._done} of the {self._count} triples of {len(ACTIONS)} actions: {self._tried}"


class Histories:
    """Random histories against the oracle, and triples of actions between them."""

    def __init__(self, first_seed: int) -> None:
        self._seed = first_seed
        self._count = self._operations = 0
        self._triples = Triples(first_seed)

    def one(self) -> bool:
        """False where it failed, and what failed is printed."""
        seed = self._seed + self._count
        random = Random(seed)
        draw = focused_script if self._count % 2 else random_script
        script = draw(random, random.choice(LENGTHS))
        rows = "sqlite" if self._count % 10 == 0 else "memory"
        try:
            self._operations += check_history(script, random, rows)
            check_folding_in_all_orders(script)
        except Exception:
            show_failure(seed, script)
            return False
        self._count += 1
        return self._triples.one()

    @override
    def __str__(self) -> str:
        counts = f"{self._count} histories, {self._operations} operations compared"
        return f"{counts}; {self._triples}"


class Requests:
    """Requests on what random conflicts have left, and clusters under random scripts."""

    def __init__(self, first_seed: int) -> None:
        self._seed = first_seed
        self._count = self._clusters = 0
        self._outcomes: Counter[str] = Counter()

    def one(self) -> bool:
        seed = self._seed + self._count
        try:
            for shows in (by_oracle, by_state):
                self._outcomes += asked_there(seed, shows)
            if self._count % HISTORIES_PER_SCRIPTS == 0:
                run_scripts(seed, SCRIPTS)
                self._clusters += SCRIPTS
        except Exception:
            traceback.print_exc()
            print(f"seed {seed}", file=sys.stderr)
            return False
        self._count += 1
        return True

    @override
    def __str__(self) -> str:
        done = sum(count for what, count in self._outcomes.items() if what[0].isupper())
        counts = f"{self._outcomes.total()} requests to {2 * self._count} sites, {done} carried out"
        return f"{counts}; {self._clusters} scripts for clusters"


class Worlds:
    """Whole clusters in worlds made of faults."""

    def __init__(self, first_seed: int) -> None:
        self._seed = first_seed
        self.total = Sum()

    def one(self) -> bool:
        seed = self._seed + self.total.seeds
        try:
            account = run_seed(seed, self._options(seed))
        except Exception:
            traceback.print_exc()
            self._show(seed, "the simulator itself failed")
            return False
        self.total.add(account)
        if account.violation is not None:
            self._show(seed, str(account.violation))
        return account.violation is None

    @staticmethod
    def _options(seed: int) -> Options:
        turn = seed % UPKEEP_ONE_IN
        return Options(oracle=view, upkeep=turn == 0, cuts=turn == 1)

    def _show(self, seed: int, what: str) -> None:
        again = f"python -m sim --seed {seed} --view tests.oracle:view"
        options = self._options(seed)
        again += " --upkeep" if options.upkeep else " --cuts" if options.cuts else ""
        print(f"seed {seed}: {what}\nto see it again: {again}", file=sys.stderr)

    @override
    def __str__(self) -> str:
        total = self.total
        counts = f"{total.seeds} worlds, {total.simulated_us / HOUR_US:.1f} simulated hours"
        struck = sum(total.struck.values())
        return f"{counts}, {total.operations} operations, {total.starts} starts, {struck} faults"


class Joins:
    """A node joins two others under load, and one of the three dies at any step."""

    def __init__(self, first_seed: int) -> None:
        self._seed = first_seed
        self._count = 0

    def one(self) -> bool:
        seed = self._seed + self._count
        random = Random(seed)
        name, is_cut = random.choice((JOINING, *MEMBERS)), random.random() < 0.5
        step: Step = random.choice(("disk", "process"))
        at = random.randint(1, joining_steps(name, step, is_cut=is_cut, seed=seed))
        try:
            dies(name, step, at, is_cut=is_cut, seed=seed)
        except Exception:
            traceback.print_exc()
            again = f"dies({name!r}, {step!r}, {at}, is_cut={is_cut}, seed={seed})"
            print(f"to see it again: tests.sim.joining.{again}", file=sys.stderr)
            return False
        self._count += 1
        return True

    @override
    def __str__(self) -> str:
        return f"{self._count} nodes joined while one died"


class Processes:
    """Real nodes under load: one fault after another, or kills in the middle of their upkeep."""

    def __init__(self, first_seed: int) -> None:
        self._seed = first_seed
        self._runs = self._steps = self._killed = 0

    def one(self) -> bool:
        seed = self._seed + self._runs
        random = Random(seed)
        if seed % KILLS_ONE_IN == 0:
            live, names, drawn = self._kills, "abc", random.choices(sorted(OPERATIONS), k=8)
        else:
            live, names = self._faults, random.choice(("abc", "abcde"))
            drawn = random.sample(sorted(FAULTS), 6)
        with tempfile.TemporaryDirectory(prefix="samebox-") as folder:
            cluster = LocalCluster(Path(folder), list(names))
            try:
                live(cluster, drawn, seed)
            except Exception:
                traceback.print_exc()
                print(f"seed {seed}, {names}, {drawn}\n{cluster.logs()}", file=sys.stderr)
                return False
        self._runs += 1
        return True

    def _faults(self, cluster: LocalCluster, drawn: list[str], seed: int) -> None:
        with cluster:
            self._steps += len(survive(cluster, drawn, each=2, seed=seed).steps)

    def _kills(self, cluster: LocalCluster, drawn: list[str], seed: int) -> None:
        with doom(str(LITTLE)), cluster:
            self._killed += len(survive_kills(cluster, drawn, seed))

    @override
    def __str__(self) -> str:
        counts = f"{self._runs} runs of real processes, {self._steps} steps of their users judged"
        return f"{counts}, {self._killed} kills in the middle of upkeep"


class Inputs:
    """Bytes that are almost right, for one parser after another."""

    def __init__(self, first_seed: int) -> None:
        self._parsers = cycle(PARSERS.items())
        self._count = 0

    def one(self) -> bool:
        name, parser = next(self._parsers)
        try:
            fuzz(parser, INPUTS)
        except Exception:
            traceback.print_exc()
            print(f"parser {name}: keep the input in tests/fuzz/corpus/{name}/", file=sys.stderr)
            return False
        self._count += INPUTS
        return True

    @override
    def __str__(self) -> str:
        return f"{self._count} inputs for {len(PARSERS)} parsers"


Kind: TypeAlias = Histories | Requests | Worlds | Joins | Processes | Inputs
KINDS: dict[str, Callable[[int], Kind]] = {
    "histories": Histories,
    "requests": Requests,
    "worlds": Worlds,
    "joins": Joins,
    "processes": Processes,
    "inputs": Inputs,
}


def soak(seconds: float, first_seed: int, only: str | None) -> int:
    """An equal part of the time for each kind, or all of it for one."""
    start = reported = time.monotonic()
    spent: dict[Kind, float]
    spent = {kind(first_seed): 0.0 for name, kind in KINDS.items() if only in (None, name)}
    print(f"seeds from {first_seed}", flush=True)
    while (began := time.monotonic()) - start < seconds:
        least = min(spent, key=lambda kind: spent[kind])
        if not least.one():
            return 1
        now = time.monotonic()
        spent[least] += now - began
        if now - reported > REPORT_SECONDS:
            reported = now
            print(*spent, sep="\n", flush=True)
    for kind, took in spent.items():
        print(summary(kind.total, took) if isinstance(kind, Worlds) else kind)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="the first seed; without it, a fresh one")
    parser.add_argument("--only", choices=list(KINDS))
    asked = parser.parse_args()
    first = SystemRandom().randrange(10**9) if asked.seed is None else asked.seed
    sys.exit(soak(asked.seconds, first, asked.only))
