import pytest

from crdt.ids import inbox_of
from crdt.operations import EntriesMoved, FolderMade, NodesRenamed
from crdt.records import RECORD_BYTES_MAX
from crdt.refusals import Code
from crdt.requests import Rename
from tests.plan.fake import FakeReading, box, dot, file, folder
from tests.plan.world import (
    ALICE,
    ELSEWHERE,
    FIRST,
    IN_INBOX,
    NOTES,
    NOTES_TOO,
    OLD,
    PLANS,
    SECOND,
    TEAM,
    WORK,
    WORK_TOO,
    at,
    bodies,
    next_dot,
    planned,
    record_bytes,
    refusal,
    world,
)


def rename(source: str, destination: str) -> Rename:
    return Rename(at(source), at(destination))


def test_a_new_name_at_the_same_place_leaves_the_place_alone() -> None:
    assert bodies(rename("alice:Work", "alice:Job")) == (
        NodesRenamed((WORK, WORK_TOO), None, "Job"),
    )


def test_a_new_place_under_the_same_name_leaves_the_name_alone() -> None:
    made = planned(rename("alice:Work", "team:Plans/Work"))
    assert made.bodies == (NodesRenamed((WORK, WORK_TOO), PLANS, None),)
    assert made.box == TEAM


def test_a_new_name_and_place() -> None:
    assert bodies(rename("alice:Work/Old", "alice:Past")) == (NodesRenamed((OLD,), ALICE, "Past"),)


def test_a_file_is_moved_with_all_its_ids() -> None:
    assert bodies(rename("alice:notes.txt", "alice:Work/notes.txt")) == (
        NodesRenamed((NOTES, NOTES_TOO), WORK, None),
    )


def test_a_name_shown_with_a_suffix_is_given_where_it_moves() -> None:
    shown = FakeReading({"a": box(ALICE, {"x~0123.txt": file(OLD, text=""), "In": folder(WORK)})})
    moved = rename("a:x~0123.txt", "a:In/x~0123.txt")
    assert bodies(moved, shown) == (NodesRenamed((OLD,), WORK, "x~0123.txt"),)


def test_a_change_of_case_alone_is_a_rename() -> None:
    for ignores_case in (False, True):
        reading = world(ignores_case=ignores_case)
        assert bodies(rename("alice:Work", "alice:work"), reading) == (
            NodesRenamed((WORK, WORK_TOO), None, "work"),
        )


def test_a_rename_to_the_name_that_is_shown_changes_nothing() -> None:
    assert bodies(rename("alice:Work", "alice:Work")) == ()


def test_the_inbox_is_renamed_by_moving_what_it_shows_into_a_new_folder() -> None:
    assert bodies(rename("alice:INBOX", "alice:Work/2024")) == (
        FolderMade(WORK, "2024"),
        EntriesMoved((IN_INBOX,), next_dot(0)),
    )


def test_an_empty_inbox_becomes_an_empty_folder() -> None:
    assert bodies(rename("team:INBOX", "team:Kept")) == (FolderMade(TEAM, "Kept"),)


@pytest.mark.parametrize(
    ("source", "destination", "code", "where"),
    [
        ("nobody:a", "alice:b", Code.NO_SUCH_BOX, "nobody:a"),
        ("alice:Work", "nobody:b", Code.NO_SUCH_BOX, "nobody:b"),
        ("alice:Nothing", "alice:b", Code.NO_SUCH_NAME, "alice:Nothing"),
        ("alice", "bob", Code.IS_BOX, "alice"),
        ("alice:notes~abcd.txt", "alice:b", Code.CONFLICT_COPY, "alice:notes~abcd.txt"),
        ("alice:Work", "alice:a/b", Code.NO_SUCH_MAILBOX, "alice:a/b"),
        ("alice:Work", "alice:notes.txt/b", Code.NOT_A_MAILBOX, "alice:notes.txt/b"),
        ("alice:Work", "team", Code.BAD_NAME, "team"),
        ("alice:Work", "alice:..", Code.BAD_NAME, "alice:.."),
        ("alice:Work", "team:Plans", Code.NAME_TAKEN, "team:Plans"),
        ("alice:Work", "alice:inbox", Code.NAME_TAKEN, "alice:inbox"),
        ("alice:INBOX", "alice:inbox", Code.NAME_TAKEN, "alice:inbox"),
        ("alice:notes.txt", "alice:notes~abcd.txt", Code.NAME_TAKEN, "alice:notes~abcd.txt"),
        ("alice:Work", "alice:Work/b", Code.INTO_ITSELF, "alice:Work/b"),
        ("alice:Work", "alice:Work/Old/b", Code.INTO_ITSELF, "alice:Work/Old/b"),
    ],
)
def test_what_cannot_be_renamed(source: str, destination: str, code: Code, where: str) -> None:
    assert refusal(rename(source, destination)) == (code, where)


def test_a_rename_of_more_nodes_than_one_operation_holds_is_refused() -> None:
    ids = [dot((1 << 50) + 2 * n) for n in range(40_001)]
    shown = FakeReading({"a": box(ALICE, {"Many": folder(*ids), "Few": folder(*ids[1:])})})
    assert refusal(rename("a:Many", "a:New"), shown) == (Code.TOO_LARGE, "a:Many")
    (body,) = bodies(rename("a:Few", "a:New"), shown)
    assert record_bytes(body) <= RECORD_BYTES_MAX


def test_entries_move_into_the_first_of_merged_folders() -> None:
    made = planned(Rename(at("team:Plans"), at("alice:Work"), (ELSEWHERE, ELSEWHERE)))
    assert made.bodies == (EntriesMoved((ELSEWHERE,), WORK),)
    assert made.box == ALICE


def test_entries_move_out_of_every_merged_folder() -> None:
    request = Rename(at("alice:Work"), at("alice:INBOX"), (SECOND, FIRST))
    assert bodies(request) == (EntriesMoved((SECOND, FIRST), inbox_of(ALICE)),)


def test_a_move_into_the_same_mailbox_changes_nothing() -> None:
    assert bodies(Rename(at("alice:Work"), at("alice:Work"), (FIRST,))) == ()


def test_a_move_of_no_entries_changes_nothing() -> None:
    assert bodies(Rename(at("alice:Work"), at("alice:INBOX"), ())) == ()


@pytest.mark.parametrize(
    ("source", "destination", "code", "where"),
    [
        ("alice:Nothing", "team:Plans", Code.NO_SUCH_MAILBOX, "alice:Nothing"),
        ("alice:notes.txt", "team:Plans", Code.NOT_A_MAILBOX, "alice:notes.txt"),
        ("alice:Work", "team:Nothing", Code.NO_SUCH_MAILBOX, "team:Nothing"),
        ("alice:Work", "team", Code.NOT_A_MAILBOX, "team"),
        ("alice:INBOX", "team:Plans", Code.NO_SUCH_ENTRY, "alice:INBOX"),
    ],
)
def test_entries_that_cannot_be_moved(
    source: str, destination: str, code: Code, where: str
) -> None:
    assert refusal(Rename(at(source), at(destination), (FIRST, dot(999)))) == (code, where)
