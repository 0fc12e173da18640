"""docs/requests.md names a test for each of its rows, and every code."""

import re
from pathlib import Path

from crdt.refusals import Code

PAGE = Path("docs/requests.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "test |" not in line]
TESTS = "".join(path.read_text() for path in Path("tests/plan").glob("test_*.py"))


def test_every_row_names_a_test_that_is_there() -> None:
    for row in ROWS:
        named = re.search(r"`(test_\w+)` \|$", row)
        assert named, row
        assert f"def {named[1]}(" in TESTS, row


def test_every_code_has_a_row() -> None:
    listed = {row.split("|")[3].strip(" `") for row in ROWS if row.count(" | ") == 3}
    assert listed == set(Code)
