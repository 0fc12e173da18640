"""Settings that hold for every test, and what tests tell of what they tried."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator

import pytest
from hypothesis import settings

# No deadline: a test never fails because the machine was busy.
settings.register_profile("samebox", deadline=None, print_blob=True)
settings.load_profile("samebox")
# For `make check`: what `make test` tries in full.
settings.register_profile("quick", settings.get_profile("samebox"), max_examples=25)

TOLD = "told"
AS_STARTED = (True, gc.get_threshold(), True)
"""Python's own settings, and the tests themselves frozen."""
UNFROZEN: list[bool] = []
"""Whenever a test let go of what is frozen. To count what is takes longer than most tests do."""


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """One line each, shown at the end of a run that leaves nothing out."""
    return lambda line: record_property(TOLD, line)


@pytest.fixture
def gc_as_before() -> Iterator[None]:
    """For tests in whose process a node sets how Python looks for garbage."""
    thresholds = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.set_threshold(*thresholds)
    gc.freeze()


def pytest_collection_finish() -> None:
    """Thousands of tests are waiting; no collection of garbage need look at them again."""
    gc.collect()
    gc.freeze()
    unfreeze = gc.unfreeze

    def noted() -> None:
        UNFROZEN.append(True)
        unfreeze()

    gc.unfreeze = noted


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """How Python looks for garbage concerns the whole process: a test that leaves it otherwise
    fails, and those that come after it find it as it was."""
    yield
    left = (gc.isenabled(), gc.get_threshold(), not UNFROZEN or gc.get_freeze_count() > 0)
    UNFROZEN.clear()
    if left != AS_STARTED:
        gc.enable()
        gc.set_threshold(*AS_STARTED[1])
        gc.freeze()
    assert left == AS_STARTED, "expected gc as it was: enabled, its thresholds, what is frozen"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.getoption("markexpr"):
        return
    reports = terminalreporter.getreports("passed")
    lines = [text for report in reports for name, text in report.user_properties if name == TOLD]
    if lines:
        terminalreporter.section("what was tried")
        for line in sorted(map(str, lines)):
            terminalreporter.write_line(line)
