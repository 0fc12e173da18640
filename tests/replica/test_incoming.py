"""How much of what waits one step of a core takes."""

from __future__ import annotations

import pytest

from comm import RECORDS_TARGET, Records
from crdt import Address, Delete, RequestId
from samebox.events import Arrived, Asked, Event
from samebox.incoming import TAKE_MAX, TAKE_RECORDS_MAX, Incoming
from tests.site import actor_named

A = actor_named("a")


def run(link: int, count: int) -> Arrived:
    return Arrived(link, Records(A, 1, bytes(8), [(b"", ())] * count))


def asked(token: int) -> Asked:
    return Asked(token, Delete(Address("box", "x")), RequestId(b"callers.", token), (), 1, "", 0)


def taken(*events: Arrived | Asked) -> list[Event]:
    incoming = Incoming()
    for event in events:
        incoming.bring(event)
    return incoming.take(busy=False)


@pytest.mark.parametrize(("count", "steps"), [(TAKE_RECORDS_MAX - 1, 1), (TAKE_RECORDS_MAX, 2)])
def test_the_records_of_a_run_count_with_the_requests(count: int, steps: int) -> None:
    """A caller here waits for one step and no longer, whatever a returning peer brings."""
    events: list[Arrived | Asked] = [run(1, count), asked(1)]
    assert taken(*events) == events[: 3 - steps]


def test_a_run_is_taken_whole_however_long() -> None:
    events: list[Arrived | Asked] = [asked(1), run(1, 10 * TAKE_MAX), asked(2)]
    assert taken(*events) == events[:2]


def test_a_message_of_records_fills_a_step() -> None:
    assert RECORDS_TARGET == TAKE_RECORDS_MAX


def test_a_step_takes_so_many_requests() -> None:
    events = [asked(token) for token in range(TAKE_MAX + 1)]
    assert taken(*events) == events[:TAKE_MAX]
