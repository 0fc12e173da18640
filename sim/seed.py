"""One seed: a world is made of it, runs, is healed and judged."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from msgspec import Struct, structs

from crdt import KEPT_REQUESTS
from samebox.image import Image, MemoryImage
from samebox.limits import Limits
from samebox.write_back import Bounds
from sim.book import Violation
from sim.fault import Fault, Setting
from sim.faults import FAULTS, Fate
from sim.host import Habits, Host
from sim.network import Network
from sim.verdict import Oracle, Verdict
from sim.watch import Watch
from sim.workload import Workload
from sim.world import MILLISECOND, SECOND, Trace, World
from storage import LogLimits

CRUEL_ONE_IN = 4
BOUNDS = (
    None,
    Bounds(),
    Bounds(write_rows=300, unwritten_rows=900, clean_rows=200),
    Bounds(write_rows=20, unwritten_rows=40, clean_rows=20),
)
"""Of the rows of a state: such that all are written at the end alone, or every layer is used."""
NAMES = ("a", "b", "c", "d", "e")


class Options(Struct, frozen=True):
    """`errands`, `nodes` and `limits` are drawn where they are None."""

    errands: int | None = None
    nodes: int | None = None
    limits: Limits | None = None
    faults: Sequence[Fault] = FAULTS
    oracle: Oracle | None = None
    table: Callable[[], Image] = MemoryImage
    upkeep: bool = False
    cuts: bool = False


class Account(Struct, frozen=True):
    """What became of a seed. `struck` counts faults by name; `outcomes` replies by kind."""

    seed: int
    trace: str
    simulated_us: int
    rest_us: int
    operations: int
    struck: dict[str, int]
    outcomes: dict[str, int]
    starts: int
    violation: str | None


def run_seed(
    seed: int, options: Options | None = None, sink: Callable[[str], None] | None = None
) -> Account:
    """What is broken, or fails, stands in the account, so that the other worlds go on."""
    options = options or Options()
    trace = Trace(sink)
    world = World(Random(seed), trace)
    names = NAMES[: options.nodes or _nodes(world)]
    habits = structs.replace(_habits(world, options.limits), upkeep=options.upkeep)
    if options.cuts:
        habits = _cutting(world, habits)
    network = Network(world, names, buffer_bytes=habits.buffer_bytes)
    watch = Watch(world, names)
    hosts = {name: Host(world, network, watch, name, habits, options.table) for name in names}
    is_cruel = world.chance(CRUEL_ONE_IN)
    fate = Fate(Setting(world, network, hosts, watch, [], is_cruel), options.faults)
    work = Workload(world, hosts, errands=options.errands or world.between(20, 250))
    verdict = Verdict(world, hosts, watch)
    rest_us = 0
    violation = None
    try:
        if options.oracle is not None and world.chance(3):
            check = partial(verdict.check_any_meaning, options.oracle)
            world.later(world.random.randrange(SECOND, 30 * SECOND), check)
        _live(world, hosts, fate, work)
        _heal(fate.setting, work)
        rest_us = verdict.come_to_rest()
        digest = verdict.judge(options.oracle)
        trace.add(f"digest {digest.hex()}")
    except Violation as found:
        violation = str(found)
        trace.add(violation)
    except Exception:
        violation = f"this world itself failed:\n{traceback.format_exc()}"
    trace.add(f"{world.step} steps, then {world.random.random()}")
    return Account(
        seed,
        trace.value(),
        world.now,
        rest_us,
        len(watch.operations),
        _counted(fate),
        watch.outcomes,
        sum(host.starts for host in hosts.values()),
        violation,
    )


def _nodes(world: World) -> int:
    return world.random.choice((2, 3, 3, 3, 3, 4, 5))


def _habits(world: World, limits: Limits | None) -> Habits:
    log = LogLimits(
        segment_bytes=world.random.choice((6_000, 10_000, 40_000, 32 << 20)),
        recent_bytes=world.random.choice((0, 4096, 8 << 20)),
    )
    drawn = Limits(
        log=log,
        pack_bytes_max=world.random.choice((5_000, 20_000, 64 << 20)),
        waiting_max=world.random.choice((2, 10, 1 << 16)),
        window_records=world.random.choice((1, 5, 1 << 14)),
        kept_requests=world.random.choice((60, KEPT_REQUESTS)),
    )
    return Habits(
        limits=limits or drawn,
        message_bytes=world.random.choice((1, 300, 4096, 256 << 10)),
        buffer_bytes=world.random.choice((2_000, 64 << 10, 1 << 20)),
        job_us=world.random.choice((300, 3 * MILLISECOND, 50 * MILLISECOND)),
        compacts_us=world.random.choice((0, SECOND, 10 * SECOND)),
        bounds=world.random.choice(BOUNDS),
        turn_us=world.random.choice((200, 5 * MILLISECOND, 60 * MILLISECOND)),
    )


def _cutting(world: World, habits: Habits) -> Habits:
    """So that the beginnings of logs go all the time, and now and then what a member lacks."""
    log = LogLimits(segment_bytes=world.random.choice((5_000, 6_000, 10_000)), recent_bytes=0)
    return structs.replace(
        habits,
        upkeep=True,
        log_bytes_max=world.random.choice((0, 15_000, 1 << 40)),
        limits=structs.replace(habits.limits, log=log),
        bounds=world.random.choice(BOUNDS[1:]),
    )


def _live(world: World, hosts: dict[str, Host], fate: Fate, work: Workload) -> None:
    duration_us = world.random.randrange(5 * SECOND, 40 * SECOND)
    for host in hosts.values():
        host.start()
    world.run(SECOND // 2)
    work.begin(duration_us)
    fate.begin(duration_us)
    world.run(world.now + duration_us)


def _heal(setting: Setting, work: Workload) -> None:
    network = setting.network
    network.world.say("!", "all is healed")
    network.world.is_hostile = False
    work.is_over = True
    network.mend_all()
    for path in network.paths.values():
        path.be_usual()
    for clone in setting.clones:
        clone.retire()
    for host in setting.hosts.values():
        host.heal()


def _counted(fate: Fate) -> dict[str, int]:
    counted: dict[str, int] = {}
    for struck in fate.struck:
        counted[struck.fault.name] = counted.get(struck.fault.name, 0) + 1
    return counted
