"""The lines of growth as a picture: one field for each thing that grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.growth_lines import Line

COLUMNS = 2
INCHES = (9.0, 5.0)
"""Of one field."""
DASHES = {"memory": "-", "SQLite": "--"}


def draw(lines: Sequence[Line], file: Path) -> None:
    """A PNG file. Full lines are rows in memory, dashed ones SQLite."""
    shapes = list(dict.fromkeys(line.shape for line in lines))
    high = -(-len(shapes) // COLUMNS)
    figure = Figure(figsize=(INCHES[0] * COLUMNS, INCHES[1] * high), layout="constrained")
    figure.suptitle("processor time of one (rows in memory: full line; in SQLite: dashed)")
    for place, shape in enumerate(shapes, start=1):
        axes = figure.add_subplot(high, COLUMNS, place)
        _field(axes, shape, [line for line in lines if line.shape == shape])
    figure.savefig(file, format="png", dpi=100)


def _field(axes: Axes, shape: str, lines: Sequence[Line]) -> None:
    cases = list(dict.fromkeys(line.case for line in lines))
    colours = mpl.colormaps["tab20"]
    for line in lines:
        label = f"{line.case} / {line.per}" if line.per else line.case
        axes.loglog(
            [point.size for point in line.points],
            [point.cpu_us for point in line.points],
            DASHES[line.store],
            marker=".",
            color=colours(cases.index(line.case) % 20),
            label=label if line.store == "memory" else None,
        )
    axes.set_xlabel(shape)
    axes.set_ylabel("µs")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
