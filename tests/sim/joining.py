"""A node without anything joins two others under load, and one of the three dies at a chosen step.

The logs of the two are as a longer life left them: whole, or cut, so that who joins needs a
snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Literal, NamedTuple, TypeAlias
from unittest.mock import patch

from msgspec.structs import replace

from crdt import Actor, includes
from samebox import adopting
from samebox.limits import Limits
from samebox.write_back import Bounds
from sim.book import Book
from sim.machine import Machine
from sim.verdict import Verdict
from sim.watch import ASKED, Watch
from sim.workload import Workload
from sim.world import SECOND
from storage import LogLimits
from tests.oracle import view
from tests.sim.few_nodes import HABITS, FewNodes, shell_of

Step: TypeAlias = Literal["disk", "process"]
"""An operation of its disk; or anything else that its process does: a turn of its loop, a message
that it takes or that was sent, the end of a job of its disk."""
MEMBERS, JOINING = ("a", "b"), "c"
BEFORE, MEANWHILE = 120, 30
"""Errands."""
WORK_US = 4 * SECOND
JOINED_US = 180 * SECOND
"""A peer whose power failed is asked for a piece for 60 s."""
FAR = 1 << 40
PIECE = 4000
"""So that a snapshot comes in several messages."""
SHORT = Limits(log=LogLimits(segment_bytes=5000, recent_bytes=0), pack_bytes_max=5000)
PATIENT = replace(
    HABITS, limits=SHORT, bounds=Bounds(write_rows=40, unwritten_rows=90), message_bytes=1000
)
CUTTING = replace(PATIENT, upkeep=True, log_bytes_max=0)
KNOWN = ("durable", "last_batches", "chains", "contents", "operations", "made_for", "dropped")


class Past(NamedTuple):
    """The machines of the members, what both held, and what a watch has seen so far."""

    machines: Mapping[str, Machine]
    clock: Mapping[Actor, int]
    watch: Watch


@cache
def past(*, is_cut: bool) -> Past:
    nodes = FewNodes(*MEMBERS, JOINING, habits=CUTTING if is_cut else PATIENT)
    hosts = {name: nodes.hosts[name] for name in MEMBERS}
    world = nodes.world
    for host in hosts.values():
        host.start()
    world.run(SECOND)
    work = Workload(world, hosts, errands=BEFORE)
    work.begin(WORK_US)
    world.run(2 * WORK_US)
    work.is_over = True
    logs = [shell_of(host).store.log for host in hosts.values()]
    assert not is_cut or world.run(world.now + 60 * SECOND, lambda: all(log.is_cut for log in logs))
    clock = dict(shell_of(hosts["a"]).replica.clock)
    assert clock == shell_of(hosts["b"]).replica.clock
    for host in hosts.values():
        host.stop(f"{ASKED} to")
    return Past({name: host.machine for name, host in hosts.items()}, clock, nodes.watch)


class Joining:
    """The world in which the third one joins; both members are up already. `seed` draws the load,
    the times, whether a node is killed or without power, and what is left then."""

    def __init__(self, *, is_cut: bool, seed: int = 0) -> None:
        self._before = past(is_cut=is_cut)
        nodes = FewNodes(*MEMBERS, JOINING, habits=PATIENT)
        self.world, self.hosts, self.watch = nodes.world, nodes.hosts, nodes.watch
        self.world.random.seed(seed)
        for field in KNOWN:
            known: Book = self._before.watch
            setattr(self.watch, field, deepcopy(getattr(known, field)))
        for name, machine in self._before.machines.items():
            self.hosts[name].machine = deepcopy(machine)
            self.hosts[name].start()
        self.world.run(SECOND)
        self._work = Workload(self.world, self.hosts, errands=MEANWHILE)

    def begins(self) -> None:
        self._work.begin(WORK_US)
        self.hosts[JOINING].start()

    def joins(self) -> bool:
        """Whether it has all that the members held before, with the contents, in time."""
        host, wanted = self.hosts[JOINING], self._before.clock

        def has_joined() -> bool:
            if host.shell is None:
                return False
            replica = host.shell.replica
            return includes(replica.clock, wanted) and not replica.missing

        return self.world.run(self.world.now + JOINED_US, has_joined)

    def judge(self) -> None:
        """Raises Violation."""
        self.world.run(self.world.now + WORK_US)
        self._work.is_over = True
        for host in self.hosts.values():
            host.heal()
        verdict = Verdict(self.world, self.hosts, self.watch)
        verdict.come_to_rest()
        verdict.judge(view)


@patch.object(adopting, "PIECE_BYTES", PIECE)
def steps(name: str, step: Step, *, is_cut: bool, seed: int = 0) -> int:
    """How many this node does until the third one has joined, where nobody dies."""
    joining = Joining(is_cut=is_cut, seed=seed)
    host = joining.hosts[name]
    host.dies_in = FAR
    before = host.machine.disk.operations
    joining.begins()
    assert joining.joins()
    return host.machine.disk.operations - before if step == "disk" else FAR - host.dies_in


@patch.object(adopting, "PIECE_BYTES", PIECE)
def dies(name: str, step: Step, at: int, *, is_cut: bool, seed: int = 0) -> bool:
    """At step `at` of the join, counted from 1. All is well in the end, or Violation is raised;
    whether it was before the third one had joined."""
    joining = Joining(is_cut=is_cut, seed=seed)
    host = joining.hosts[name]
    if step == "disk":
        host.machine.disk.crash_at = host.machine.disk.operations + at
    else:
        host.dies_in = at
    joining.begins()
    assert joining.joins(), f"not in {JOINED_US / SECOND:.0f} s"
    died = host.machine.disk.crash_at is None if step == "disk" else not host.dies_in
    joining.judge()
    return died
