"""What callers may be told, as the watch of a world judges it."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import cast

import pytest

from crdt import Address, Create, RequestId
from samebox.events import Asked, Refusal
from samebox.leftover import TOO_LATE
from sim.book import Life, Violation
from sim.caller_checks import ANSWER_US
from sim.shell import Shell
from sim.watch import Watch
from sim.world import SECOND, Trace, World
from tests.sim.few_nodes import FewNodes

WITHIN_US = 100


def given_up_after(after_us: int, within_us: int | None) -> None:
    watch = Watch(World(Random(0), Trace(None)), ["a"])
    host = SimpleNamespace(name="a", is_paused=False, slow_us=0)
    shell = cast(Shell, SimpleNamespace(name="a", host=host))
    life = watch.lives["a"] = Life({})
    request = Asked(1, Create(Address("mail")), RequestId(b"a client", 1), copies=2)
    watch.asked(shell, request, within_us)
    watch.world.run(after_us)
    watch.replied(shell, life, 1, TOO_LATE)


def test_a_request_that_waited_until_its_deadline_may_be_given_up() -> None:
    given_up_after(WITHIN_US, WITHIN_US)


@pytest.mark.parametrize("within_us", [WITHIN_US, None])
def test_no_request_is_given_up_before_its_deadline(within_us: int | None) -> None:
    with pytest.raises(Violation, match="before its time"):
        given_up_after(WITHIN_US - 1, within_us)


SLOW_US = 9 * SECOND


def answered_after_slowness(at_us: int) -> None:
    """A job begins while the disk is slow; then it is less slow, and then well."""
    nodes = FewNodes("a")
    host, watch = nodes.hosts["a"], nodes.watch
    shell = cast(Shell, SimpleNamespace(name="a", host=host))
    life = watch.lives["a"] = Life({})
    host.slow_by(SLOW_US)
    watch.asked(shell, Asked(1, Create(Address("mail")), RequestId(b"a client", 1)), None)
    host.slow_by(1)
    host.slow_by(0)
    nodes.world.run(at_us)
    watch.replied(shell, life, 1, Refusal("no-such-box", "of no matter"))


def test_a_job_that_began_while_the_disk_was_slow_is_waited_for() -> None:
    answered_after_slowness(SLOW_US + ANSWER_US)


def test_no_more_than_that_job_is_waited_for() -> None:
    with pytest.raises(Violation, match="took 14"):
        answered_after_slowness(SLOW_US + ANSWER_US + 1)
