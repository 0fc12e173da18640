"""A true fork: two processes write as one actor, and what an operator does about it.

Each runs on a copy of one data directory, and nothing in either shows that. From then on a dot of
that actor may have two contents, and what is checked of every other actor is not checked of this
one. What has to hold: no process ends for it, somebody is told, and once the operator has done what
docs/forks.md says, all agree again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crdt import Actor, Address, Create, RequestId
from samebox.events import Outcome
from sim.book import Violation
from sim.disk import SimulatedDisk
from sim.fault import Fault, Setting
from sim.host import Host
from sim.shell import Shell
from sim.state_medium import Medium
from sim.watch import ASKED, Watch
from sim.world import MILLISECOND, SECOND, World
from storage import StorageError

OPERATOR_US = 20 * SECOND
"""Until the operator looks, once all is healed."""
MEETING_US = 20 * SECOND
"""For a node that was started again to be linked with all others."""


def twin(setting: Setting) -> str | None:
    """It is asked for a few things, as the node that it is a copy of is."""
    host, world, watch = setting.any_doomed(), setting.world, setting.watch
    if setting.clones or host.shell is None or host.shell.replica.actor is None:
        return None
    watch.forks[host.shell.replica.actor] = host.name
    other = beside(setting, host, inode=host.machine.inode)
    for _ in range(world.random.randrange(1, 12)):
        world.later(world.between(10 * MILLISECOND, 10 * SECOND), _asked(other))
    return host.name


def beside(setting: Setting, host: Host, *, inode: int) -> Host:
    """A second process with the name, the certificate and a copy of the data of a node."""
    world, watch, name = setting.world, setting.watch, f"{host.name}'"
    setting.network.add_machine(name, host.name)
    watch.add(name)
    for damaged in (host.name, name):
        watch.medium_damaged(damaged)
    other = Host(world, setting.network, watch, name, host.habits)
    other.machine.become(host.machine.copy(world.random.randrange))
    other.machine.inode = inode
    setting.clones.append(other)
    other.start()
    world.later(world.between(SECOND, 20 * SECOND), other.retire)
    return other


def _asked(host: Host) -> Callable[[], None]:
    def ask() -> None:
        if host.shell is not None:
            id = RequestId(host.world.random.randbytes(8), 1)
            request = Create(Address("mail/ann", f"of {host.name} {host.world.step}"), parents=True)
            host.shell.ask(request, _ignored, id=id, copies=1, within_us=None, carried=())

    return ask


def _ignored(outcome: Outcome) -> None:
    pass


class Operator:
    """Takes the data away of every node that has another history of a forked actor than the one
    that was copied; it begins anew. So does any whose log has lost a history that no other node
    brings again."""

    def __init__(self, world: World, hosts: Mapping[str, Host], watch: Watch) -> None:
        self._world = world
        self._hosts = hosts
        self._watch = watch
        self._asked_us: dict[str, int] = {}

    def end_forks(self, since_us: int) -> bool:
        """Whether there is nothing left to be done."""
        if not self._watch.forks:
            return True
        if self._world.now - since_us < OPERATOR_US:
            return False
        for actor, name in self._watch.forks.items():
            kept = self._hosts[name].shell
            for host in self._hosts.values():
                if kept is None or host.name == name:
                    continue
                if host.shell is None:
                    return False
                if _differ(kept, host.shell, actor) and not self._ended_at(host):
                    return False
        return all(self._is_whole(host) for host in self._hosts.values())

    def _ended_at(self, host: Host) -> bool:
        """Where the record of one history was on its way when they met, nobody is told before they
        meet again: histories are compared when nodes greet, and where a record joins another."""
        if self._watch.fork_is_told:
            self._begin_anew(host)
            return True
        if self._has_met_again(host):
            raise Violation(self._world, "O2", host.name, "a fork, and nobody was told")
        return False

    def _is_whole(self, host: Host) -> bool:
        """Where a log lost the end of its history, the other one does not join there; and up to
        there both are one, so that no greeting shows a fork. An alarm names the actor."""
        shell = host.shell
        if shell is None:
            return False
        others = [one.shell for one in self._hosts.values() if one.shell and one is not host]
        if not any(_is_lost(shell, others, actor) for actor in self._watch.forks):
            return True
        if self._has_met_again(host):
            self._begin_anew(host)
        return False

    def _has_met_again(self, host: Host) -> bool:
        """It was started again, long enough ago."""
        if host.name not in self._asked_us:
            self._asked_us[host.name] = self._world.now
            host.stop(f"{ASKED} to: it is to meet the others again")
        return self._world.now - self._asked_us[host.name] > MEETING_US

    def _begin_anew(self, host: Host) -> None:
        self._world.say(host.name, "begins anew: it has the history that goes, or none whole")
        self._asked_us.pop(host.name, None)
        host.kill(MILLISECOND)
        self._watch.medium_replaced(host.name)
        host.machine.replace_disk(SimulatedDisk(), Medium())


def _differ(one: Shell, other: Shell, actor: Actor) -> bool:
    """Whether they hold another record under the last number that both have."""
    last = min(one.replica.clock.get(actor, 0), other.replica.clock.get(actor, 0))
    try:
        chains = [shell.store.log.chain_at(actor, last) for shell in (one, other)]
    except StorageError:
        return False
    return last > 0 and None not in chains and chains[0] != chains[1]


def _is_lost(shell: Shell, others: Sequence[Shell], actor: Actor) -> bool:
    """Whether its log lacks records of that actor, as its start said, what peers have in their
    place is refused, as `samebox status` says, and none of the others shows those."""
    log = shell.store.log
    holes = [missing for missing in log.missing() if missing.actor == actor]
    if not holes or actor not in shell.replica.stopped():
        return False
    try:
        last = min(holes).last
        known = last if log.chain_at(actor, last) is not None else last + 1
        return not any(_shows(one, actor, known, log.chain_at(actor, known)) for one in others)
    except StorageError:
        return False


def _shows(shell: Shell, actor: Actor, seq: int, chain: bytes | None) -> bool:
    is_there = shell.replica.clock.get(actor, 0) >= seq
    return is_there and shell.store.log.chain_at(actor, seq) == chain


FORK_FAULTS = (Fault("twin", ("64", "118"), 1, twin),)
