"""What does size cost? Every operation in boxes of several sizes, in memory and in SQLite.

python -m benchmarks.growth [--only SHAPE]... [--most N] [--plot FILE.png] [--json FILE]

Some minutes. `flat` is what does not cost more in the largest box than in the smallest, told for
one of the things that the operation itself lists; all else `grows`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.grown_box import GrownBox
from benchmarks.growth_lines import ROWS_FLAT, TIME_FLAT, Line, Point, Result, mark, result
from benchmarks.machine import Machine, disk_folder, machine
from benchmarks.shapes import ENTRIES, SHAPES, Made, Shape
from crdt import MemoryRows, Rows
from samebox.io.sqlite_image import SqliteImages
from samebox.write_back import WriteBackRows

STORES = ("memory", "SQLite")
TRIALS_NS = 300_000_000


class Results(Struct, frozen=True):
    machine: Machine
    lines: list[Result]


# Measuring


class Limits(Struct, frozen=True):
    """`most`: larger sizes are left out. `trials_ns`: of processor time, for one case."""

    most: int
    trials_ns: int


def lines_of(shape: Shape, store: str, limits: Limits, folder: Path) -> list[Line]:
    points: dict[str, list[Point]] = {case.name: [] for case in shape.cases}
    for size, box, made in boxes(shape, store, limits.most, folder):
        for case in shape.cases:
            if case.least <= size <= case.most:
                asked = case.ask(made, size)
                cost = box.cost(asked, warm=not case.cold, trials_ns=limits.trials_ns)
                points[case.name].append(Point(size, case.each(size), cost))
    return [
        Line(shape.name, case.name, case.per, store, points[case.name])
        for case in shape.cases
        if points[case.name]
    ]


def boxes(
    shape: Shape, store: str, most: int, folder: Path
) -> Iterator[tuple[int, GrownBox, Made]]:
    sizes = [size for size in shape.sizes if size <= most]
    if shape.same_box and sizes:
        with rows_in(store, folder) as rows:
            box, made = built(shape, rows, sizes[-1])
            yield from ((size, box, made) for size in sizes)
        return
    for size in sizes:
        with rows_in(store, folder) as rows:
            yield size, *built(shape, rows, size)


def built(shape: Shape, rows: Rows, size: int) -> tuple[GrownBox, Made]:
    box = GrownBox(rows)
    made = shape.build(box, size)
    box.done()
    return box, made


@contextmanager
def rows_in(store: str, folder: Path) -> Iterator[Rows]:
    """New ones, gone afterwards."""
    if store == "memory":
        yield MemoryRows()
        return
    with TemporaryDirectory(prefix="samebox-growth-", dir=folder) as name:
        with closing(WriteBackRows(SqliteImages(Path(name)).open())) as rows:
            yield rows


# Telling


def print_tables(lines: list[Line]) -> None:
    """One for each shape, one row for each operation; memory and SQLite beside one another."""
    console = Console(width=None if Console().is_terminal else 160)
    print(
        "µs and row operations for one of what is listed; × from the smallest to the largest size"
    )
    for shape in dict.fromkeys(line.shape for line in lines):
        table = Table(title=shape, title_justify="left", show_edge=False)
        for name in ("operation", "sizes"):
            table.add_column(name, no_wrap=True)
        for name in ("rows", "×", "", *(n for store in STORES for n in (f"{store} µs", "×", ""))):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("bytes", justify="right", no_wrap=True)
        stores: dict[str, dict[str, Line]] = {}
        for line in lines:
            if line.shape == shape:
                stores.setdefault(line.case, {})[line.store] = line
        for of_case in stores.values():
            table.add_row(*cells(of_case))
        console.print(table)


def cells(stores: dict[str, Line]) -> list[str]:
    """`bytes` are those of the records at the largest size, all together."""
    line = next(iter(stores.values()))
    first, last = line.points[0], line.points[-1]
    found = [
        f"{line.case} / {line.per}" if line.per else line.case,
        f"{first.size:,} – {last.size:,}",
        f"{short(first.rows)} → {short(last.rows)}",
        short(line.rows_growth),
        mark(line.rows_growth, ROWS_FLAT),
    ]
    for line in (stores[store] for store in STORES):
        times = f"{short(line.points[0].cpu_us)} → {short(line.points[-1].cpu_us)}"
        found += [times, short(line.time_growth), mark(line.time_growth, TIME_FLAT)]
    return [*found, f"{last.cost.record_bytes:,}" if last.cost.record_bytes else ""]


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


class Options(Struct, frozen=True):
    shapes: list[Shape]
    most: int
    plot: Path | None
    json: Path | None


def arguments() -> Options:
    by_name = {shape.name: shape for shape in SHAPES}
    parser = argparse.ArgumentParser(description="what size costs")
    parser.add_argument("--only", action="append", choices=list(by_name), default=[])
    parser.add_argument("--most", type=int, default=ENTRIES, help="leave larger sizes out")
    parser.add_argument("--plot", type=Path, help="draw the lines into this PNG file")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    found = parser.parse_args()
    return Options(
        [by_name[name] for name in found.only or by_name], found.most, found.plot, found.json
    )


def main() -> None:
    options = arguments()
    folder = disk_folder()
    lines: list[Line] = []
    for shape in options.shapes:
        for store in STORES:
            print(f"{shape.name}, {store} …", flush=True)
            lines += lines_of(shape, store, Limits(options.most, TRIALS_NS), folder)
    print_tables(lines)
    if options.plot is not None:
        from benchmarks.growth_plot import draw  # late: matplotlib takes a second

        draw(lines, options.plot)
    if options.json is not None:
        results = Results(machine(folder), [result(line) for line in lines])
        encoded = msgspec.json.format(msgspec.json.encode(results), indent=1)
        options.json.write_bytes(encoded + b"\n")


if __name__ == "__main__":
    main()
