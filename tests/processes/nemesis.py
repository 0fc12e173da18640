"""What befalls a running cluster: each fault is begun, lasts while writes go on, and is ended."""

from __future__ import annotations

import os
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from samebox.testing import LocalCluster, Weather, find_violations
from tests.processes.recorder import History, sessions, settle

YEARS_10_S = 10 * 365 * 86_400
HOUR_S = 3_600
NO_ROOM_BYTES = 4096
MORE = 20
"""Writes that are confirmed while a fault lasts, and again when it is over."""

Fault: TypeAlias = Callable[["Nemesis"], AbstractContextManager[None]]


class Nemesis:
    def __init__(self, cluster: LocalCluster, history: History, seed: int) -> None:
        self.cluster = cluster
        self.random = Random(seed)
        self.befell: list[str] = []
        self._history = history

    def strike(self, name: str) -> None:
        self.befell.append(name)
        with FAULTS[name](self):
            self._history.wait_confirmed(MORE, self._describe)
        self._history.wait_confirmed(MORE, self._describe)

    def victim(self) -> str:
        return self.random.choice(self.cluster.names)

    def pid(self, name: str) -> int:
        pid = self.cluster.nodes[name].pid
        assert pid is not None, f"node {name} is down: {self._describe()}"
        return pid

    def _describe(self) -> str:
        return f"after {', '.join(self.befell)}:\n{self.cluster.logs()}"


@contextmanager
def killed(nemesis: Nemesis) -> Iterator[None]:
    name = nemesis.victim()
    nemesis.cluster.kill(name)
    yield
    nemesis.cluster.start(name)


@contextmanager
def all_killed(nemesis: Nemesis) -> Iterator[None]:
    names = list(nemesis.cluster.names)
    nemesis.cluster.kill(*names)
    nemesis.random.shuffle(names)
    nemesis.cluster.start(*names)
    yield


@contextmanager
def paused(nemesis: Nemesis) -> Iterator[None]:
    pid = nemesis.pid(nemesis.victim())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def isolated(nemesis: Nemesis) -> Iterator[None]:
    nemesis.cluster.cut(nemesis.victim())
    yield
    nemesis.cluster.heal()


@contextmanager
def one_line_cut(nemesis: Nemesis) -> Iterator[None]:
    nemesis.cluster.cut(*nemesis.random.sample(nemesis.cluster.names, 2))
    yield
    nemesis.cluster.heal()


@contextmanager
def all_cut(nemesis: Nemesis) -> Iterator[None]:
    for name in nemesis.cluster.names:
        nemesis.cluster.cut(name)
    yield
    nemesis.cluster.heal()


def bad_weather(weather: Weather) -> Fault:
    @contextmanager
    def fault(nemesis: Nemesis) -> Iterator[None]:
        victim = nemesis.victim()
        for other in nemesis.cluster.names:
            if other != victim:
                nemesis.cluster.set_weather(victim, other, weather)
        yield
        nemesis.cluster.heal()

    return fault


@contextmanager
def one_way(nemesis: Nemesis) -> Iterator[None]:
    """What the victim opens leads nowhere; what others open to it is whole."""
    victim = nemesis.victim()
    for other in nemesis.cluster.names:
        if other != victim:
            nemesis.cluster.lines.set_weather(victim, other, Weather(is_dumb=True))
    yield
    nemesis.cluster.heal()


@contextmanager
def no_room(nemesis: Nemesis) -> Iterator[None]:
    """A limit on the size of files stands for the full disk: to a process it looks the same."""
    pid = nemesis.pid(nemesis.victim())
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (NO_ROOM_BYTES, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def wrong_clock(shift_s: int) -> Fault:
    @contextmanager
    def fault(nemesis: Nemesis) -> Iterator[None]:
        name = nemesis.victim()
        nemesis.cluster.nodes[name].stop()
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(Path(__file__).parent / "wrong_clock")
            patch.setenv("SHIFTED_CLOCK_S", str(shift_s))
            nemesis.cluster.start(name)
        yield
        nemesis.cluster.nodes[name].stop()
        nemesis.cluster.start(name)

    return fault


FAULTS: dict[str, Fault] = {
    "killed": killed,
    "all killed": all_killed,
    "paused": paused,
    "isolated": isolated,
    "one line cut": one_line_cut,
    "all cut": all_cut,
    "late": bad_weather(Weather(delay_s=0.5)),
    "slow": bad_weather(Weather(delay_s=0.01, piece_bytes=512)),
    "damaged": bad_weather(Weather(flips_every=7)),
    "half-open": bad_weather(Weather(is_dumb=True)),
    "one way": one_way,
    "no room": no_room,
    "ten years ahead": wrong_clock(YEARS_10_S),
    "an hour behind": wrong_clock(-HOUR_S),
}


def survive(cluster: LocalCluster, faults: list[str], *, each: int, seed: int) -> History:
    """One fault after another, then peace: judged by what the sessions saw, and by what is there
    in the end, and after all nodes were killed once more."""
    with sessions(cluster, each=each, seed=seed) as history:
        nemesis = Nemesis(cluster, history, seed)
        for name in faults:
            nemesis.strike(name)
    settle(cluster, history)
    cluster.kill(*cluster.names)
    cluster.start(*cluster.names)
    settle(cluster, history)
    violations = find_violations(history.steps)
    assert not violations, f"{nemesis.befell}: {violations[:10]}"
    kinds = Counter(type(step.event).__name__ for step in history.steps)
    assert kinds["Appended"] > MORE * len(faults) and kinds["Shown"] and kinds["Removed"]
    assert history.moves or len(faults) < len(FAULTS), "no session moved to another node"
    return history
