"""Who opens connections without end displaces its own; who reports without end is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from comm.admission import Admission
from comm.reports import KINDS_MAX, Reports

ROOM = 4


def test_the_oldest_of_the_address_that_has_most_makes_room() -> None:
    found = Admission(ROOM)
    assert [found.enter(origin) for origin in "abbc"] == [(n, None) for n in range(1, ROOM + 1)]
    assert found.enter("b") == (5, 2)
    assert found.enter("c") == (6, 3)
    assert len(found) == ROOM


def test_a_flood_from_one_address_displaces_nobody_else() -> None:
    found = Admission(ROOM)
    peer, _ = found.enter("peer")
    displaced = [found.enter("flood")[1] for _ in range(100)]
    assert displaced == [None, None, None, *range(2, 99)]
    found.leave(peer)
    assert len(found) == ROOM - 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3))))
def test_there_is_room_for_so_many_and_no_more(steps: list[tuple[str, int]]) -> None:
    found, inside = Admission(ROOM), dict[int, str]()
    for origin, leaves in steps:
        number, displaced = found.enter(origin)
        inside[number] = origin
        if displaced is not None:
            counts = list(inside.values())
            assert counts.count(inside[displaced]) == max(map(counts.count, counts))
            del inside[displaced]
        for one in list(inside)[:leaves]:
            found.leave(one)
            del inside[one]
        assert len(found) == len(inside) <= ROOM


def test_some_go_through_at_once_then_one_at_a_time_with_what_was_left_out() -> None:
    reports = Reports(at_once=2, every_s=10)
    said = [reports.passed("a", str(number), number) for number in range(20)]
    assert said[:11] == ["0", "1", *[None] * 8, "10 (8 more like it were left out)"]
    assert said[11:] == [None] * 9
    assert reports.passed("b", "other", 20) == "other"
    assert reports.passed("a", "calm", 1000) == "calm (9 more like it were left out)"
    assert reports.passed("a", "calm", 1000) == "calm"


def test_what_is_remembered_of_reports_is_bounded() -> None:
    reports = Reports(at_once=1)
    for number in range(KINDS_MAX + 1):
        assert reports.passed(str(number), "line", 0) == "line"
    assert reports.passed(str(KINDS_MAX), "line", 0) is None
    assert reports.passed("0", "line", 0) == "line"
