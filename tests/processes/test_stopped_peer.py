"""A node whose process stands still: the others take long contents and small writes as ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from samebox.testing import LocalCluster, SteadyWriter
from tests.processes.account import assert_confirmed_once, make_mailbox

CHUNKS = 20
WRITES = 100


@contextmanager
def stopped(cluster: LocalCluster, name: str) -> Iterator[None]:
    pid = cluster.nodes[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def append_long(cluster: LocalCluster, folder: Path, target: str) -> None:
    """Contents of CHUNKS different MiB; that two nodes hold them in time is the claim."""
    path = folder / "long"
    path.write_bytes(b"".join(bytes([number]) * (1 << 20) for number in range(CHUNKS)))
    cluster.command("a", "append", target, str(path), "--copies", "2", "--timeout", "60")


@pytest.mark.slow
def test_a_process_that_stands_still_delays_no_long_contents_and_no_small_write(
    cluster: LocalCluster, folder: Path
) -> None:
    target = make_mailbox(cluster, "Log")
    with stopped(cluster, "c"), SteadyWriter(cluster.nodes["a"], target, copies=2) as writer:
        append_long(cluster, folder, str(target))
        writer.wait_confirmed(WRITES)
    cluster.agree()
    assert_confirmed_once(cluster, [writer])


@pytest.mark.slow
def test_what_one_node_stops_giving_comes_from_another(cluster: LocalCluster, folder: Path) -> None:
    target = make_mailbox(cluster, "Log")
    cluster.cut("c")
    append_long(cluster, folder, str(target))
    with stopped(cluster, "a"):
        cluster.heal()
        cluster.agree("b", "c")
    cluster.agree()
