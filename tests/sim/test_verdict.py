"""What the end of a world asks of a node that was damaged last."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from crdt import View
from crdt.operations import BoxMade
from sim.book import Violation
from sim.faults import Fate
from sim.seed import Options, run_seed
from sim.verdict import Verdict
from tests.oracle import view
from tests.sim.few_nodes import HABITS, SMALL_SEGMENTS, FewNodes, segments_of


def test_a_log_that_lacks_a_segment_is_not_asked_what_the_operations_are() -> None:
    """It was taken away under the running node, and one operation the watch has not heard of."""
    nodes = FewNodes("a", "b", habits=replace(HABITS, limits=SMALL_SEGMENTS))
    nodes.start()
    nodes.create("a", 60)
    _, second, *others = segments_of(nodes.hosts["a"])
    assert others
    nodes.watch.medium_damaged("a")
    nodes.hosts["a"].machine.disk.forget(second)
    nodes.watch.operations.popitem()
    verdict = Verdict(nodes.world, nodes.hosts, nodes.watch)
    verdict.come_to_rest()
    verdict.judge(view)


def test_of_an_actor_as_which_two_wrote_the_history_that_the_log_holds_is_asked() -> None:
    """The watch saw operations that a peer never had; it has those of the copy in their place."""
    nodes = FewNodes("a", "b")
    nodes.start()
    nodes.create("a", 3)
    verdict = Verdict(nodes.world, nodes.hosts, nodes.watch)
    verdict.come_to_rest()
    dot, operation = nodes.watch.operations.popitem()
    nodes.watch.operations[dot] = replace(operation, body=BoxMade("of another history", fold=False))
    with pytest.raises(Violation, match="not what the operations mean"):
        verdict.judge(view)
    nodes.watch.forks[dot.actor] = "a"
    with pytest.raises(Violation, match="not what the operations mean"):
        verdict.judge(lambda _: View(()))
    verdict.judge(view)


def test_a_world_that_fails_itself_says_so_and_ends_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Fate, duration_us: int) -> None:
        raise KeyError("of no matter")

    monkeypatch.setattr(Fate, "begin", fail)
    violation = run_seed(1, Options()).violation
    assert violation is not None and "of no matter" in violation
