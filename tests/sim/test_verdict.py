"""What the end of a world asks of a node that was damaged last."""

from __future__ import annotations

from random import Random

import pytest

from crdt import Address, Create, RequestId
from samebox.limits import Limits
from sim.faults import Fate
from sim.host import Habits, Host
from sim.network import Network
from sim.seed import Options, run_seed
from sim.verdict import Verdict
from sim.watch import Watch
from sim.world import MILLISECOND, SECOND, Trace, World
from storage import LogLimits
from tests.oracle import view

HABITS = Habits(
    limits=Limits(log=LogLimits(segment_bytes=6000, recent_bytes=0)),
    message_bytes=4096,
    buffer_bytes=64 << 10,
    job_us=MILLISECOND,
    turn_us=MILLISECOND,
    compacts_us=0,
    bounds=None,
)


def test_a_log_that_lacks_a_segment_is_not_asked_what_the_operations_are() -> None:
    """It was taken away under the running node, and one operation the watch has not heard of."""
    world = World(Random(0), Trace(None))
    names = ("a", "b")
    network, watch = Network(world, names, buffer_bytes=HABITS.buffer_bytes), Watch(world, names)
    hosts = {name: Host(world, network, watch, name, HABITS) for name in names}
    for host in hosts.values():
        host.start()
    shell = hosts["a"].shell
    assert shell is not None
    for number in range(60):
        request, id = Create(Address(f"box {number}")), RequestId(b"a client", number)
        shell.ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=())
        world.run(world.now + SECOND // 10)
    segments = [name for name in hosts["a"].machine.disk.names() if name.startswith("log/log-")]
    assert len(segments) > 2
    watch.medium_damaged("a")
    hosts["a"].machine.disk.forget(sorted(segments)[1])
    watch.operations.popitem()
    verdict = Verdict(world, hosts, watch)
    verdict.come_to_rest()
    verdict.judge(view)


def test_a_world_that_fails_itself_says_so_and_ends_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Fate, duration_us: int) -> None:
        raise KeyError("of no matter")

    monkeypatch.setattr(Fate, "begin", fail)
    violation = run_seed(1, Options()).violation
    assert violation is not None and "of no matter" in violation
