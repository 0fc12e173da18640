"""Worlds of a few nodes whom nothing strikes but what a test does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from crdt import Address, Create, RequestId
from samebox.limits import Limits
from sim.host import Habits, Host
from sim.network import Network
from sim.shell import Shell
from sim.watch import Watch
from sim.world import MILLISECOND, SECOND, Trace, World
from storage import LogLimits

HABITS = Habits(
    limits=Limits(),
    message_bytes=4096,
    buffer_bytes=64 << 10,
    job_us=MILLISECOND,
    turn_us=MILLISECOND,
    compacts_us=0,
    bounds=None,
)
SMALL_SEGMENTS = Limits(log=LogLimits(segment_bytes=6000, recent_bytes=0))


class FewNodes:
    """`hosts` by name; none of them is started."""

    def __init__(
        self,
        *names: str,
        habits: Habits = HABITS,
        sink: Callable[[str], None] | None = None,
    ) -> None:
        self.world = World(Random(0), Trace(sink))
        self.network = Network(self.world, names, buffer_bytes=habits.buffer_bytes)
        self.watch = Watch(self.world, names)
        self.hosts = {
            name: Host(self.world, self.network, self.watch, name, habits) for name in names
        }

    def start(self) -> None:
        for host in self.hosts.values():
            host.start()

    def create(self, name: str, boxes: int) -> None:
        """So many boxes, at this node, each in a batch of its own."""
        for number in range(boxes):
            request, id = Create(Address(f"box {number}")), RequestId(b"a client", number)
            shell = shell_of(self.hosts[name])
            shell.ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=())
            self.world.run(self.world.now + SECOND // 10)


def shell_of(host: Host) -> Shell:
    assert host.shell is not None
    return host.shell


def segments_of(host: Host) -> Sequence[str]:
    """The names of its log's files, the oldest first."""
    return sorted(name for name in host.machine.disk.names() if name.startswith("log/log-"))
