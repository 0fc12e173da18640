"""How many worlds does the simulator run in a second of one core?

    python -m benchmarks.simulator --worlds 20

Worlds of three nodes and 200 requests, with faults and without, their rows in memory and in SQLite.
Beside them stands what no simulator can undercut: the product's core and log alone, as many
messages appended at three nodes that are linked, without time, faults, network, packs, starts or
checks. All by processor time, in one process.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from time import process_time

from crdt import Address, Append, Blob, Create, Request
from samebox.image import Image, MemoryImage
from samebox.io.sqlite_file import SqliteFile
from sim import SimCluster
from sim.__main__ import GARBAGE_OBJECTS
from sim.faults import FAULTS
from sim.seed import Options, run_seed

NODES, ERRANDS = ("a", "b", "c"), 200
BOX, INBOX = Address("mail/ann"), Address("mail/ann", "INBOX")
FIRST_SEED = 900_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--worlds", type=int, default=20, help="of each kind")
    worlds = parser.parse_args().worlds
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    print(f"worlds of {len(NODES)} nodes and {ERRANDS} requests in a second of processor time")
    for name, table in (("memory", MemoryImage), ("SQLite", sqlite_table)):
        for faults in (FAULTS, ()):
            calm = "with faults" if faults else "without"
            options = Options(nodes=len(NODES), errands=ERRANDS, faults=faults, table=table)
            show(f"{name}, {calm}", rate(worlds, partial(world, options)))
    show("core and log alone", rate(worlds, bare))
    return 0


def sqlite_table() -> Image:
    return SqliteFile(":memory:")


def show(what: str, per_s: float) -> None:
    print(f"{what:<24}{per_s:8.1f}", flush=True)


def rate(count: int, run: Callable[[int], None]) -> float:
    began = process_time()
    for number in range(count):
        run(number)
    return count / (process_time() - began)


def world(options: Options, number: int) -> None:
    account = run_seed(FIRST_SEED + number, options)
    assert account.violation is None, account.violation


def bare(number: int) -> None:
    """Each request at one node, durable there, then everywhere, before the next one."""
    cluster = SimCluster(NODES)
    for at, one in enumerate(NODES):
        cluster.settle(one)
        for other in NODES[at + 1 :]:
            cluster.connect(one, other)
    for turn in range(ERRANDS):
        cluster.ask(NODES[turn % len(NODES)], request(turn))
        spread(cluster)
    cluster.check_agreement()
    assert sum(cluster.clocks()[0].values()) >= ERRANDS, "a request was refused"


def request(turn: int) -> Request:
    if turn == 0:
        return Create(BOX)
    data = str(turn).encode()
    return Append(INBOX, Blob(sha256(data).digest(), len(data)))


def spread(cluster: SimCluster) -> None:
    is_moving = True
    while is_moving:
        is_moving = False
        for one in NODES:
            cluster.settle(one)
            for other in NODES:
                while one != other and cluster.carry(one, other):
                    is_moving = True


if __name__ == "__main__":
    sys.exit(main())
