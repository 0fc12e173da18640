"""docs/faults.md names tests that are there, and the simulator's faults under their numbers."""

from __future__ import annotations

import re
from pathlib import Path

from sim.faults import FAULTS

PAGE = Path("docs/faults.md").read_text()
ROWS = {row[1]: row[0] for row in re.finditer(r"^\| (\d+) \|.*$", PAGE, re.MULTILINE)}
LAST = 124


def test_every_number_has_a_row_that_says_something() -> None:
    assert list(ROWS) == [str(number) for number in range(1, LAST + 1)]
    for row in ROWS.values():
        evidence = row.split("|")[3]
        assert re.search(r"`|\*|\w", evidence), row


def test_every_test_that_is_named_is_there() -> None:
    found = "".join(path.read_text() for path in Path("tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", found))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 100
    assert named <= there, named - there


def test_every_file_that_is_named_is_there() -> None:
    for name in re.findall(r"`((?:sim|tests|samebox)/\w+(?:/\w+)*\.py)`", PAGE):
        assert Path(name).exists(), name


def test_the_faults_of_the_simulator_stand_at_their_numbers_and_nowhere_else() -> None:
    stand = {
        (name, number)
        for number, row in ROWS.items()
        for name in re.findall(r"(?<!\*)\*([a-z][a-z -]+)\*(?!\*)", row.split("|")[3])
    }
    assert stand == {(fault.name, number) for fault in FAULTS for number in fault.numbers}
