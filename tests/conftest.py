"""Settings that hold for every test, and what tests tell of what they tried."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from hypothesis import settings

# No deadline: a test never fails because the machine was busy.
settings.register_profile("samebox", deadline=None, print_blob=True)
settings.load_profile("samebox")
# For `make check`: what `make test` tries in full.
settings.register_profile("quick", settings.get_profile("samebox"), max_examples=25)

TOLD = "told"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """One line each, shown at the end of a run that leaves nothing out."""
    return lambda line: record_property(TOLD, line)


def pytest_collection_finish() -> None:
    """Thousands of tests are waiting; no collection of garbage need look at them again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.getoption("markexpr"):
        return
    reports = terminalreporter.getreports("passed")
    lines = [text for report in reports for name, text in report.user_properties if name == TOLD]
    if lines:
        terminalreporter.section("what was tried")
        for line in sorted(map(str, lines)):
            terminalreporter.write_line(line)
