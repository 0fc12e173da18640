"""A property of an application that does not hold: what its author is told."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt import Address, Append, Create
from sim import SimCluster
from sim.scripting import Step, play, scripts
from tests.site import blob_of

ROOM = Address("room", "INBOX")


@settings(database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(script=scripts(st.just("book")))
def a_room_is_booked_once(script: list[Step[str]]) -> None:
    cluster = SimCluster(["a", "b"])
    cluster.ask("a", Create(Address("room")))
    cluster.heal()

    def act(node: str, _: str) -> None:
        if cluster.count(node, ROOM) == 0:
            cluster.settle(node)
            cluster.ask(node, Append(ROOM, blob_of(node)))
            cluster.settle(node)

    play(cluster, script, act)
    cluster.heal()
    assert cluster.count("a", ROOM) <= 1


@pytest.mark.slow
def test_a_property_that_fails_tells_the_steps_that_matter() -> None:
    with pytest.raises(AssertionError) as caught:
        a_room_is_booked_once()
    told = [line for line in caught.value.__notes__ if line.startswith("act(")]
    assert told == ["act('a', 'book')", "act('b', 'book')"]


def test_a_name_of_no_node_is_told_and_nothing_is_done() -> None:
    cluster = SimCluster(["a", "b"])
    for step in (
        lambda: cluster.ask("c", Create(Address("room"))),
        lambda: cluster.connect("a", "c"),
        lambda: cluster.cut("c", "b"),
        lambda: cluster.carry("a", "c"),
        lambda: cluster.kill("c"),
        lambda: cluster.count("c", ROOM),
    ):
        with pytest.raises(LookupError, match="expected one of the nodes a, b; found 'c'"):
            step()
    cluster.heal()
    assert cluster.count("a", ROOM) == 0
