"""A node that may have little more memory than it has: what it confirmed is there, whatever becomes
of the process."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from samebox.errors import SameboxError
from samebox.io.commands.running import NO_MEMORY
from samebox.testing import LocalCluster, LocalNode, SteadyWriter, until
from tests.processes.account import assert_confirmed_once, make_mailbox

pytestmark = pytest.mark.slow

ROOM_BYTES = 8 << 20
WRITERS, SIZE = 6, 60_000
"""With sixteen requests each under way, six megabytes of contents alone."""
REASONS = ("MemoryError", NO_MEMORY, "Fatal Python error")
"""Of a conversation that ended, or of the process; the last one where it was a library in C that
found no memory."""


def cap(node: LocalNode, room: int) -> None:
    """No more addresses than it uses now, and `room` bytes."""
    assert node.pid is not None
    pages = int(Path(f"/proc/{node.pid}/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + room
    resource.prlimit(node.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def said(node: LocalNode) -> list[str]:
    text = node.log.read_text(errors="replace")
    return [reason for reason in REASONS if reason in text]


def write_until_it_is_too_much(node: LocalNode, writers: Sequence[SteadyWriter]) -> None:
    """One of them that was refused, or could not connect, has failed; its account stands."""

    def is_short() -> bool | None:
        return True if said(node) or not node.is_running else None

    with ExitStack() as stack, suppress(SameboxError):
        for writer in writers:
            stack.enter_context(writer)
        until(is_short, 60, lambda: f"node {node.name} to be short of memory")


@pytest.fixture
def pair(folder: Path) -> Iterator[LocalCluster]:
    cluster = LocalCluster(folder, ["a", "b"])
    try:
        with cluster:
            yield cluster
    finally:
        print(cluster.logs())


def test_a_node_short_of_memory_loses_nothing_and_says_so(pair: LocalCluster) -> None:
    cluster, node = pair, pair.nodes["a"]
    target = make_mailbox(cluster, "Log")
    writers = [SteadyWriter(node, target, size=SIZE) for _ in range(WRITERS)]
    cap(node, ROOM_BYTES)
    write_until_it_is_too_much(node, writers)
    assert said(node) or not node.is_running
    if node.is_running:
        node.stop()
    assert said(node), node.last_lines()
    cluster.start("a")
    with SteadyWriter(node, target, copies=2) as after:
        after.wait_confirmed(10)
    cluster.agree()
    assert_confirmed_once(cluster, [*writers, after])
    found = cluster.command("a", "verify").stdout.decode()
    assert "; 0 places damaged" in found, found
