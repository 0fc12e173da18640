"""Whatever the order of tasks, the speed of disks and the moment of a cut: nothing confirmed is
lost. One seed is one schedule."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio
from trio.abc import Instrument
from typing_extensions import override

from samebox.io.node import Node
from tests.shell.deterministic import run
from tests.shell.world import Cluster, agreed, make_inbox, replaced, shown

SEEDS = range(12)
EACH = 8
"""Messages that each node is asked for."""


class Trace(Instrument):
    """The names of the tasks in the order in which they ran."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    @override
    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps.append(task.name)


async def three_nodes(cluster: Cluster, seed: int) -> None:
    random = Random(seed)
    async with cluster.node("a") as a, cluster.node("b") as b, cluster.node("c") as c:
        await make_inbox(a)
        await agreed(a, b, c)
        for disk in cluster.disks.values():
            disk.job_s = random.choice((0.0, 0.001, 0.2))
        async with trio.open_nursery() as nursery:
            for first, node in enumerate((a, b, c)):
                nursery.start_soon(write, cluster, node, first * EACH, random)
            for _ in range(3):
                await trio.sleep(random.uniform(0, 2))
                await cluster.network.cut()
        await agreed(a, b, c)
        for node in (a, b, c):
            there = Counter(await shown(node))
            assert there == Counter(cluster.hashes.values()), f"not once each at {node.name}"
    assert cluster.confirmed == set(range(3 * EACH))


async def write(cluster: Cluster, node: Node, first: int, random: Random) -> None:
    for number in range(first, first + EACH):
        copies = random.choice((1, 2, 3))
        await cluster.append(node, number, random.choice((0, 100 << 10)), copies=copies)
        await trio.sleep(random.uniform(0, 0.5))


def trace_of(node_list: Path, seed: int, patch: pytest.MonkeyPatch) -> list[str]:
    cluster, trace = Cluster(node_list, "abc"), Trace()
    with replaced(patch, cluster):
        run(partial(three_nodes, cluster, 0), seed=seed, instruments=[trace])
    return trace.steps


@pytest.mark.slow
def test_canary_a_seed_is_one_schedule_and_another_seed_another(
    node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Trio keeps private works as tests.shell.deterministic takes it to."""
    first = trace_of(node_list, 1, monkeypatch)
    assert first == trace_of(node_list, 1, monkeypatch)
    assert first != trace_of(node_list, 2, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_three_nodes_agree_on_all_that_was_confirmed(
    seed: int, node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(node_list, "abc")
    with replaced(monkeypatch, cluster):
        run(partial(three_nodes, cluster, seed), seed=seed)
