"""The first segment of a log is taken away, and a peer lacks what it held."""

from __future__ import annotations

from msgspec.structs import replace

from samebox.write_back import Bounds
from sim.watch import ASKED
from sim.world import SECOND
from tests.sim.few_nodes import HABITS, SMALL_SEGMENTS, FewNodes, segments_of, shell_of

WRITTEN = 60


def test_the_node_goes_on_and_the_peer_gets_a_snapshot() -> None:
    """In a world whose logs are not cut otherwise."""
    lines: list[str] = []
    habits = replace(HABITS, limits=SMALL_SEGMENTS, bounds=Bounds(write_rows=40))
    nodes = FewNodes("a", "b", habits=habits, sink=lines.append)
    a, b = nodes.hosts.values()
    nodes.network.cut("a", "b")
    nodes.network.cut("b", "a")
    nodes.start()
    nodes.create("a", WRITTEN)
    clock = dict(shell_of(a).replica.clock)
    assert sum(clock.values()) > WRITTEN
    a.stop(f"{ASKED} to")
    first, *others = segments_of(a)
    assert len(others) > 1
    nodes.watch.medium_damaged("a")
    a.machine.disk.forget(first)
    a.start()
    assert any("ALARM: the log begins with" in line for line in lines)
    assert shell_of(a).replica.clock == clock
    nodes.network.mend_all()
    nodes.world.run(nodes.world.now + 120 * SECOND)
    assert {name: shell_of(b).replica.clock.get(name) for name in clock} == clock
    assert shell_of(a).replica.clock == shell_of(b).replica.clock
    assert shell_of(a).replica.state.digest() == shell_of(b).replica.state.digest()
