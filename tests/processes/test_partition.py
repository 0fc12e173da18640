"""Lines are cut: every side stays writable, and all come together again."""

from __future__ import annotations

import pytest

from samebox import Address, Receipt
from samebox.testing import LocalCluster, SteadyWriter
from tests.processes.account import assert_confirmed_once, make_mailbox, shown

WRITES = 100


def write(cluster: LocalCluster, name: str, target: Address) -> SteadyWriter:
    """That so many writes are confirmed in time is the claim."""
    with SteadyWriter(cluster.nodes[name], target) as writer:
        writer.wait_confirmed(WRITES)
    return writer


def wait_everywhere(cluster: LocalCluster, *names: str) -> None:
    """What each of these holds now arrives at the others."""
    for name in names:
        with cluster.talk(name) as node:
            status = node.status().status
        for other in names:
            with cluster.talk(other) as there:
                there.wait(Receipt(status.shard, status.clock))


@pytest.mark.slow
def test_with_one_line_cut_the_third_node_passes_operations_on(cluster: LocalCluster) -> None:
    target = make_mailbox(cluster, "Log")
    cluster.cut("a", "b")
    at_a, at_b = write(cluster, "a", target), write(cluster, "b", target)
    wait_everywhere(cluster, "a", "b", "c")
    assert_confirmed_once(cluster, [at_a, at_b])

    cluster.nodes["c"].stop()
    later_a, later_b = write(cluster, "a", target), write(cluster, "b", target)
    assert not set(map(later_b.sha256, later_b.confirmed)) & set(shown(cluster, "a", target))
    assert not set(map(later_a.sha256, later_a.confirmed)) & set(shown(cluster, "b", target))

    cluster.heal()
    cluster.start("c")
    cluster.agree()
    assert_confirmed_once(cluster, [at_a, at_b, later_a, later_b])


@pytest.mark.slow
def test_with_all_lines_cut_every_node_takes_writes(cluster: LocalCluster) -> None:
    target = make_mailbox(cluster, "Log")
    for name in cluster.names:
        cluster.cut(name)
    writers = [write(cluster, name, target) for name in cluster.names]
    for writer in writers:
        assert sum(shown(cluster, writer.node.name, target).values()) == writer.asked

    cluster.heal()
    cluster.agree()
    assert_confirmed_once(cluster, writers)


@pytest.mark.slow
def test_a_line_that_comes_and_goes_loses_nothing(cluster: LocalCluster) -> None:
    target = make_mailbox(cluster, "Log")
    with SteadyWriter(cluster.nodes["a"], target) as writer:
        for turn in range(1, 11):
            writer.wait_confirmed(50 * turn)
            if turn % 2:
                cluster.cut("a")
            else:
                cluster.heal()
    cluster.heal()
    cluster.agree()
    assert_confirmed_once(cluster, [writer])
