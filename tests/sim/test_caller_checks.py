"""What callers may be told, as the watch of a world judges it."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import cast

import pytest

from crdt import Address, Create, RequestId
from samebox.events import Asked
from samebox.leftover import TOO_LATE
from sim.book import Life, Violation
from sim.shell import Shell
from sim.watch import Watch
from sim.world import Trace, World

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
