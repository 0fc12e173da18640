"""A machine that is set back as a whole, or copied: when nobody has its node write."""

from __future__ import annotations

from msgspec.structs import replace

from sim.disk_faults import rolled_back
from sim.fault import Setting
from sim.host import Host
from sim.process_faults import cloned
from sim.world import SECOND
from tests.sim.few_nodes import HABITS, FewNodes, shell_of

WRITTEN = 2


def has_it_write(host: Host) -> int:
    """As a node of a later version, where it may; how much it did."""
    host.novelties = WRITTEN
    for _ in range(10):
        assert host.shell is not None
        host.shell.stir()
        host.world.run(host.world.now + SECOND // 20)
    left, host.novelties = host.novelties, 0
    return WRITTEN - left


def test_of_a_later_version_it_writes_nothing_either_before_a_peer_has_told_it() -> None:
    """It would use dots for the second time, and nothing in it can know: a fork, which is another
    fault. The watch of this world ends the test where a dot has two contents."""
    nodes = FewNodes("a", "b")
    world, network, watch = nodes.world, nodes.network, nodes.watch
    a, b = nodes.hosts.values()
    nodes.start()
    world.run(SECOND)
    assert rolled_back(Setting(world, network, {"a": a}, watch, [], is_cruel=False)) == "a"
    assert has_it_write(a) == WRITTEN
    assert a.shell is not None and b.shell is not None
    actor = a.shell.replica.actor
    assert actor is not None
    wrote = b.shell.replica.clock[actor]
    assert wrote == a.shell.replica.clock[actor]

    network.cut("a", "b")
    network.cut("b", "a")
    assert world.run(world.now + 20 * SECOND, lambda: a.is_set_back)
    world.run(world.now + SECOND)
    assert has_it_write(a) == 0
    assert a.shell.replica.actor == actor
    assert a.shell.replica.clock[actor] == wrote - WRITTEN

    network.mend_all()
    world.run(world.now + 30 * SECOND)
    assert a.shell.replica.actor != actor, "b has told it"
    assert a.shell.replica.clock[actor] == wrote
    assert has_it_write(a) == WRITTEN
    world.run(world.now + SECOND)
    assert a.shell.replica.clock == b.shell.replica.clock


def test_a_node_writes_nothing_beside_its_copy_where_logs_are_cut() -> None:
    """What the copy says that it holds is believed of both, for they have one name; what the others
    forget for that, and cut away, an operation made without it may need."""
    nodes = FewNodes("a", "b", habits=replace(HABITS, log_bytes_max=1 << 20))
    world, network, watch = nodes.world, nodes.network, nodes.watch
    a, b = nodes.hosts.values()
    nodes.start()
    world.run(SECOND)
    setting = Setting(world, network, {"a": a}, watch, [], is_cruel=False)
    assert cloned(setting) == "a"
    (copy,) = setting.clones
    assert has_it_write(a) == 0
    network.cut("b", "a")
    network.cut("a", "b")
    world.run(world.now + SECOND)
    held = dict(watch.durable[copy.name])
    assert has_it_write(b) == WRITTEN
    watch.durable[copy.name] = {**held, **shell_of(b).replica.clock}
    copy.retire()
    assert has_it_write(a) == 0, "it lacks what its copy may have said that it holds"

    network.mend_all()
    world.run(world.now + 30 * SECOND)
    assert has_it_write(a) == WRITTEN
