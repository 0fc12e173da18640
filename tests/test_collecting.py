"""A process that runs a node looks for garbage cycles seldom, and still looks."""

from __future__ import annotations

import ctypes
import gc
import weakref
from types import SimpleNamespace

import pytest

from samebox import collect_seldom
from samebox.io.collecting import CONTAINERS_MAX


class Knot:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("gc_as_before")
def test_what_is_there_is_never_walked_again_and_cycles_go_after_a_while() -> None:
    collect_seldom()
    assert gc.get_freeze_count() > 1000
    knot = weakref.ref(Knot())
    few: list[list[int]] = [[] for _ in range(CONTAINERS_MAX // 2)]
    assert knot() is not None
    many: list[list[int]] = [[] for _ in range(CONTAINERS_MAX)]
    assert knot() is None, f"after {len(few) + len(many)} containers"


@pytest.mark.usefixtures("gc_as_before")
def test_what_was_freed_goes_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[int] = []
    library = SimpleNamespace(malloc_trim=given_back.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    collect_seldom()
    assert given_back == [0]


@pytest.mark.usefixtures("gc_as_before")
def test_a_c_library_that_keeps_nothing_back_need_not_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    collect_seldom()
