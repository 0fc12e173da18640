"""An error in the task of one link ends that link; it comes up again, and nothing else notices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from comm.io import FrameStream
from comm.io import link as wire
from samebox.io import links as product
from samebox.io.contents import Contents
from samebox.io.node import Node
from samebox.io.sending import Source
from tests.shell.deterministic import run
from tests.shell.world import Cluster, agreed, make_inbox, replaced, shown

pytestmark = pytest.mark.slow

EACH = 5

Place = tuple[object, str]
PLACES: dict[str, Place] = {
    "sending": (product.LinkPort, "next"),
    "sending at once": (product, "say_nowait"),
    "receiving": (product.LinkPort, "received"),
    "reading the log": (Source, "messages"),
    "parsing": (wire, "decode"),
    "building": (wire, "encode"),
    "comparing histories": (product, "judge_histories"),
}


BY_THE_TASK = ("sending", "reading the log", "building")
"""Where nothing is to be sent without it."""


def failing_once(patch: pytest.MonkeyPatch, place: Place, error: Exception) -> Callable[[], bool]:
    """The next call there raises; whether it came to that."""
    owner, name = place
    real = getattr(owner, name)
    has_failed = False

    def call(*args: object) -> object:
        nonlocal has_failed
        if not has_failed:
            has_failed = True
            raise error
        return real(*args)

    patch.setattr(owner, name, call)
    return lambda: has_failed


@pytest.mark.parametrize("error", [ValueError("planted"), MemoryError("planted")], ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_an_error_in_one_link_ends_that_link_alone(
    place: str, error: Exception, node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place in BY_THE_TASK:
        monkeypatch.setattr(FrameStream, "is_prompt", False)

    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a, cluster.node("b") as b, cluster.node("c") as c:
            await make_inbox(a)
            await agreed(a, b, c)
            before = {name: len(lines) for name, lines in cluster.notices.items()}
            failed = failing_once(monkeypatch, PLACES[place], error)
            if place == "comparing histories":
                await cluster.network.cut()
                before = {name: len(lines) for name, lines in cluster.notices.items()}
            await write_everywhere(cluster, a, b, c)
            assert failed()
            assert len(await shown(a)) == len(await shown(b)) == len(await shown(c)) == 3 * EACH
            said = [
                line for name, lines in cluster.notices.items() for line in lines[before[name] :]
            ]
            assert sum("planted" in line for line in said) == 1, said
            if place != "comparing histories":
                assert sum("disconnected" in line for line in said) == 2, said

    cluster = Cluster(node_list, "abc")
    with replaced(monkeypatch, cluster):
        run(partial(scenario, cluster))


async def write_everywhere(cluster: Cluster, *nodes: Node) -> None:
    async with trio.open_nursery() as nursery:
        for first, node in enumerate(nodes):
            for number in range(first * EACH, (first + 1) * EACH):
                nursery.start_soon(partial(cluster.append, node, number, copies=3))
    await agreed(*nodes)


def test_an_error_while_blobs_are_answered_ends_that_connection_alone(
    node_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with cluster.node("a") as a, cluster.node("b") as b:
            await make_inbox(a)
            await agreed(a, b)
            failed = failing_once(monkeypatch, (Contents, "piece"), MemoryError("planted"))
            await cluster.append(a, 1, 100 << 10)
            await agreed(a, b)
            assert failed()
            assert len(await shown(b)) == 1
            assert not [line for line in cluster.notices["a"] if "disconnected" in line]

    cluster = Cluster(node_list, "ab")
    with replaced(monkeypatch, cluster):
        run(partial(scenario, cluster))
