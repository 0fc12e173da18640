import pytest

from crdt.ids import Dot, inbox_of
from crdt.operations import BoxMade, FileMade, FolderMade, NodesDeleted
from crdt.records import RECORD_BYTES_MAX
from crdt.refusals import Code, Refused
from crdt.requests import Address, Create, Delete
from tests.plan.fake import FakeReading, box, content, dot, folder
from tests.plan.world import (
    ALICE,
    NOTES,
    NOTES_TOO,
    OLD,
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

TEXT = content("text")


def test_a_box_is_made_with_its_folding() -> None:
    made = planned(Create(at("new"), fold=True))
    assert made.bodies == (BoxMade("new", True),)
    assert made.box is None


def test_a_folder_is_made_below_the_first_of_merged_parents() -> None:
    made = planned(Create(at("alice:Work/New")))
    assert made.bodies == (FolderMade(WORK, "New"),)
    assert made.box == ALICE


def test_a_folder_may_be_made_below_the_inbox() -> None:
    assert bodies(Create(at("alice:inbox/Sub"))) == (FolderMade(inbox_of(ALICE), "Sub"),)


def test_a_file_is_made_with_its_content() -> None:
    assert bodies(Create(at("alice:new.txt"), TEXT)) == (FileMade(ALICE, "new.txt", TEXT),)


def test_missing_parents_are_made_first_each_below_the_one_before() -> None:
    assert bodies(Create(at("alice:Work/a/b/c.txt"), TEXT, parents=True)) == (
        FolderMade(WORK, "a"),
        FolderMade(next_dot(0), "b"),
        FileMade(next_dot(1), "c.txt", TEXT),
    )


def test_a_missing_box_is_a_parent_too() -> None:
    made = planned(Create(at("new:a/b"), parents=True, fold=True))
    assert made.bodies == (
        BoxMade("new", True),
        FolderMade(next_dot(0), "a"),
        FolderMade(next_dot(1), "b"),
    )
    assert made.box is None


def test_a_new_box_has_an_inbox_to_make_things_in() -> None:
    assert bodies(Create(at("new:Inbox/Sub"), parents=True)) == (
        BoxMade("new", False),
        FolderMade(inbox_of(next_dot(0)), "Sub"),
    )


def test_a_new_box_has_its_inbox_already() -> None:
    assert refusal(Create(at("new:inbox"), parents=True))[0] == Code.NAME_TAKEN


def test_names_are_made_in_their_normal_form() -> None:
    assert bodies(Create(at("alice:e\u0301"))) == (FolderMade(ALICE, "\u00e9"),)


@pytest.mark.parametrize(
    "address", ["alice", "alice:Work", "alice:INBOX", "alice:iNbOx", "alice:notes~abcd.txt"]
)
def test_a_name_that_is_shown_is_taken(address: str) -> None:
    assert refusal(Create(at(address))) == (Code.NAME_TAKEN, address)


def test_a_name_that_differs_by_case_is_taken_where_case_is_ignored() -> None:
    assert refusal(Create(at("alice:WORK")), world(ignores_case=True))[0] == Code.NAME_TAKEN
    assert bodies(Create(at("alice:WORK"))) == (FolderMade(ALICE, "WORK"),)


def test_a_missing_parent_is_named() -> None:
    assert refusal(Create(at("alice:a/b"))) == (Code.NO_SUCH_MAILBOX, "alice:a/b")


def test_a_missing_box_is_never_made_unasked() -> None:
    assert refusal(Create(at("nobody:a")))[0] == Code.NO_SUCH_BOX


@pytest.mark.parametrize("parents", [False, True])
def test_nothing_is_made_below_a_file(parents: bool) -> None:
    request = Create(at("alice:notes.txt/a/b"), parents=parents)
    assert refusal(request)[0] == Code.NOT_A_MAILBOX


def test_a_box_too_is_made_in_the_normal_form() -> None:
    assert bodies(Create(at("e\u0301"))) == (BoxMade("\u00e9", False),)


@pytest.mark.parametrize("address", ["alice:..", "alice:a//b", "new:..", "alice:\ud800", "new:\n"])
def test_a_bad_name_is_refused(address: str) -> None:
    assert refusal(Create(at(address), parents=True))[0] == Code.BAD_NAME


def test_a_bad_box_name_is_refused() -> None:
    assert refusal(Create(Address("")))[0] == Code.BAD_NAME


def test_a_file_needs_a_name_below_its_box() -> None:
    assert refusal(Create(at("new"), TEXT))[0] == Code.BAD_NAME


def test_fold_without_a_new_box_is_refused() -> None:
    assert refusal(Create(at("alice:new"), fold=True))[0] == Code.UNCLEAR


def test_a_path_of_too_many_names_is_refused() -> None:
    deep = "/".join("a" * 101)
    assert refusal(Create(at(f"alice:{deep}"), parents=True))[0] == Code.TOO_LARGE
    assert len(bodies(Create(at(f"alice:{deep[2:]}"), parents=True))) == 100


def test_a_blob_that_no_operation_may_name_is_refused() -> None:
    for blob in (TEXT._replace(hash=b"short"), TEXT._replace(size=1 << 21)):
        assert refusal(Create(at("alice:new"), blob))[0] == Code.BAD_BLOB


def test_a_delete_lists_the_whole_subtree_of_all_that_shows_as_one() -> None:
    (body,) = bodies(Delete(at("alice:Work")))
    assert body == NodesDeleted(((WORK, -1), (WORK_TOO, -1), (OLD, 0)))


def test_a_file_is_deleted_with_all_its_ids() -> None:
    assert bodies(Delete(at("alice:notes.txt"))) == (NodesDeleted(((NOTES, -1), (NOTES_TOO, -1))),)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("nobody:Work", Code.NO_SUCH_BOX),
        ("alice:Nothing", Code.NO_SUCH_NAME),
        ("alice", Code.IS_BOX),
        ("alice:Inbox", Code.IS_INBOX),
        ("alice:notes~abcd.txt", Code.CONFLICT_COPY),
    ],
)
def test_what_cannot_be_deleted(address: str, code: Code) -> None:
    assert refusal(Delete(at(address))) == (code, address)


def test_who_deletes_a_conflict_copy_is_told_which_file_to_write() -> None:
    with pytest.raises(Refused, match=r"write alice:notes\.txt with the content that is to stay"):
        planned(Delete(at("alice:notes~abcd.txt")))


def crowd(first: int, count: int) -> list[Dot]:
    return [dot((first << 50) + 2 * n) for n in range(count)]


def crowded(count: int) -> FakeReading:
    """A folder and one below it, `count` nodes in all."""
    below = {"Below": folder(*crowd(2, count - 20_000))}
    return FakeReading({"a": box(ALICE, {"Full": folder(*crowd(1, 20_000), below=below)})})


def test_a_delete_of_more_than_one_operation_holds_is_refused() -> None:
    assert refusal(Delete(at("a:Full")), crowded(40_001))[0] == Code.TOO_LARGE
    (body,) = bodies(Delete(at("a:Full")), crowded(40_000))
    assert record_bytes(body) <= RECORD_BYTES_MAX
