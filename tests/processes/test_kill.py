"""kill -9 of every node at once, under a load of confirmed writes."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from samebox.control import Copies
from samebox.testing import LocalCluster, SteadyWriter
from tests.processes.account import assert_confirmed_once, assert_repeated_once, make_mailbox

ROUNDS = 20
CONFIRMED = 16
"""By each node, before the kill of a round."""
COPIES: dict[str, Copies] = {"a": 1, "b": 2, "c": "all"}


def kill_all(cluster: LocalCluster, number: int) -> int:
    """One round: load on every node, all killed, started in another order, all accounts settled.

    Returns how many writes were under way at the kill.
    """
    target = make_mailbox(cluster, f"Round {number}")
    with ExitStack() as under_load:
        writers = [
            under_load.enter_context(SteadyWriter(cluster.nodes[name], target, copies=COPIES[name]))
            for name in cluster.names
        ]
        for writer in writers:
            writer.wait_confirmed(CONFIRMED)
        cluster.kill(*cluster.names)
    turn = number % len(cluster.names)
    cluster.start(*cluster.names[turn:], *cluster.names[:turn])
    cluster.agree()
    assert_confirmed_once(cluster, writers)
    assert_repeated_once(cluster, writers, at=cluster.names[turn])
    return sum(len(writer.unconfirmed) for writer in writers)


@pytest.mark.slow
def test_every_confirmed_write_is_there_once_however_often_all_nodes_are_killed(
    cluster: LocalCluster,
) -> None:
    under_way = [kill_all(cluster, number) for number in range(ROUNDS)]
    assert min(under_way) > 0, f"a kill met no write: {under_way}"
