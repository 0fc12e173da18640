"""What the operator of a simulated fork does where the log of a node has lost one of the histories.

Its records are gone, and their last chain is known: nothing of the other history is taken in their
place, and the two nodes have the same under the last number that both show.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from crdt import Actor, Address, Create, RequestId
from sim.fault import Setting
from sim.forks import beside
from sim.host import Host
from sim.verdict import Verdict
from sim.watch import ASKED
from sim.world import SECOND
from tests.oracle import view
from tests.replica.test_starts import damage, records_of
from tests.sim.few_nodes import FewNodes, shell_of

NODES = ("a", "b", "c")
COMMON, HISTORY = 2, 3
"""Boxes that a makes before it is copied, and that each of the two makes then."""


class Forked:
    """Node a and its copy have both written as `actor`, which a was. Those that are `with_a` have
    its history, the others that of the copy, which runs no more."""

    def __init__(self, *with_a: str) -> None:
        self.nodes = nodes = FewNodes(*NODES)
        nodes.start()
        nodes.create("a", COMMON)
        a = nodes.hosts["a"]
        actor = shell_of(a).replica.actor
        assert actor is not None
        self.actor: Actor = actor
        self._part(with_a, [name for name in NODES if name not in with_a])
        setting = Setting(nodes.world, nodes.network, nodes.hosts, nodes.watch, [], is_cruel=False)
        copy = beside(setting, a, inode=a.machine.inode)
        self._part([name for name in with_a if name != "a"], [copy.name])
        nodes.watch.forks[actor] = "a"
        for host in (copy, a):
            self._write(host)
        copy.retire()

    def _part(self, some: Iterable[str], others: Iterable[str]) -> None:
        for one, other in product(some, others):
            self.nodes.network.cut(one, other)
            self.nodes.network.cut(other, one)

    def _write(self, host: Host) -> None:
        world = self.nodes.world
        for number in range(HISTORY):
            request, id = (
                Create(Address(f"{number} of {host.name}")),
                RequestId(b"a caller", number),
            )
            shell_of(host).ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=())
            world.run(world.now + SECOND // 10)

    def loses_its_history(self, name: str) -> None:
        """All of the history that it has, but for what both have; and it is to start again."""
        host = self.nodes.hosts[name]
        records = records_of(shell_of(host).store, self.actor)
        host.stop(f"{ASKED} to")
        self.nodes.watch.medium_damaged(name)
        for record in records[-HISTORY:]:
            damage(host.machine, record)

    def end(self) -> list[str]:
        """All agree, and who has begun anew for that."""
        nodes = self.nodes
        inodes = {name: host.machine.inode for name, host in nodes.hosts.items()}
        nodes.network.mend_all()
        verdict = Verdict(nodes.world, nodes.hosts, nodes.watch)
        verdict.come_to_rest()
        verdict.judge(view)
        return [name for name, host in nodes.hosts.items() if host.machine.inode != inodes[name]]

    def shows(self, name: str, number: int) -> list[bool]:
        """The box of that number of a, and that of its copy."""
        state = shell_of(self.nodes.hosts[name]).replica.state
        return [state.find(Address(f"{number} of {by}")) is not None for by in ("a", "a'")]


def test_who_has_another_history_than_the_one_that_was_copied_begins_anew() -> None:
    forked = Forked("a", "b")
    assert forked.end() == ["c"]
    assert forked.shows("c", 0) == [True, False]


def test_who_lost_the_history_that_no_other_node_has_begins_anew_though_it_was_copied() -> None:
    forked = Forked("a")
    forked.loses_its_history("a")
    assert forked.end() == ["a"]
    assert forked.shows("a", 0) == [False, True]


def test_who_lost_a_history_that_another_node_has_gets_it_from_that_one() -> None:
    forked = Forked("a", "b")
    forked.loses_its_history("a")
    assert forked.end() == ["c"]
    assert forked.shows("a", HISTORY - 1) == [True, False]
