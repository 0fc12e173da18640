"""A cluster falls into halves, and the operator of each takes the other one's members off its list.

Then nothing waits for the other half any more: each forgets what its own members hold. What holds
all the same: links to who is no member are refused, and once the lists are one again, all agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from msgspec.structs import replace

from crdt import Actor, includes
from samebox.adopting import EMPTY_IT
from samebox.write_back import Bounds
from sim.disk import SimulatedDisk
from sim.host import SHARD, Habits
from sim.state_medium import Medium
from sim.verdict import Verdict
from sim.watch import ASKED
from sim.workload import Workload
from sim.world import SECOND
from tests.oracle import view
from tests.sim.few_nodes import HABITS, SMALL_SEGMENTS, FewNodes, shell_of

LEFT, RIGHT = ("a", "b"), ("c", "d")
ALL = LEFT + RIGHT
WHOLE_LOGS = replace(HABITS, limits=SMALL_SEGMENTS, bounds=Bounds(write_rows=40, unwritten_rows=90))


class Halves:
    """Four nodes that have met; `lines` is what they said."""

    def __init__(self, habits: Habits) -> None:
        self.lines: list[str] = []
        nodes = FewNodes(*ALL, habits=habits, sink=self.lines.append)
        self.world, self.network = nodes.world, nodes.network
        self.watch, self.hosts = nodes.watch, nodes.hosts
        nodes.start()
        self.world.run(SECOND)
        self.work(ALL)

    def work(self, names: Sequence[str]) -> None:
        work = Workload(self.world, {name: self.hosts[name] for name in names}, errands=60)
        work.begin(5 * SECOND)
        self.world.run(self.world.now + 10 * SECOND)
        work.is_over = True

    def work_apart(self) -> None:
        for half in (LEFT, RIGHT):
            self.work(half)
        self.world.run(self.world.now + 10 * SECOND)

    def part(self) -> None:
        for one, other in product(LEFT, RIGHT):
            self.network.cut(one, other)
            self.network.cut(other, one)

    def list_anew(self, names: Sequence[str], members: Sequence[str]) -> None:
        self.watch.lists_differ = True
        for name in names:
            host = self.hosts[name]
            host.members = members
            host.stop(f"{ASKED} to")
            host.start()

    def folded(self, name: str) -> int:
        return sum(shell_of(self.hosts[name]).replica.state.folded.values())

    def meet(self) -> None:
        self.network.mend_all()
        self.world.run(self.world.now + 35 * SECOND)

    def clocks(self) -> dict[str, dict[Actor, int]]:
        return {name: dict(shell_of(host).replica.clock) for name, host in self.hosts.items()}

    def begin_anew(self, name: str) -> None:
        """What the message says, but for what is to be taken out before."""
        host = self.hosts[name]
        self.watch.medium_replaced(name)
        host.stop(f"{ASKED} to")
        host.machine.replace_disk(SimulatedDisk(), Medium())
        host.start()

    def judge(self) -> None:
        self.world.is_hostile = False
        verdict = Verdict(self.world, self.hosts, self.watch)
        verdict.come_to_rest()
        verdict.judge(view)


def test_members_removed_in_both_halves_lose_nothing_once_the_lists_are_one_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    halves = Halves(WHOLE_LOGS)
    halves.part()
    halves.work_apart()
    before = {name: halves.folded(name) for name in ALL}
    halves.list_anew(LEFT, LEFT)
    halves.list_anew(RIGHT, RIGHT)
    halves.work_apart()
    assert all(halves.folded(name) > before[name] for name in ALL), "they wait for none any more"

    refusals: list[str] = []
    monkeypatch.setattr(
        halves.watch, "refused", lambda shell, peer, refusal: refusals.append(refusal.text)
    )
    halves.list_anew(LEFT, ALL)
    clocks = halves.clocks()
    halves.meet()
    assert halves.clocks() == clocks
    assert any(text.startswith(f"a is no member of shard {SHARD}") for text in refusals)

    halves.list_anew(RIGHT, ALL)
    halves.judge()
    assert halves.watch.unfolded > 0, "the other half wrote without what was forgotten"


@pytest.mark.slow
def test_halves_that_cut_their_logs_for_themselves_say_so_and_one_of_them_has_to_begin_anew() -> (
    None
):
    halves = Halves(replace(WHOLE_LOGS, upkeep=True, log_bytes_max=1 << 40))
    halves.part()
    halves.list_anew(LEFT, LEFT)
    halves.list_anew(RIGHT, RIGHT)
    halves.work_apart()
    for one, other in product(LEFT, RIGHT):
        base = shell_of(halves.hosts[one]).store.log.base()
        assert not includes(shell_of(halves.hosts[other]).replica.clock, base)
    halves.list_anew(ALL, ALL)
    clocks = halves.clocks()
    halves.meet()
    assert halves.clocks() == clocks, "nothing is taken away, and nothing is mixed"
    for name in ALL:
        assert any(f" {name}    no snapshot" in line and EMPTY_IT in line for line in halves.lines)
    for name in RIGHT:
        halves.begin_anew(name)
    halves.judge()
