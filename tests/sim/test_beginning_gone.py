"""The first segment of a log is taken away, and a peer lacks what it held."""

from __future__ import annotations

from msgspec.structs import replace

from samebox.write_back import Bounds
from sim.verdict import Verdict
from sim.watch import ASKED
from sim.world import SECOND
from tests.oracle import view
from tests.sim.few_nodes import HABITS, SMALL_SEGMENTS, FewNodes, segments_of, shell_of

WRITTEN = 60


def first_is_gone(lines: list[str], *, of_a_later_version: int) -> FewNodes:
    """Both are up, and nothing lies between them; b lacks all that a wrote."""
    habits = replace(HABITS, limits=SMALL_SEGMENTS, bounds=Bounds(write_rows=40))
    nodes = FewNodes("a", "b", habits=habits, sink=lines.append)
    a = nodes.hosts["a"]
    nodes.network.cut("a", "b")
    nodes.network.cut("b", "a")
    nodes.start()
    a.novelties = of_a_later_version
    nodes.create("a", WRITTEN)
    assert a.novelties == 0
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
    return nodes


def check_same(nodes: FewNodes) -> None:
    a, b = (shell_of(host).replica for host in nodes.hosts.values())
    assert a.clock == b.clock
    assert a.state.digest() == b.state.digest()


def test_the_node_goes_on_and_the_peer_gets_a_snapshot() -> None:
    """In a world whose logs are not cut otherwise."""
    lines: list[str] = []
    nodes = first_is_gone(lines, of_a_later_version=0)
    clock = dict(shell_of(nodes.hosts["a"]).replica.clock)
    nodes.world.run(nodes.world.now + 120 * SECOND)
    b = shell_of(nodes.hosts["b"])
    assert {name: b.replica.clock.get(name) for name in clock} == clock
    check_same(nodes)


def test_beside_an_operation_of_a_later_version_the_files_have_to_be_put_back() -> None:
    """A snapshot would hide what that did, so none is made. Nothing is lost meanwhile; whoever puts
    the files back, as the alarm says, ends it."""
    lines: list[str] = []
    nodes = first_is_gone(lines, of_a_later_version=2)
    a, b = nodes.hosts.values()
    shown, clock = shell_of(a).replica.state.digest(), dict(shell_of(a).replica.clock)
    nodes.world.run(nodes.world.now + 30 * SECOND)
    assert shell_of(b).replica.clock != shell_of(a).replica.clock
    assert not any(name.startswith("log/snapshot-") for name in a.machine.disk.names())
    assert shell_of(a).replica.state.digest() == shown

    verdict = Verdict(nodes.world, nodes.hosts, nodes.watch)
    verdict.come_to_rest()
    assert any("stops: asked to: files of its log are put back" in line for line in lines)
    assert not shell_of(a).store.log.is_cut
    assert {name: shell_of(b).replica.clock.get(name) for name in clock} == clock
    check_same(nodes)
    verdict.judge(view)
