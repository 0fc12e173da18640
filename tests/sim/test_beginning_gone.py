"""The first segment of a log is taken away, and a peer lacks what it held."""

from __future__ import annotations

from random import Random

from crdt import Address, Create, RequestId
from samebox.limits import Limits
from samebox.write_back import Bounds
from sim.host import Habits, Host
from sim.network import Network
from sim.shell import Shell
from sim.watch import ASKED, Watch
from sim.world import MILLISECOND, SECOND, Trace, World
from storage import LogLimits

HABITS = Habits(
    limits=Limits(log=LogLimits(segment_bytes=6000, recent_bytes=0)),
    message_bytes=4096,
    buffer_bytes=64 << 10,
    job_us=MILLISECOND,
    turn_us=MILLISECOND,
    compacts_us=0,
    bounds=Bounds(write_rows=40),
)
WRITTEN = 60


def shell_of(host: Host) -> Shell:
    assert host.shell is not None
    return host.shell


def test_the_node_goes_on_and_the_peer_gets_a_snapshot() -> None:
    """In a world whose logs are not cut otherwise."""
    lines: list[str] = []
    world = World(Random(0), Trace(lines.append))
    names = ("a", "b")
    network, watch = Network(world, names, buffer_bytes=HABITS.buffer_bytes), Watch(world, names)
    a, b = (Host(world, network, watch, name, HABITS) for name in names)
    network.cut("a", "b")
    network.cut("b", "a")
    a.start()
    b.start()
    for number in range(WRITTEN):
        request, id = Create(Address(f"box {number}")), RequestId(b"a client", number)
        shell_of(a).ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=())
        world.run(world.now + SECOND // 10)
    clock = dict(shell_of(a).replica.clock)
    assert sum(clock.values()) > WRITTEN
    a.stop(f"{ASKED} to")
    segments = [name for name in a.machine.disk.names() if name.startswith("log/log-")]
    assert len(segments) > 2
    watch.medium_damaged("a")
    a.machine.disk.forget(min(segments))
    a.start()
    assert any("ALARM: the log begins with" in line for line in lines)
    assert shell_of(a).replica.clock == clock
    network.mend_all()
    world.run(world.now + 120 * SECOND)
    assert {name: shell_of(b).replica.clock.get(name) for name in clock} == clock
    assert shell_of(a).replica.clock == shell_of(b).replica.clock
    assert shell_of(a).replica.state.digest() == shell_of(b).replica.state.digest()
