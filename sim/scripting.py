"""Scripts for a cluster in one process: what users do, mixed with what happens to nodes and lines.

Hypothesis makes them and shrinks them; `play` runs them step by step, and says in words which
steps the smallest failing one has. Import this module only where Hypothesis is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from hypothesis import currently_in_test_context, note
from hypothesis import strategies as st

from sim.cluster import SimCluster

A = TypeVar("A")


class Happening(StrEnum):
    ACT = "act"
    """A user does something at a node."""
    SYNC = "sync"
    """The disk of a node ends the batch under way."""
    CARRY = "carry"
    """The oldest message on the line between two nodes arrives."""
    CONNECT = "connect"
    CUT = "cut"
    KILL = "kill"
    """A node dies at once, and starts again on what its disk holds."""
    TICK = "tick"
    """Time goes by at a node."""
    SETTLE = "settle"
    """The disk of a node ends everything under way."""


BETWEEN_TWO = (Happening.CARRY, Happening.CONNECT, Happening.CUT)


class Step(NamedTuple, Generic[A]):
    """`node` and `other` are places in the cluster's list of names, counted round."""

    happening: Happening
    node: int
    other: int
    action: A | None


WEIGHTS = (
    (Happening.ACT, 3),
    (Happening.CARRY, 2),
    (Happening.SYNC, 1),
    (Happening.CONNECT, 1),
    (Happening.CUT, 1),
    (Happening.KILL, 1),
    (Happening.TICK, 1),
    (Happening.SETTLE, 1),
)


def scripts(
    actions: st.SearchStrategy[A], *, size_max: int = 60
) -> st.SearchStrategy[list[Step[A]]]:
    """Lists of up to `size_max` steps, whose acts are drawn from `actions`."""
    place = st.integers(0, 4)
    happenings = st.sampled_from([what for what, weight in WEIGHTS for _ in range(weight)])

    def step(happening: Happening) -> st.SearchStrategy[Step[A]]:
        action = actions if happening is Happening.ACT else st.none()
        return st.builds(Step, st.just(happening), place, place, action)

    # Two lists: as many steps as a least size would draw, and the end may shrink to fewer.
    half = st.lists(happenings.flatmap(step), max_size=size_max // 2)
    return _joined(half)


@st.composite
def _joined(draw: st.DrawFn, half: st.SearchStrategy[list[Step[A]]]) -> list[Step[A]]:
    return [*draw(half), *draw(half)]


def play(cluster: SimCluster, script: Iterable[Step[A]], act: Callable[[str, A], object]) -> None:
    """Run `script`; `act(node, action)` does what a user does at a node."""
    for step in script:
        name = cluster.names[step.node % len(cluster.names)]
        other = cluster.names[step.other % len(cluster.names)]
        if step.happening in BETWEEN_TWO and other == name:
            continue
        if currently_in_test_context():
            note(_in_words(step, name, other))
        match step.happening:
            case Happening.ACT:
                assert step.action is not None
                act(name, step.action)
            case Happening.SYNC:
                cluster.sync(name)
            case Happening.CARRY:
                cluster.carry(name, other)
            case Happening.CONNECT:
                cluster.connect(name, other)
            case Happening.CUT:
                cluster.cut(name, other)
            case Happening.KILL:
                cluster.kill(name)
            case Happening.TICK:
                cluster.tick(name)
            case Happening.SETTLE:
                cluster.settle(name)


def _in_words(step: Step[A], name: str, other: str) -> str:
    """As the call that it is: act('a', 'book'), carry('a', 'b')."""
    match step.happening:
        case Happening.ACT:
            return f"act({name!r}, {step.action!r})"
        case happening if happening in BETWEEN_TWO:
            return f"{happening}({name!r}, {other!r})"
        case happening:
            return f"{happening}({name!r})"
