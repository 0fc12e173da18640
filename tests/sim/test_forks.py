"""What the operator of the simulator does about a fork, of which a node does not show its part."""

from __future__ import annotations

from copy import deepcopy
from random import Random

from crdt import Actor, Address, Create
from samebox.limits import Limits
from sim.forks import OPERATOR_US, Operator
from sim.host import Habits, Host
from sim.machine import Machine
from sim.network import Network
from sim.shell import Shell
from sim.watch import Watch
from sim.world import MILLISECOND, SECOND, Trace, World
from tests.replica.test_starts import ask, bring, damage, opened, records_of

HABITS = Habits(
    limits=Limits(),
    message_bytes=4096,
    buffer_bytes=64 << 10,
    job_us=MILLISECOND,
    turn_us=MILLISECOND,
    compacts_us=SECOND,
    bounds=None,
)


def two_histories() -> tuple[Machine, Machine, Actor]:
    """An actor of a has 2 operations, and a third of each kind: a has one, b the other one. Of a,
    the log has lost the second."""
    a, b = Machine("a"), Machine("b")
    store = opened(a)
    ask(store, Create(Address("both")))
    actor = store.replica.actor
    assert actor is not None
    store.close()
    twin = Machine("a")
    twin.disk = deepcopy(a.disk)
    for machine, box in ((a, "of a"), (twin, "of its twin")):
        store = opened(machine)
        ask(store, Create(Address(box)))
        assert store.replica.clock == {actor: 3}
        if machine is twin:
            bring(opened(b), records_of(store, actor))
        else:
            damage(machine, records_of(store, actor)[1])
    return a, b, actor


def started(world: World, machines: dict[str, Machine], watch: Watch) -> dict[str, Host]:
    """Nobody can reach another one."""
    network = Network(world, tuple(machines), buffer_bytes=HABITS.buffer_bytes)
    hosts: dict[str, Host] = {}
    for name, machine in machines.items():
        watch.medium_damaged(name)
        hosts[name] = host = Host(world, network, watch, name, HABITS)
        host.machine = machine
    network.cut("a", "b")
    network.cut("b", "a")
    for host in hosts.values():
        host.start()
    return hosts


def shell_of(host: Host) -> Shell:
    assert host.shell is not None
    return host.shell


def test_what_a_log_holds_behind_a_filled_hole_is_shown_before_a_fork_is_ended() -> None:
    """Before, the two show the same of the actor, and would do so for ever."""
    a, b, actor = two_histories()
    world = World(Random(0), Trace())
    watch = Watch(world, ("a", "b"))
    hosts = started(world, {"a": a, "b": b}, watch)
    world.run(OPERATOR_US)
    watch.forks[actor], watch.fork_is_told = "a", True
    assert shell_of(hosts["a"]).replica.clock[actor] == 1, "the hole is open"
    bring(shell_of(hosts["a"]).store, records_of(shell_of(hosts["b"]).store, actor)[1:2])
    assert shell_of(hosts["a"]).replica.clock[actor] == 2
    operator = Operator(world, hosts, watch)
    assert not operator.end_forks(0)
    world.run(world.now + 2 * SECOND)
    assert shell_of(hosts["a"]).replica.clock[actor] == 3
    assert operator.end_forks(0)
    assert hosts["b"].shell is None, "it begins anew"
