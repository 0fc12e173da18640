"""How the cost of one operation grows from size to size, and whether that is growth at all."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from benchmarks.grown_box import Cost

Mark = Literal["flat", "grows"]

ROWS_FLAT = 1.25
"""Row operations have no noise: one or two more, where there are few, are chance."""
TIME_FLAT = 2.0
"""Of processor time, over three decades: caches miss more, and trees of rows get deeper."""


class Point(Struct, frozen=True):
    """`each`: the things that the operation lists by itself; `cost` is that of all of them."""

    size: int
    each: int
    cost: Cost

    @property
    def cpu_us(self) -> float:
        return self.cost.cpu_us / self.each

    @property
    def rows(self) -> float:
        return self.cost.rows / self.each


class Line(Struct, frozen=True):
    """One operation in boxes of growing size; `store` is what kind of rows."""

    shape: str
    case: str
    per: str
    store: str
    points: list[Point]

    @property
    def time_growth(self) -> float:
        return self.points[-1].cpu_us / self.points[0].cpu_us

    @property
    def rows_growth(self) -> float:
        return self.points[-1].rows / self.points[0].rows


class Result(Struct, frozen=True):
    line: Line
    time_growth: float
    rows_growth: float
    time: Mark
    rows: Mark


def mark(growth: float, limit: float) -> Mark:
    return "flat" if growth <= limit else "grows"


def result(line: Line) -> Result:
    return Result(
        line,
        line.time_growth,
        line.rows_growth,
        mark(line.time_growth, TIME_FLAT),
        mark(line.rows_growth, ROWS_FLAT),
    )
