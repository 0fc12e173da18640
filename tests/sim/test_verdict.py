"""What the end of a world asks of a node that was damaged last."""

from __future__ import annotations

from hashlib import sha256

import pytest
from msgspec.structs import replace

from crdt import Address, Create, RequestId, View
from crdt.operations import BoxMade
from samebox.events import Carried, Done, Outcome
from samebox.write_back import Bounds
from sim.book import Violation
from sim.faults import Fate
from sim.seed import Options, run_seed
from sim.shell import Shell
from sim.verdict import Verdict
from sim.world import SECOND
from tests.oracle import view
from tests.sim.few_nodes import HABITS, SMALL_SEGMENTS, FewNodes, segments_of, shell_of

SLOW_US = 5 * SECOND
ROW_BY_ROW = replace(HABITS, bounds=Bounds(write_rows=1, unwritten_rows=1))
"""Every batch waits until the state that the one before it left is written."""


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


def ask(shell: Shell, number: int, answers: list[Outcome]) -> None:
    request, id = Create(Address(f"another box {number}")), RequestId(b"a caller", number)
    shell.ask(request, answers.append, id=id, copies=1, within_us=None, carried=())


def waits_for_a_slow_disk(answers: list[Outcome]) -> FewNodes:
    """The disk of a is well again, but for the write of its state that began before; of two
    requests, the second one waits for that, and nothing else does."""
    nodes = FewNodes("a", "b", habits=ROW_BY_ROW)
    nodes.start()
    nodes.create("a", 3)
    host = nodes.hosts["a"]
    host.slow_by(SLOW_US)
    ask(shell_of(host), 1, answers)
    nodes.world.run(nodes.world.now + SLOW_US + SECOND // 10)
    ask(shell_of(host), 2, answers)
    nodes.world.run(nodes.world.now + SECOND // 10)
    host.heal()
    assert len(answers) == 1
    return nodes


def test_a_request_that_waits_for_what_a_slow_disk_began_is_waited_for() -> None:
    answers: list[Outcome] = []
    nodes = waits_for_a_slow_disk(answers)
    verdict = Verdict(nodes.world, nodes.hosts, nodes.watch)
    verdict.come_to_rest()
    verdict.judge(view)
    assert [type(answer) for answer in answers] == [Done, Done]


def test_a_request_without_an_answer_when_the_disk_is_well_again_hangs() -> None:
    nodes = waits_for_a_slow_disk([])
    assert shell_of(nodes.hosts["a"]).incoming.withdraw_all()
    verdict = Verdict(nodes.world, nodes.hosts, nodes.watch)
    verdict.come_to_rest()
    with pytest.raises(Violation, match="O6 broken at a.* hangs"):
        verdict.judge(view)


def test_contents_that_a_slow_disk_takes_are_named_before_a_world_is_at_rest() -> None:
    nodes, answers = FewNodes("a", "b"), list[Outcome]()
    nodes.start()
    nodes.create("a", 3)
    host = nodes.hosts["a"]
    host.slow_by(SLOW_US)
    shell = shell_of(host)
    shell.store_first(Carried(sha256(b"long").digest(), b"long"), lambda: ask(shell, 1, answers))
    host.heal()
    Verdict(nodes.world, nodes.hosts, nodes.watch).come_to_rest()
    assert [type(answer) for answer in answers] == [Done]


def test_a_world_that_fails_itself_says_so_and_ends_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Fate, duration_us: int) -> None:
        raise KeyError("of no matter")

    monkeypatch.setattr(Fate, "begin", fail)
    violation = run_seed(1, Options()).violation
    assert violation is not None and "of no matter" in violation
