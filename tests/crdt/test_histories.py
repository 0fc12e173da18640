"""The tools of these tests: scripts mean one history, orders are causal, failures shrink."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings

from tests.histories import World, causal_order
from tests.scripts import Act, Script, Start, Step, random_script, scripts, shrink, spelled
from tests.site import Site, actor_named


@settings(max_examples=25)
@given(scripts())
def test_a_script_means_one_history(script: Script) -> None:
    assert World(script).operations() == World(script).operations()


def test_a_script_is_spelled_as_what_it_is() -> None:
    script = random_script(Random(3), 20)
    names = {"Script": Script, "Start": Start, "Step": Step, "Act": Act}
    assert eval(spelled(script), names) == script


def test_every_order_is_causal_and_whole() -> None:
    for seed in range(20):
        operations = World(random_script(Random(seed), 40)).operations()
        observer = Site(actor_named("z"))
        for operation in causal_order(operations, Random(seed)):
            observer.deliver(operation)  # asserts that its causes are there
        assert len(observer.delivered) == 1 + len(operations)


def test_lamport_times_are_one_more_than_the_greatest_seen() -> None:
    for seed in range(20):
        operations = World(random_script(Random(seed), 40)).operations()
        for operation in operations:
            seen = [other.lamport for other in operations if operation.saw(other.dot)]
            assert operation.lamport == 1 + max(seen, default=0)


def test_a_failing_script_shrinks_to_the_steps_that_fail() -> None:
    script = random_script(Random(1), 80)

    def fails(shorter: Script) -> bool:
        acts = [step.act for step in shorter.steps]
        return Act.FOLDER in acts and Act.SYNC in acts[acts.index(Act.FOLDER) :]

    assert [step.act for step in shrink(script, fails).steps] == [Act.FOLDER, Act.SYNC]
