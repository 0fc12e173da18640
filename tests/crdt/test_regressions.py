"""Kept histories: the view written by hand, and every implementation in many orders."""

from __future__ import annotations

from random import Random

import pytest

from tests import oracle
from tests.crdt.implementations import VIEWERS
from tests.crdt.regressions import KEPT
from tests.histories import causal_order
from tests.outline import outline

ORDERS = 30

FOUND = {
    "a_third_making_makes_two_one": "Z: kept",
    "a_third_making_of_another_kind_makes_one_two": "F = a file\nZ: y",
    "a_delete_lists_a_node_twice": "Z\n  B: kept",
    "an_undelete_names_another_folder": "(A): kept\nB",
    "a_message_moved_into_a_file_is_nowhere_until_moved_on": "A: found\nf = text",
    "a_cycle_of_three_by_three": "other\n  Y\n    X",
    "equal_contents_of_three_writes": "f.txt = equal\nf~….txt = other (copy)",
    "flags_of_a_repeated_append_are_removed_from_both": "INBOX: x",
    "two_expunges_that_saw_an_undelete_each": "INBOX: kept",
    "two_deletes_of_which_one_had_seen_more": "A: kept",
    "an_append_two_below_a_deleted_folder": "(A)\n  B: kept",
    "a_move_that_arrives_late_undoes_the_last_of_two": "X\n  N\n    Y",
    "a_real_name_that_looks_like_a_suffix": "N\nN~…\nN~… = text",
    "an_inbox_is_deleted_renamed_and_moved": "A\nINBOX: kept",
    "a_write_that_is_repeated_keeps_a_file_that_was_deleted": "f.txt = new",
    "two_folders_that_show_as_one_move_below_one_of_them": "C ×2\n  X",
    "a_removed_mark_of_a_repeated_append_is_no_opinion": "INBOX: x",
    "a_third_append_makes_two_one": "INBOX: x [\\Deleted]",
}


def test_each_kept_history_has_its_view() -> None:
    assert FOUND.keys() == KEPT.keys()


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("name", KEPT)
def test_a_kept_history_ends_as_written(name: str, viewer: str) -> None:
    operations = KEPT[name]()
    expected = oracle.view(operations)
    assert outline(expected) == FOUND[name]
    for seed in range(ORDERS):
        assert VIEWERS[viewer](causal_order(operations, Random(seed))) == expected
