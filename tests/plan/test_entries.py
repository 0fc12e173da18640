import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.ids import Dot, inbox_of
from crdt.operations import (
    DELETED,
    EntriesExpunged,
    EntryAppended,
    EntryCopied,
    FileMade,
    FileWritten,
    FlagsStored,
)
from crdt.refusals import Code, Refused
from crdt.requests import Append, Copy, Expunge, Mode, Store
from tests.plan.fake import FakeReading, box, content, dot, folder, message
from tests.plan.world import (
    ALICE,
    CONFLICT,
    ELSEWHERE,
    FIRST,
    NOTES,
    NOTES_TOO,
    PLANS,
    SECOND,
    TEAM,
    THIRD,
    WORK,
    WORK_TOO,
    at,
    bodies,
    planned,
    refusal,
    world,
)

TEXT = content("text")


def test_an_append_goes_to_the_first_of_merged_folders() -> None:
    made = planned(Append(at("alice:Work"), TEXT, ("work", "\\Seen"), 5))
    assert made.bodies == (EntryAppended(WORK, TEXT, ("\\Seen", "work"), 5),)
    assert made.box == ALICE


def test_flags_are_given_once_and_known_ones_in_their_one_spelling() -> None:
    (body,) = bodies(Append(at("alice:Work"), TEXT, ("\\DELETED", "Work", "work", "\\deleted")))
    assert body == EntryAppended(WORK, TEXT, ("Work", DELETED), 0)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("nobody:INBOX", Code.NO_SUCH_BOX),
        ("alice:Nothing", Code.NO_SUCH_MAILBOX),
        ("alice", Code.NOT_A_MAILBOX),
        ("alice:notes.txt", Code.NOT_A_MAILBOX),
    ],
)
def test_messages_live_in_mailboxes_alone(address: str, code: Code) -> None:
    assert refusal(Append(at(address), TEXT)) == (code, address)
    assert refusal(Store(at(address), flags=("a",))) == (code, address)
    assert refusal(Expunge(at(address))) == (code, address)


def test_bad_flags_are_all_named() -> None:
    with pytest.raises(Refused, match=r"'a b'.*'c d'") as refused:
        planned(Append(at("alice:Work"), TEXT, ("a b", "fine", "c d")))
    assert refused.value.code == Code.BAD_FLAG
    assert refusal(Store(at("alice:Work"), flags=("a b",)))[0] == Code.BAD_FLAG


@pytest.mark.parametrize(("flag", "shown"), [(r"\Foo", r"'\Foo'"), ("a\n\\", r"'a\n\\'")])
def test_a_bad_flag_is_shown_as_it_was_given(flag: str, shown: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(Append(at("alice:Work"), TEXT, (flag,)))
    assert refused.value.message.startswith(f"alice:Work: {shown}: ")


def test_too_many_flags_are_refused() -> None:
    many = tuple(f"flag{n}" for n in range(1001))
    assert refusal(Append(at("alice:Work"), TEXT, many))[0] == Code.TOO_LARGE
    assert len(bodies(Append(at("alice:Work"), TEXT, many[1:]))) == 1


@pytest.mark.parametrize("date_ms", [-62_135_596_800_001, 253_402_300_800_000])
def test_a_date_outside_the_calendar_is_refused(date_ms: int) -> None:
    assert refusal(Append(at("alice:Work"), TEXT, date_ms=date_ms))[0] == Code.BAD_DATE


def test_a_blob_that_no_operation_may_name_is_refused() -> None:
    assert refusal(Append(at("alice:Work"), TEXT._replace(hash=b"")))[0] == Code.BAD_BLOB
    assert refusal(Store(at("alice:notes.txt"), content=TEXT._replace(size=-1)))[0] == Code.BAD_BLOB


def test_a_copy_carries_what_the_origin_shows_in_the_order_shown() -> None:
    made = planned(Copy(at("alice:Work"), at("team:Plans")))
    assert made.bodies == tuple(
        EntryCopied(PLANS, view.id, view.blob, view.flags, view.date_ms)
        for view in (message(FIRST), message(SECOND, DELETED), message(THIRD, DELETED, "\\Seen"))
    )
    assert made.box == TEAM


def test_named_entries_are_copied_once_each_in_the_order_named() -> None:
    copies = bodies(Copy(at("alice:Work"), at("alice:Work"), (THIRD, FIRST, THIRD)))
    assert [body.source for body in copies if isinstance(body, EntryCopied)] == [THIRD, FIRST]


def test_a_copy_of_nothing_changes_nothing() -> None:
    assert bodies(Copy(at("alice:Work/Old"), at("team:Plans"))) == ()


def test_a_file_is_copied_under_a_new_name() -> None:
    assert bodies(Copy(at("alice:notes.txt"), at("alice:Work/kept.txt"))) == (
        FileMade(WORK, "kept.txt", content("mine")),
    )


def test_a_conflict_copy_is_copied_out() -> None:
    assert bodies(Copy(at("alice:notes~abcd.txt"), at("team:yours.txt"))) == (
        FileMade(TEAM, "yours.txt", content("yours")),
    )


@pytest.mark.parametrize(
    ("source", "destination", "code", "where"),
    [
        ("nobody:a", "team:Plans", Code.NO_SUCH_BOX, "nobody:a"),
        ("alice:Nothing", "team:Plans", Code.NO_SUCH_NAME, "alice:Nothing"),
        ("alice", "team:Plans", Code.NOT_A_MAILBOX, "alice"),
        ("alice:Work", "nobody:b", Code.NO_SUCH_BOX, "nobody:b"),
        ("alice:Work", "team:New", Code.NO_SUCH_MAILBOX, "team:New"),
        ("alice:Work", "alice:notes.txt", Code.NOT_A_MAILBOX, "alice:notes.txt"),
        ("alice:notes.txt", "team", Code.BAD_NAME, "team"),
        ("alice:notes.txt", "team:..", Code.BAD_NAME, "team:.."),
        ("alice:notes.txt", "team:Plans", Code.NAME_TAKEN, "team:Plans"),
        ("alice:notes.txt", "alice:notes.txt", Code.NAME_TAKEN, "alice:notes.txt"),
        ("alice:notes.txt", "team:New/a.txt", Code.NO_SUCH_MAILBOX, "team:New/a.txt"),
        ("alice:notes.txt", "alice:notes.txt/a", Code.NOT_A_MAILBOX, "alice:notes.txt/a"),
    ],
)
def test_what_cannot_be_copied(source: str, destination: str, code: Code, where: str) -> None:
    assert refusal(Copy(at(source), at(destination))) == (code, where)


def test_entries_are_copied_from_mailboxes_alone() -> None:
    request = Copy(at("alice:notes.txt"), at("team:Plans"), (FIRST,))
    assert refusal(request) == (Code.NOT_A_MAILBOX, "alice:notes.txt")


@pytest.mark.parametrize(
    "entry", [ELSEWHERE, dot(999), WORK, dot(0), dot(-1), dot(1 << 64), Dot(b"short", 1)]
)
def test_an_entry_that_the_mailbox_does_not_show_is_refused(entry: Dot) -> None:
    for request in (
        Copy(at("alice:Work"), at("team:Plans"), (FIRST, entry)),
        Store(at("alice:Work"), (FIRST, entry), ("a",)),
        Expunge(at("alice:Work"), (FIRST, entry)),
    ):
        assert refusal(request) == (Code.NO_SUCH_ENTRY, "alice:Work")


def test_a_store_is_one_body_for_each_merged_folder() -> None:
    assert bodies(Store(at("alice:Work"), flags=("a",))) == (
        FlagsStored(WORK, (FIRST, THIRD), ("a",), (), False, ()),
        FlagsStored(WORK_TOO, (SECOND,), ("a",), (), False, ()),
    )


def test_clearing_deleted_undeletes_those_that_show_it() -> None:
    assert bodies(Store(at("alice:Work"), flags=("\\deleted", "a"), mode=Mode.REMOVE)) == (
        FlagsStored(WORK, (FIRST, THIRD), (), ("a",), False, (THIRD,)),
        FlagsStored(WORK_TOO, (SECOND,), (), ("a",), False, (SECOND,)),
    )


def test_setting_flags_without_deleted_undeletes_those_that_show_it() -> None:
    assert bodies(Store(at("alice:Work"), (THIRD, FIRST), ("a",), Mode.SET)) == (
        FlagsStored(WORK, (THIRD, FIRST), ("a",), (), True, (THIRD,)),
    )
    assert bodies(Store(at("alice:Work"), (THIRD,), (), Mode.SET)) == (
        FlagsStored(WORK, (THIRD,), (), (), True, (THIRD,)),
    )


def test_setting_flags_with_deleted_undeletes_nothing() -> None:
    assert bodies(Store(at("alice:Work"), (THIRD,), (DELETED,), Mode.SET)) == (
        FlagsStored(WORK, (THIRD,), (DELETED,), (), True, ()),
    )


@pytest.mark.parametrize(
    "request_",
    [
        Store(at("alice:Work"), (), ("a",)),
        Store(at("alice:Work/Old"), flags=("a",)),
        Store(at("alice:Work"), flags=()),
        Store(at("alice:Work"), flags=(), mode=Mode.REMOVE),
        Store(at("alice:Work"), (FIRST,), (DELETED,), Mode.REMOVE),
    ],
)
def test_a_store_that_changes_nothing_makes_no_operation(request_: Store) -> None:
    assert bodies(request_) == ()


@given(
    shown=st.lists(st.sets(st.sampled_from([DELETED, "\\Seen", "a"])), max_size=8),
    asked=st.sets(st.sampled_from([DELETED, "\\Seen", "a"])),
    mode=st.sampled_from(Mode),
)
def test_undelete_lists_exactly_what_shows_deleted_and_shall_not(
    shown: list[set[str]], asked: set[str], mode: Mode
) -> None:
    messages = [message(dot(50 + n), *sorted(flags)) for n, flags in enumerate(shown)]
    reading = FakeReading({"a": box(ALICE, {"m": folder(WORK, first=messages)})})
    made = bodies(Store(at("a:m"), flags=tuple(asked), mode=mode), reading)
    undeleted = {id for body in made if isinstance(body, FlagsStored) for id in body.undelete}
    clears = DELETED not in asked if mode is Mode.SET else (mode, DELETED in asked) == ("remove", 1)
    assert undeleted == {m.id for m in messages if DELETED in m.flags and clears}


def test_a_write_replaces_every_observed_content() -> None:
    assert bodies(Store(at("alice:notes.txt"), content=TEXT)) == (
        FileWritten((NOTES, NOTES_TOO), TEXT),
    )


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("nobody:a.txt", Code.NO_SUCH_BOX),
        ("alice:nothing.txt", Code.NO_SUCH_FILE),
        ("alice:Work", Code.NOT_A_FILE),
        ("alice", Code.NOT_A_FILE),
        ("alice:notes~abcd.txt", Code.CONFLICT_COPY),
    ],
)
def test_what_cannot_be_written(address: str, code: Code) -> None:
    assert refusal(Store(at(address), content=TEXT)) == (code, address)


def test_flags_and_content_in_one_store_are_refused() -> None:
    for request in (
        Store(at("alice:notes.txt"), content=TEXT, flags=("a",)),
        Store(at("alice:notes.txt"), content=TEXT, entries=()),
    ):
        assert refusal(request)[0] == Code.UNCLEAR


def test_an_expunge_takes_what_shows_deleted() -> None:
    assert bodies(Expunge(at("alice:Work"))) == (EntriesExpunged((SECOND, THIRD)),)


def test_an_expunge_takes_named_entries_marked_or_not() -> None:
    assert bodies(Expunge(at("alice:Work"), (FIRST, SECOND))) == (EntriesExpunged((FIRST, SECOND)),)


def test_an_expunge_of_nothing_makes_no_operation() -> None:
    assert bodies(Expunge(at("alice:INBOX"))) == ()
    assert bodies(Expunge(at("alice:Work"), ())) == ()


def test_the_world_shows_what_these_tests_rely_on() -> None:
    copy = world().find(at("alice:notes~abcd.txt"))
    assert copy is not None and copy.conflict == CONFLICT
    inbox = world().find(at("alice:iNbOx"))
    assert inbox is not None and inbox.ids == (inbox_of(ALICE),)
