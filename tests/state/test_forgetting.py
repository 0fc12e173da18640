"""R9 by hand: what is remembered until when, and what is left then."""

from __future__ import annotations

from collections.abc import Mapping

from crdt import (
    Actor,
    Dot,
    EntriesExpunged,
    EntryAppended,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    MemoryRows,
    NodesDeleted,
    NodesRenamed,
    State,
    Unknown,
    tables,
)
from crdt.folding import KEPT_REQUESTS
from crdt.notes import ENTRIES_QUEUE, NOTES
from crdt.shadows import BELOW_MAX
from crdt.tables import CONTEXTS, SHADOWED
from tests.outline import outline
from tests.site import blob_of
from tests.state.phrases import CountedRows, apply_all, state_at, twice, with_box
from tests.user import User, meet


def fold(state: State, stable: Mapping[Actor, int], *, kept: int = 0) -> int:
    """Until nothing is left to do, as a shard does: a little at a time."""
    total, spent = 0, 1
    while spent:
        state.rows.begin()
        spent = state.fold(stable, 10, kept_requests=kept)
        state.rows.commit()
        total += spent
    return total


def box_of(user: User) -> Dot:
    return user.look("mail").ids[0]


def mailbox(user: User, name: str = "A") -> tuple[Dot, Dot]:
    """A folder with one entry."""
    folder = user.do(FolderMade(box_of(user), name))
    return folder, user.do(EntryAppended(folder, blob_of("x"), ("\\Deleted",), 0))


def clock_of(user: User) -> dict[Actor, int]:
    clock: dict[Actor, int] = {}
    for operation in user.delivered:
        clock[operation.dot.actor] = max(operation.dot.seq, clock.get(operation.dot.actor, 0))
    return clock


def test_an_undelete_brings_back_what_was_expunged_as_long_as_the_expunge_is_not_stable() -> None:
    a, b = with_box("ab")
    folder, entry = mailbox(a)
    b.sees(a)
    stable = clock_of(b)
    a.do(EntriesExpunged((entry,)))
    state = state_at(a)
    fold(state, stable)
    assert state.entry(entry) is None and state.names_blob(entry)
    b.do(FlagsStored(folder, (entry,), (), ("\\Deleted",), False, (entry,)))
    assert not state.lacks(b.delivered[-1])
    apply_all(state, b.delivered[-1:])
    assert state.entry(entry) is not None


def test_after_the_expunge_is_stable_entry_and_blob_are_forgotten() -> None:
    a, b = with_box("ab")
    folder, entry = mailbox(a)
    a.do(EntriesExpunged((entry,)))
    state = state_at(a)
    fold(state, clock_of(a))
    assert not state.names_blob(entry) and not list(state.blobs())
    b.sees(a)
    again = b.do(EntryAppended(folder, blob_of("x"), (), 0))
    apply_all(state, b.delivered[-1:])
    assert state.names_blob(again)
    assert outline(state.view()) == outline(state_at(b).view())


def test_an_operation_names_its_blob_as_long_as_a_row_of_it_does() -> None:
    a, _ = with_box("ab")
    _, entry = mailbox(a)
    file = a.do(FileMade(box_of(a), "f", blob_of("x")))
    a.do(EntriesExpunged((entry,)))
    state = state_at(a)
    fold(state, clock_of(a))
    assert not state.names_blob(entry) and state.names_blob(file)
    written = a.do(FileWritten((file,), blob_of("y")))
    apply_all(state, a.delivered[-1:])
    assert state.names_blob(file), "what is overwritten is kept until that is stable"
    fold(state, clock_of(a))
    assert not state.names_blob(file) and state.names_blob(written)
    assert [blob for blob, _ in state.blobs()] == [blob_of("y")]


def test_an_operation_that_lacks_what_is_folded_is_told() -> None:
    a, b = with_box("ab")
    _, entry = mailbox(a)
    a.do(EntriesExpunged((entry,)))
    state = state_at(a)
    late = b.do(FolderMade(box_of(b), "B"))
    operation = next(one for one in b.delivered if one.dot == late)
    assert not state.lacks(operation)
    fold(state, clock_of(a))
    assert state.lacks(operation)
    b.sees(a)
    b.do(FolderMade(box_of(b), "C"))
    assert not state.lacks(b.delivered[-1])


def test_nothing_is_forgotten_for_a_clock_that_went_back() -> None:
    a, _ = with_box("ab")
    _, entry = mailbox(a)
    before = clock_of(a)
    a.do(EntriesExpunged((entry,)))
    state = state_at(a)
    fold(state, clock_of(a))
    _, again = mailbox(a)
    a.do(EntriesExpunged((again,)))
    apply_all(state, a.delivered[-3:])
    assert fold(state, before) == 0
    assert state.names_blob(again)


def test_beside_an_operation_of_a_later_version_nothing_is_forgotten() -> None:
    a, _ = with_box("ab")
    _, entry = mailbox(a)
    a.do(EntriesExpunged((entry,)))
    a.do(Unknown(99))
    state = state_at(a)
    assert state.has_unknown
    assert fold(state, clock_of(a)) == 0


def test_a_request_is_remembered_until_so_many_operations_more_are_stable() -> None:
    a, b = with_box("ab")
    twice(a, FolderMade(box_of(a), "A"))
    state = state_at(a)
    fold(state, clock_of(a), kept=3)
    assert state.issued(b"client-1", 1)
    for name in ("B", "C", "D"):
        a.do(FolderMade(box_of(a), name))
    apply_all(state, a.delivered[-3:])
    fold(state, clock_of(b), kept=3)
    assert state.issued(b"client-1", 1), "what came behind is not stable"
    fold(state, clock_of(a), kept=3)
    assert not state.issued(b"client-1", 1)
    assert KEPT_REQUESTS >= 100_000


def test_a_request_that_made_an_entry_is_remembered_as_long_as_that_exists() -> None:
    a, _ = with_box("ab")
    folder, _ = mailbox(a)
    entry = twice(a, EntryAppended(folder, blob_of("y"), (), 0))
    state = state_at(a)
    fold(state, clock_of(a))
    assert state.issued(b"client-1", 1)
    a.do(EntriesExpunged((entry,)))
    apply_all(state, a.delivered[-1:])
    fold(state, clock_of(a))
    assert not state.issued(b"client-1", 1)


def test_flags_that_are_set_again_and_again_take_no_more_rows() -> None:
    a, _ = with_box("ab")
    folder, entry = mailbox(a)
    for _ in range(50):
        a.do(FlagsStored(folder, (entry,), ("Work",), (), False, ()))
    state = state_at(a)
    assert len(list(state.rows.scan(SHADOWED, b"", b"\xff" * 99))) == 49 // (1 + BELOW_MAX)
    fold(state, clock_of(a))
    assert not list(state.rows.scan(SHADOWED, b"", b"\xff" * 99))
    assert state.view() == state_at(a).view()


def test_a_flag_that_is_set_again_before_it_is_stable_does_not_wait_as_often_as_it_was_set() -> (
    None
):
    a, _ = with_box("ab")
    folder, entry = mailbox(a)
    state, stable = state_at(a), clock_of(a)
    for _ in range(20):
        for _ in range(2):
            a.do(FlagsStored(folder, (entry,), ("Work",), (), False, ()))
        before, stable = stable, clock_of(a)
        apply_all(state, a.delivered[-2:])
        fold(state, before)
    rows = [NOTES.decode(value) for _, value in state.rows.notes.queue(ENTRIES_QUEUE)]
    assert sum(len(note.keys) for row in rows for note in row) == 1, "of what is not stable"
    fold(state, stable)
    assert not list(state.rows.scan(SHADOWED, b"", b"\xff" * 99))


def test_a_container_stays_one_until_what_is_below_it_goes() -> None:
    a, b = with_box("ab")
    folder, _ = mailbox(a)
    b.sees(a)
    inner = b.do(FolderMade(folder, "B"))
    a.do(NodesDeleted(((folder, -1),)))
    meet([a, b])
    state = state_at(a)
    shown = outline(state.view())
    fold(state, clock_of(a))
    assert outline(state.view()) == shown
    assert not list(state.rows.scan(CONTEXTS, b"", b"\xff" * 99))
    a.do(NodesDeleted(((inner, -1),)))
    apply_all(state, a.delivered[-1:])
    assert state.view() == state_at(a).view()
    fold(state, clock_of(a))
    assert state.view() == state_at(a).view()


def test_a_box_in_which_everything_was_deleted_takes_as_many_rows_as_an_empty_one() -> None:
    counts = []
    for size in (0, 3, 40):
        a, _ = with_box("ab")
        top = a.do(FolderMade(box_of(a), "A"))
        for number in range(size):
            folder = a.do(FolderMade(top, f"F{number}"))
            a.do(NodesRenamed((folder,), box_of(a), f"G{number}"))
            entry = a.do(EntryAppended(folder, blob_of(f"{number}"), ("Work",), 0))
            a.do(FlagsStored(folder, (entry,), ("Work", "\\Seen"), (), False, ()))
            if number % 2:
                a.do(EntriesExpunged((entry,)))
            a.do(NodesRenamed((folder,), top, None))
            file = a.do(FileMade(folder, "f.txt", blob_of(f"f{number}")))
            a.do(FileWritten((file,), blob_of(f"g{number}")))
        a.delete("mail/A")
        rows = MemoryRows()
        state = State(rows)
        apply_all(state, a.delivered)
        fold(state, clock_of(a))
        counts.append(rows_in(rows))
    assert counts[0] == counts[1] == counts[2]


def rows_in(rows: MemoryRows) -> int:
    names = [value for value in vars(tables).values() if isinstance(value, str)]
    return sum(1 for name in names for _ in rows.scan(name, b"", b"\xff" * 99))


def test_where_nothing_is_to_be_done_it_costs_next_to_nothing() -> None:
    a, _ = with_box("ab")
    folder, _ = mailbox(a)
    for _ in range(100):
        a.do(EntryAppended(folder, blob_of("y"), (), 0))
    rows = CountedRows()
    state = State(rows)
    apply_all(state, a.delivered)
    fold(state, clock_of(a))
    rows.count = 0
    state.rows.begin()
    assert state.fold(clock_of(a), 1000) == 0
    state.rows.commit()
    assert rows.count < 10


def test_a_call_does_no_more_than_it_is_allowed() -> None:
    a, _ = with_box("ab")
    folder, _ = mailbox(a)
    for _ in range(300):
        a.do(EntryAppended(folder, blob_of("y"), (), 0))
    a.do(NodesDeleted(((folder, -1),)))
    rows = CountedRows()
    state = State(rows)
    apply_all(state, a.delivered)
    most, spent = 0, 1
    while spent:
        rows.count = 0
        state.rows.begin()
        spent = state.fold(clock_of(a), 20, kept_requests=0)
        state.rows.commit()
        assert spent <= 21
        most = max(most, rows.count)
    assert most < 20 * 25, "an entry is some 20 rows read and written"
    assert outline(state.view()) == outline(state_at(a).view())
