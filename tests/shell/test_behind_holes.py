"""What a log holds behind a hole that was filled shows at a node to which nothing more happens."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from crdt import Actor
from samebox.io.node import Node
from tests.replica.test_behind_holes import lost_in_between
from tests.replica.test_starts import bring, opened
from tests.shell.deterministic import run
from tests.shell.world import SECONDS_MAX, Cluster, replaced

NAME = "local.example.org"
"""Of the cluster of the node list."""
WAITING = 12
"""More than the batches of two nodes that meet."""


def test_it_shows_though_other_actors_have_their_turns_before_and_no_batch_follows(
    node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer has begun anew, and has from a backup what was lost, but nothing behind it. No others
    have room to wait in memory: so what the log gives of them brings no batch about."""

    async def scenario(cluster: Cluster) -> None:
        actor, records = lost_in_between(cluster.machines["a"], cluster=NAME, waiting=WAITING)
        backup = opened(cluster.machines["b"], cluster=NAME)
        bring(backup, records[:3])
        backup.close()
        async with cluster.node("a") as a:
            behind = a.shards["main"].replica.history.behind
            behind.lasts = dict(reversed(behind.lasts.items()))
            assert list(behind.lasts)[-1] == actor and len(behind.lasts) == 1 + WAITING
            await meet(cluster, a, actor)

    async def meet(cluster: Cluster, a: Node, actor: Actor) -> None:
        async with cluster.node("b") as b:
            for node in (a, b):
                await node.shards["main"].wait({actor: 4}, timeout_s=SECONDS_MAX)
                assert node.shards["main"].clock[actor] == 4

    cluster = Cluster(node_list, "ab")
    cluster.limits = structs.replace(cluster.limits, waiting_max=0)
    with replaced(monkeypatch, cluster):
        run(partial(scenario, cluster))
