"""Growth is told from none; every case does what it says, in small boxes. No time is asserted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.grown_box import Cost
from benchmarks.growth import STORES, Limits, lines_of
from benchmarks.growth_lines import ROWS_FLAT, Line, Point, mark
from benchmarks.shapes import ENTRIES_GROW, IDS_GROW, SHAPES, Shape

SMALL = 100
FEW = Limits(SMALL, 0)
READINGS = ("page", "find", "list of them")


def line(*rows: int, each: int = 1) -> Line:
    points = [Point(10**at, each, Cost(1.0, count)) for at, count in enumerate(rows)]
    return Line("shape", "case", "", "memory", points)


@pytest.mark.parametrize(
    ("rows", "told"), [((8, 8), "flat"), ((8, 9, 10), "flat"), ((8, 11), "grows"), ((9, 3), "flat")]
)
def test_what_costs_no_more_in_the_largest_box_is_flat(rows: tuple[int, ...], told: str) -> None:
    assert mark(line(*rows).rows_growth, ROWS_FLAT) == told


def test_the_cost_is_that_of_one_of_what_is_listed() -> None:
    assert line(30, each=10).points[0].rows == 3


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_case_is_measured_at_every_size_that_it_has(shape: Shape, tmp_path: Path) -> None:
    found = {one.case: one.points for one in lines_of(shape, "memory", FEW, tmp_path)}
    for case in shape.cases:
        points = found.get(case.name, [])
        sizes = [size for size in shape.sizes if case.least <= size <= min(case.most, SMALL)]
        assert [point.size for point in points] == sizes
        assert all(point.cost.rows for point in points), case.name
        changes = case.name not in READINGS
        assert all((point.cost.record_bytes > 0) == changes for point in points), case.name


def test_memory_and_sqlite_take_the_same_row_operations(tmp_path: Path) -> None:
    costs = [
        [(one.case, [point.cost.rows for point in one.points]) for one in lines]
        for lines in (lines_of(IDS_GROW, store, FEW, tmp_path) for store in STORES)
    ]
    assert costs[0] == costs[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_lines_are_drawn(tmp_path: Path) -> None:
    lines = [one for store in STORES for one in lines_of(ENTRIES_GROW, store, FEW, tmp_path)]
    from benchmarks.growth_plot import draw  # late: matplotlib takes a second

    draw(lines, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
