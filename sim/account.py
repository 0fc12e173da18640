"""Many seeds in figures: what was run, which faults struck, and how it ended."""

from __future__ import annotations

from sim.faults import FAULTS
from sim.seed import Account

HOUR_US = 3_600_000_000


class Sum:
    """`struck` and `broken` are by fault: how often it struck; in how many violated seeds."""

    def __init__(self) -> None:
        self.seeds = 0
        self.simulated_us = 0
        self.rest_us_max = 0
        self.operations = 0
        self.starts = 0
        self.struck: dict[str, int] = {}
        self.worlds: dict[str, int] = {}
        self.broken: dict[str, int] = {}
        self.outcomes: dict[str, int] = {}
        self.violations: list[Account] = []

    def add(self, account: Account) -> None:
        self.seeds += 1
        self.simulated_us += account.simulated_us
        self.rest_us_max = max(self.rest_us_max, account.rest_us)
        self.operations += account.operations
        self.starts += account.starts
        for name, count in account.struck.items():
            self.struck[name] = self.struck.get(name, 0) + count
            self.worlds[name] = self.worlds.get(name, 0) + 1
            if account.violation is not None:
                self.broken[name] = self.broken.get(name, 0) + 1
        for kind, count in account.outcomes.items():
            self.outcomes[kind] = self.outcomes.get(kind, 0) + count
        if account.violation is not None:
            self.violations.append(account)


def summary(total: Sum, took_s: float) -> str:
    hours = total.simulated_us / HOUR_US
    replies = ", ".join(f"{count} {kind}" for kind, count in sorted(total.outcomes.items()))
    lines = [
        f"{total.seeds} seeds in {took_s:.0f} s: {total.seeds / took_s:.1f} seeds/s, "
        f"{hours:.1f} simulated hours",
        f"{total.operations} operations, {total.starts} starts; replies: {replies}",
        f"slowest convergence after healing: {total.rest_us_max / 1e6:.1f} s",
        f"{len(total.violations)} violations: {_seeds(total.violations)}",
        "",
        f"{'fault':<28}{'numbers':<24}{'struck':>8}{'worlds':>8}{'held':>8}{'broken':>8}",
    ]
    for fault in FAULTS:
        struck, worlds = total.struck.get(fault.name, 0), total.worlds.get(fault.name, 0)
        broken = total.broken.get(fault.name, 0)
        figures = f"{struck:>8}{worlds:>8}{worlds - broken:>8}{broken:>8}"
        lines.append(f"{fault.name:<28}{fault.text:<24}{figures}")
    return "\n".join([*lines, "", "by number (worlds, broken of them):", *_by_number(total)])


def _by_number(total: Sum) -> list[str]:
    """In how many worlds a fault of that number struck, at least, and how many were violated."""
    worlds: dict[int, int] = {}
    broken: dict[int, int] = {}
    for fault in FAULTS:
        for number in map(int, fault.numbers):
            worlds[number] = max(worlds.get(number, 0), total.worlds.get(fault.name, 0))
            broken[number] = max(broken.get(number, 0), total.broken.get(fault.name, 0))
    parts = [f"{number}: {worlds[number]}, {broken[number]}" for number in sorted(worlds)]
    return [";  ".join(parts[at : at + 8]) for at in range(0, len(parts), 8)]


def _seeds(violations: list[Account]) -> str:
    shown = ", ".join(str(account.seed) for account in violations[:50])
    return shown or "none"
