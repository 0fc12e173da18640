"""A process that runs a node looks for garbage cycles seldom, and still looks."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from samebox import collect_seldom
from samebox.io.collecting import CONTAINERS_MAX


class Knot:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("as_before")
def test_what_is_there_is_never_walked_again_and_cycles_go_after_a_while() -> None:
    collect_seldom()
    assert gc.get_freeze_count() > 1000
    knot = weakref.ref(Knot())
    few: list[list[int]] = [[] for _ in range(CONTAINERS_MAX // 2)]
    assert knot() is not None
    many: list[list[int]] = [[] for _ in range(CONTAINERS_MAX)]
    assert knot() is None, f"after {len(few) + len(many)} containers"
