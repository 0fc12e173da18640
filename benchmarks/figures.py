"""Figures and the table that they are printed in."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

from msgspec import Struct
from rich.console import Console
from rich.table import Table

Verdict = Literal["holds", "misses"]


class Target(Struct, frozen=True):
    """What a figure has to reach, in its own unit: as computed in this run, and in words."""

    limit: float
    words: str
    sense: Literal["at least", "at most"]

    def verdict(self, value: float) -> Verdict:
        reached = value >= self.limit if self.sense == "at least" else value <= self.limit
        return "holds" if reached else "misses"


def at_least(limit: float, words: str) -> Target:
    return Target(limit, f"≥ {words}", "at least")


def at_most(limit: float, words: str) -> Target:
    return Target(limit, f"≤ {words}", "at most")


class Figure(Struct, frozen=True):
    """One line of the table. `rounds` are the values of which `value` is the median, and
    `floor_rounds` those of `floor`; `worst` is what no version may fall short of.
    """

    question: str
    name: str
    unit: str
    value: float
    rounds: list[float] = []
    floor: float | None = None
    floor_rounds: list[float] = []
    target: Target | None = None
    worst: Target | None = None

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.value / self.floor

    def reached(self, target: Target | None) -> Verdict | None:
        return None if target is None else target.verdict(self.value)


class Row(Struct, frozen=True):
    """A figure as it is written to the results."""

    figure: Figure
    ratio: float | None
    target: Verdict | None
    worst: Verdict | None


def row(figure: Figure) -> Row:
    return Row(figure, figure.ratio, figure.reached(figure.target), figure.reached(figure.worst))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed."""
    assert values
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]


def print_table(figures: Sequence[Figure]) -> None:
    table = Table(title="median of the rounds; floor: the same without semantics, same run")
    for name in ("question", "figure"):
        table.add_column(name)
    for name in ("value", "floor", "ratio"):
        table.add_column(name, justify="right")
    for name in ("target", "", "at worst", ""):
        table.add_column(name)
    for figure in figures:
        table.add_row(
            figure.question,
            figure.name,
            f"{number(figure.value)} {figure.unit}",
            "" if figure.floor is None else number(figure.floor),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.target.words if figure.target else "",
            figure.reached(figure.target) or "",
            figure.worst.words if figure.worst else "",
            figure.reached(figure.worst) or "",
        )
    Console(width=None if Console().is_terminal else 150).print(table)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
