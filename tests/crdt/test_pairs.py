"""Every row of the pair table in docs/semantics.md, by hand: what both users find afterwards.

Two users share the box of `base`; each does something that the other has not seen; they meet.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.crdt.implementations import VIEWERS
from tests.crdt.pair_cases import CASES, Case, base
from tests.outline import outline
from tests.user import meet


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("case", CASES, ids=[f"{case.row}: {case.title}" for case in CASES])
def test_both_find_what_the_table_says(case: Case, viewer: str) -> None:
    a, b = base()
    case.a(a)
    case.b(b)
    meet([a, b])
    for user in (a, b):
        assert outline(VIEWERS[viewer](user.delivered)).split("\n") == case.found.strip().split(
            "\n"
        )


@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_folder_that_outlives_its_delete_keeps_its_id(viewer: str) -> None:
    """delete ‖ append: who knew the folder finds the message in it."""
    a, b = base()
    known = a.folder("mail/A").ids
    a.delete("mail/A")
    b.append("mail/A", "x")
    meet([a, b])
    (box,) = VIEWERS[viewer](a.delivered).boxes
    assert [(node.name, node.ids) for node in box.children if node.name == "A"] == [("A", known)]


def test_every_row_of_the_table_is_named_above() -> None:
    page = (Path(__file__).parents[2] / "docs" / "semantics.md").read_text()
    rows = re.findall(r"^\| ([a-z][^|]* ‖ [^|]*?) \|", page, re.MULTILINE)
    assert len(rows) == 22
    assert {case.row for case in CASES} == set(rows)
