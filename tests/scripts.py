"""Scripts: random histories as a list of small steps of plain numbers.

One interpreter (tests.histories) reads them; so the same script comes from a seed (`Random`), from
Hypothesis, which shrinks it, or from a kept regression, and always means the same history.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st


class Act(StrEnum):
    BOX = "box"
    FOLDER = "folder"
    FILE = "file"
    APPEND = "append"
    COPY = "copy"
    MOVE = "move"
    FLAG = "flag"
    MARK = "mark"
    UNMARK = "unmark"
    SET = "set"
    WRITE = "write"
    DELETE = "delete"
    NAME = "name"
    PLACE = "place"
    EXPUNGE = "expunge"
    REPEAT = "repeat"
    BLUNT = "blunt"
    SYNC = "sync"
    TRICKLE = "trickle"
    SPLIT = "split"
    HEAL = "heal"


WEIGHTS = {
    Act.BOX: 1, Act.FOLDER: 12, Act.FILE: 7, Act.APPEND: 12, Act.COPY: 4, Act.MOVE: 6, Act.FLAG: 5,
    Act.MARK: 6, Act.UNMARK: 6, Act.SET: 4, Act.WRITE: 9, Act.DELETE: 7, Act.NAME: 7, Act.PLACE: 9,
    Act.EXPUNGE: 5, Act.REPEAT: 7, Act.BLUNT: 4, Act.SYNC: 18, Act.TRICKLE: 9, Act.SPLIT: 1,
    Act.HEAL: 2,
}  # fmt: skip
"""How often each step comes, out of their sum."""

THEMES: tuple[frozenset[Act], ...] = (
    frozenset(),
    frozenset({Act.FOLDER, Act.PLACE, Act.NAME}),
    frozenset({Act.FILE, Act.WRITE}),
    frozenset({Act.APPEND, Act.FLAG, Act.SET, Act.MARK, Act.UNMARK, Act.EXPUNGE}),
    frozenset({Act.FOLDER, Act.DELETE, Act.NAME, Act.APPEND, Act.MOVE}),
    frozenset({Act.REPEAT, Act.FOLDER, Act.FILE, Act.APPEND}),
    frozenset({Act.REPEAT, Act.FOLDER, Act.DELETE, Act.NAME}),
    frozenset({Act.FOLDER, Act.FILE, Act.DELETE, Act.PLACE, Act.BLUNT}),
)
"""A script is about one of these: its acts come THEME_TIMES as often. Else few of them meet."""

THEME_TIMES = 5


class Step(NamedTuple):
    act: Act
    site: int
    x: int = 0
    y: int = 0
    z: int = 0


class Start(StrEnum):
    """What all sites have seen before the first step."""

    NOTHING = "nothing"
    BOX = "box"
    TREE = "tree"


STARTS = (Start.NOTHING, Start.BOX, Start.BOX, Start.TREE, Start.TREE, Start.TREE)


class Script(NamedTuple):
    """`fold`: of the first box. In an `honest` one no site asks for what it does not show."""

    sites: int
    start: Start
    fold: bool
    honest: bool
    steps: tuple[Step, ...]


def weights_of(theme: frozenset[Act], *, honest: bool = False) -> dict[Act, int]:
    times = {act: THEME_TIMES if act in theme else 1 for act in WEIGHTS}
    return {act: WEIGHTS[act] * times[act] for act in WEIGHTS if not (honest and act is Act.BLUNT)}


def random_script(random: Random, length: int, *, honest: bool = False) -> Script:
    weights = weights_of(random.choice(THEMES), honest=honest)
    sites = random.choice((2, 2, 3, 3, 3, 4, 5))
    steps = tuple(
        Step(act, random.randrange(sites), *(random.randrange(64) for _ in range(3)))
        for act in random.choices(list(weights), list(weights.values()), k=length)
    )
    return Script(sites, random.choice(STARTS), random.random() < 0.5, honest, steps)


@st.composite
def scripts(draw: st.DrawFn, *, length_max: int = 40, honest: bool = False) -> Script:
    """The same scripts for Hypothesis, which shrinks them by steps and numbers."""
    weights = weights_of(draw(st.sampled_from(THEMES)), honest=honest)
    acts = st.sampled_from([act for act, weight in weights.items() for _ in range(weight)])
    number = st.integers(0, 63)
    sites = draw(st.integers(2, 5))
    step = st.builds(Step, acts, st.integers(0, sites - 1), number, number, number)
    steps = draw(st.lists(step, max_size=length_max))
    return Script(sites, draw(st.sampled_from(STARTS)), draw(st.booleans()), honest, tuple(steps))


def spelled(script: Script) -> str:
    """As Python source, to be kept."""
    steps = "".join(
        f"        Step(Act.{step.act.name}, {step.site}, {step.x}, {step.y}, {step.z}),\n"
        for step in script.steps
    )
    return (
        f"Script(\n    {script.sites}, Start.{script.start.name}, {script.fold}, {script.honest},"
        f"\n    (\n{steps}    ),\n)"
    )


def shrink(script: Script, fails: Callable[[Script], bool]) -> Script:
    """A script that still fails, from which no single step and no run of steps can be left out."""
    assert fails(script)
    size = max(1, len(script.steps) // 2)
    while True:
        start, smaller = 0, False
        while start < len(script.steps):
            left = script._replace(steps=script.steps[:start] + script.steps[start + size :])
            if fails(left):
                script, smaller = left, True
            else:
                start += size
        if size == 1 and not smaller:
            return script
        size = max(1, size // 2)
