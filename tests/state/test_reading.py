"""Readings by hand: requests, blobs, pages, ids of aliases; and transactions of the whole state."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from crdt import (
    Address,
    EntryAppended,
    FlagsStored,
    FolderMade,
    IssuedPart,
    MemoryRows,
    Operation,
    State,
    Unknown,
    digest_of,
    tables,
)
from crdt.watched import LOOKS
from tests import oracle
from tests.crdt.implementations import state_of
from tests.histories import World, causal_order
from tests.scripts import random_script
from tests.site import all_of, blob_of
from tests.state.phrases import REQUEST, CountedRows, apply_all, state_at, twice, with_box
from tests.user import meet

TABLES = [value for name, value in vars(tables).items() if name.isupper() and type(value) is str]


def everything(state: State) -> list[list[tuple[bytes, bytes]]]:
    return [list(state.rows.scan(table, b"", b"\xff" * 64)) for table in TABLES]


def test_a_request_is_answered_by_the_operations_that_act_in_order_of_parts() -> None:
    a, b = with_box("ab")
    box = a.look("mail").ids[0]
    later = twice(b, FolderMade(box, "A"))
    first = twice(a, FolderMade(box, "A"))
    third = a.do(FolderMade(box, "B"), REQUEST._replace(part=1))
    a.do(FolderMade(box, "C"), REQUEST._replace(number=2))
    meet([a, b])
    stamps = {operation.dot: operation.stamp for operation in a.delivered}
    for user in (a, b):
        assert state_at(user).issued(REQUEST.client, REQUEST.number) == [
            IssuedPart(0, b"body", first, stamps[first]),
            IssuedPart(1, b"body", third, stamps[third]),
        ]
    assert state_at(a).issued(b"client-2", 1) == []
    assert state_at(a).address_of(later) == Address("mail", "A")


def test_a_repetition_is_known_however_many_requests_its_client_has_made() -> None:
    rows, user = CountedRows(), with_box("a")[0]
    state, box = State(rows), user.look("mail").ids[0]
    apply_all(state, user.delivered)
    for number in range(1, 3 * LOOKS):
        issue = REQUEST._replace(number=number)
        before = rows.count
        assert state.issued(issue.client, number) == []
        assert number <= LOOKS or rows.count == before, "what is new was looked for"
        made = user.do(FolderMade(box, str(number)), issue)
        for undone in (True, False):
            state.rows.begin()
            state.apply(user.delivered[-1])
            assert [part.dot for part in state.issued(issue.client, number)] == [made]
            state.rows.rollback() if undone else state.rows.commit()
            known = [part.dot for part in state.issued(issue.client, number)]
            assert known == ([] if undone else [made])
    after = State(rows)
    for _ in range(2):
        for number in range(1, 3 * LOOKS):
            assert len(after.issued(REQUEST.client, number)) == 1
        assert after.issued(REQUEST.client, 3 * LOOKS) == []


def test_the_clock_is_that_of_the_operations_applied() -> None:
    a, b = with_box("ab")
    b.create("mail/A")
    meet([a, b])
    assert state_at(a).clock() == a.clock
    assert State(MemoryRows()).clock() == {}


def test_every_blob_is_kept_with_the_operation_that_names_it() -> None:
    (a,) = with_box("a")
    file = a.create("mail/f", "old")
    written = a.write("mail/f", "new")
    entry = a.append("mail/INBOX", "one", "\\Deleted")
    a.expunge("mail/INBOX")
    a.delete("mail/f")
    found = sorted(state_at(a).blobs(), key=lambda found: found[1])
    assert found == [(blob_of("old"), file), (blob_of("new"), written), (blob_of("one"), entry)]


def test_entries_come_in_pages_behind_a_stamp_or_an_id() -> None:
    (a,) = with_box("a")
    ids = [a.append("mail/INBOX", str(number)) for number in range(5)]
    a.expunge("mail/INBOX", "2")
    state = state_at(a)
    inbox = a.look("mail/INBOX").ids
    stamp = next(operation.stamp for operation in a.delivered if operation.dot == ids[2])
    for after in (stamp, ids[2]):
        assert [entry.id for entry in state.entries(inbox, after=after)] == ids[3:]
        assert [entry.id for entry in state.entries(inbox, after=after, limit=1)] == ids[3:4]
    assert [entry.id for entry in state.entries(inbox, limit=2)] == ids[:2]
    assert list(state.entries(inbox, after=inbox[0])) == []
    assert state.entry(ids[2]) is None
    assert state.entry(inbox[0]) is None


def test_an_alias_is_read_as_what_it_stands_for() -> None:
    a, b = with_box("ab")
    inbox = a.look("mail/INBOX").ids[0]
    made = EntryAppended(inbox, blob_of("one"), (), 0)
    alias, acting = twice(b, made), twice(a, made)
    b.do(FlagsStored(inbox, (alias,), ("New",), (), replace=False, undelete=()))
    meet([a, b])
    state = state_at(b)
    found = state.entry(alias)
    assert found is not None and found == state.entry(acting)
    assert (found[0].id, found[0].flags, found[1]) == (acting, ("New",), inbox)
    assert state.count((inbox,)) == 1


def test_what_was_read_for_a_request_is_read_anew_once_something_else_has_changed_it() -> None:
    """An effect goes on with the row that its request was planned on."""
    a, b = with_box("ab")
    inbox = a.look("mail/INBOX").ids[0]
    entry = twice(a, EntryAppended(inbox, blob_of("one"), (), 0))
    twice(b, EntryAppended(inbox, blob_of("one"), (), 0))
    meet([a, b])
    a.do(FlagsStored(inbox, (entry,), ("New",), (), replace=False, undelete=()))
    made, twin, stored = a.delivered[-3:]
    assert made.dot == entry, "it is known before its twin comes"
    plain, asked = state_at(a), state_of(a.delivered[:-2], MemoryRows())
    assert asked.locate(entry) is not None
    apply_all(asked, [twin])
    apply_all(asked, [stored])
    assert everything(asked) == everything(plain)


def test_an_issue_that_was_asked_for_in_vain_is_found_once_it_is_there() -> None:
    (a,) = with_box("a")
    first = twice(a, FolderMade(a.look("mail").ids[0], "A"))
    *before, made = a.delivered
    state = state_of(before, MemoryRows())
    assert state.issued(REQUEST.client, REQUEST.number) == []
    apply_all(state, [made])
    state.rows.begin()
    state.rows.remove(tables.ISSUES, next(state.rows.scan(tables.ISSUES, b"", b"\xff"))[0])
    assert state.issued(REQUEST.client, REQUEST.number) == []
    state.rows.rollback()
    twice(a, FolderMade(a.look("mail").ids[0], "B"))
    apply_all(state, a.delivered[-1:])
    assert [part.dot for part in state.issued(REQUEST.client, REQUEST.number)] == [first]
    assert len(tables.ISSUED.decode(next(state.rows.scan(tables.ISSUES, b"", b"\xff"))[1])) == 2


def test_what_is_no_place_has_nothing_below_it() -> None:
    (a,) = with_box("a")
    file = a.create("mail/f", "x")
    state = state_at(a)
    nowhere = a.do(FolderMade(file, "lost"))
    apply_all(state, a.delivered[-1:])
    entry = a.do(EntryAppended(nowhere, blob_of("x"), (), 0))
    apply_all(state, a.delivered[-1:])
    for id in (file, nowhere, a.delivered[0].dot):
        assert state.node_children((id,)) == []
        assert list(state.entries((id,))) == []
        assert state.count((id,)) == 0
    assert state.entry(entry) is None
    assert state.address_of(nowhere) is None
    assert state.find(Address("mail", "f/lost")) is None
    assert state.find(Address("none")) is None


def test_operations_of_later_versions_change_the_clock_alone() -> None:
    (a,) = with_box("a")
    before = digest_of(a.view())
    a.do(Unknown(99), REQUEST)
    state = state_at(a)
    assert state.digest() == before
    assert state.clock() == a.clock


def test_a_conflict_copy_is_found_and_stands_beside_its_file() -> None:
    a, b = with_box("ab")
    file = a.create("mail/f.txt", "old")
    meet([a, b])
    a.write("mail/f.txt", "x")
    written = b.write("mail/f.txt", "y")
    meet([a, b])
    state = state_at(a)
    names = [node.name for node in state.node_children((a.look("mail").ids[0],))]
    kept, copy = (state.find(Address("mail", name)) for name in names if name != "INBOX")
    assert kept is not None and copy is not None
    assert {kept.conflict is None, copy.conflict is None} == {True, False}
    assert kept.ids == copy.ids == (file,)
    assert state.address_of(file) == Address("mail", "f.txt")
    assert kept.blob == blob_of("y") and state.address_of(written) is None


def test_a_name_is_found_without_case_where_the_box_folds() -> None:
    (a,) = with_box("a", fold=True)
    made = a.create("mail/Caf\u00e9")
    state = state_at(a)
    for name in ("Caf\u00e9", "CAFE\u0301", "caf\u00e9"):
        found = state.find(Address("mail", name))
        assert found is not None and found.ids == (made,)
    assert state.find(Address("mail", "inbox")) == state.find(Address("mail", "INBOX"))


@pytest.mark.parametrize("seed", range(12))
def test_a_rollback_leaves_no_trace_of_any_effect(seed: int) -> None:
    random = Random(seed)
    operations: list[Operation] = all_of(World(random_script(random, 60)).sites)
    state = State(MemoryRows())
    while operations:
        count = random.randrange(1, 6)
        before = everything(state)
        state.rows.begin()
        for operation in operations[:count]:
            state.apply(operation)
        state.rows.rollback()
        assert everything(state) == before
        apply_all(state, operations[:count])
        del operations[:count]
    assert state.clock()


@pytest.mark.parametrize("seed", range(12))
def test_requests_of_which_any_two_may_be_one_are_what_the_oracle_says(seed: int) -> None:
    """No honest client repeats so wildly; the rule is exact for it all the same."""
    random = Random(seed)
    world = World(random_script(random, 70))
    operations = [_issued_anew(operation, random) for operation in world.operations()]
    wanted = oracle.view(operations)
    for _ in range(3):
        assert state_of(causal_order(operations, random), MemoryRows()).view() == wanted


def _issued_anew(operation: Operation, random: Random) -> Operation:
    kind = len(type(operation.body).__name__)
    number = random.randrange(3) + 10 * kind * random.randrange(2)
    return replace(operation, issue=REQUEST._replace(number=number))
