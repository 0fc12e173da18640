"""What a compaction has marked is looked up in short steps, however much it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

from crdt import Blob, Dot, State
from samebox import marking
from samebox.leases import Leases
from samebox.marking import Marking, Marks


def test_marks_are_sorted_some_at_a_time_and_not_by_whoever_looks_one_up() -> None:
    marks = Marks()
    hashes = [bytes((first, second)) + bytes(30) for first in range(40) for second in range(10)]
    for hash_ in reversed(hashes):
        marks.add(hash_)
    steps = 1
    with patch.object(marking, "SORTED_AT_ONCE", 50):
        while marks.sort_some():
            steps += 1
    assert steps == 40 * 10 / 50
    with patch.object(marking, "sorted", side_effect=AssertionError, create=True):
        assert all(hash_ in marks for hash_ in hashes)
        assert bytes((3, 99)) + bytes(30) not in marks


def test_a_survey_has_ended_only_when_no_look_up_has_to_sort() -> None:
    hashes = [bytes((first,)) + bytes(31) for first in range(40)]
    used = [(Blob(hash_, 1), Dot(bytes(16), 1)) for hash_ in hashes]
    survey = Marking(Leases())
    survey.begin(cast(State, SimpleNamespace(blobs=lambda: iter(used))))
    with patch.object(marking, "SORTED_AT_ONCE", 10):
        pages = 1
        while survey.page():
            pages += 1
    assert pages == 40 / 10
    with patch.object(marking, "sorted", side_effect=AssertionError, create=True):
        assert all(map(survey.uses, hashes))
