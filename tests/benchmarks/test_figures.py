"""Percentiles, targets and the pairing of requests with what the peer saw."""

import pytest

from benchmarks.figures import Figure, at_least, at_most, percentile, row
from benchmarks.load import Asked, Seen, contents_of, visible_ms


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (1, 1), (50, 50), (50.5, 51), (99, 99), (100, 100)]
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    percent: float, value: float
) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == value


def test_a_target_holds_at_its_limit_and_misses_beyond_it() -> None:
    assert at_least(30.0, "30/s").verdict(30.0) == "holds"
    assert at_least(30.0, "30/s").verdict(29.9) == "misses"
    assert at_most(2.0, "2 ms").verdict(2.0) == "holds"
    assert at_most(2.0, "2 ms").verdict(2.1) == "misses"


def test_a_row_says_the_ratio_to_the_floor_and_what_was_reached() -> None:
    figure = Figure("q", "n", "/s", 20.0, floor=50.0, target=at_least(10.0, ""))
    assert row(figure).ratio == 0.4
    assert (row(figure).target, row(figure).worst) == ("holds", None)


def test_without_a_floor_there_is_no_ratio() -> None:
    assert row(Figure("q", "n", "ms", 20.0)).ratio is None


def test_a_request_is_paired_with_the_moment_its_own_operation_was_seen() -> None:
    asked = Asked(asked_ns={8: 2_000_000, 7: 1_000_000})
    assert visible_ms(asked, Seen({6: 0, 7: 4_000_000, 8: 7_500_000})) == [5.5, 3.0]


def test_an_operation_that_the_peer_never_showed_is_no_figure() -> None:
    with pytest.raises(KeyError):
        visible_ms(Asked(asked_ns={8: 2_000_000}), Seen({7: 4_000_000}))


def test_no_two_contents_are_the_same() -> None:
    made = {contents_of(number) for number in range(300)}
    assert len(made) == 300
    assert {len(contents) for contents in made} == {4096}
