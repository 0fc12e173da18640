"""The laws of the port crdt.Rows, for every implementation of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import Rows
from samebox.io.sqlite_image import SqliteImages
from samebox.write_back import WriteBackRows
from tests.rows_kept import KINDS, SMALL

Make = Callable[[], Rows]
LAST = b"\xff" * 8


@pytest.fixture(params=[*KINDS, "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """A maker of empty rows."""
    opened: list[WriteBackRows] = []
    numbers = count()

    def on_disk() -> Rows:
        folder = tmp_path / f"{next(numbers)}"
        folder.mkdir()
        opened.append(WriteBackRows(SqliteImages(folder).open(), SMALL))
        return opened[-1]

    yield KINDS.get(request.param, on_disk)
    for rows in opened:
        rows.close()


def everything(rows: Rows, table: str = "t") -> list[tuple[bytes, bytes]]:
    return list(rows.scan(table, b"", LAST))


def put_all(rows: Rows, keys: list[bytes]) -> None:
    rows.begin()
    for key in keys:
        rows.put("t", key, b"value of " + key)
    rows.commit()


def test_a_row_is_read_as_it_was_put(make: Make) -> None:
    rows = make()
    rows.begin()
    rows.put("t", b"k", b"one")
    assert rows.get("t", b"k") == b"one"
    rows.put("t", b"k", b"")
    assert rows.get("t", b"k") == b""
    rows.remove("t", b"k")
    assert rows.get("t", b"k") is None
    rows.commit()


def test_tables_know_nothing_of_each_other(make: Make) -> None:
    rows = make()
    put_all(rows, [b"k"])
    assert rows.get("other", b"k") is None
    assert everything(rows, "other") == []


def test_removing_what_is_not_there_changes_nothing(make: Make) -> None:
    rows = make()
    put_all(rows, [b"a"])
    rows.begin()
    rows.remove("t", b"b")
    rows.remove("other", b"a")
    rows.commit()
    assert [key for key, _ in everything(rows)] == [b"a"]


def test_a_scan_takes_the_first_and_leaves_the_last(make: Make) -> None:
    rows = make()
    put_all(rows, [b"c", b"a", b"b", b"bb", b"\xff", b""])
    assert [key for key, _ in rows.scan("t", b"a", b"c")] == [b"a", b"b", b"bb"]
    assert [key for key, _ in rows.scan("t", b"", LAST, reverse=True)] == [
        b"\xff", b"c", b"bb", b"b", b"a", b"",
    ]  # fmt: skip
    assert list(rows.scan("t", b"c", b"a")) == []
    assert list(rows.scan("t", b"b", b"b")) == []


@pytest.mark.parametrize("reverse", [False, True])
def test_a_long_scan_gives_every_row_once(make: Make, reverse: bool) -> None:
    rows = make()
    keys = [number.to_bytes(4, "big") for number in range(2000)]
    put_all(rows, keys)
    found = [key for key, _ in rows.scan("t", b"", LAST, reverse=reverse)]
    assert found == (keys[::-1] if reverse else keys)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_may_change_behind_a_scan(make: Make, reverse: bool) -> None:
    rows = make()
    keys = [number.to_bytes(4, "big") for number in range(1000)]
    put_all(rows, keys)
    found: list[bytes] = []
    rows.begin()
    for key, _ in rows.scan("t", b"", LAST, reverse=reverse):
        rows.remove("t", key)
        rows.put("t2", key, b"moved")
        found.append(key)
    rows.commit()
    assert sorted(found) == keys
    assert everything(rows) == []
    assert len(everything(rows, "t2")) == 1000


def test_a_rollback_leaves_no_trace(make: Make) -> None:
    rows = make()
    put_all(rows, [b"changed", b"removed", b"twice"])
    before = everything(rows)
    rows.begin()
    rows.put("t", b"changed", b"x")
    rows.remove("t", b"removed")
    rows.remove("t", b"twice")
    rows.put("t", b"twice", b"again")
    rows.put("t", b"new", b"x")
    rows.put("t", b"short-lived", b"x")
    rows.remove("t", b"short-lived")
    assert len(everything(rows)) == 3
    rows.rollback()
    assert everything(rows) == before


def test_what_was_rolled_back_can_be_done_again(make: Make) -> None:
    rows = make()
    for value in (b"first", b"second"):
        rows.begin()
        rows.put("t", b"k", value)
        if value == b"first":
            rows.rollback()
    rows.commit()
    assert everything(rows) == [(b"k", b"second")]


def test_transactions_do_not_nest_and_changes_need_one(make: Make) -> None:
    rows = make()
    for change in (rows.commit, rows.rollback, lambda: rows.put("t", b"k", b"v")):
        with pytest.raises(AssertionError, match="begin"):
            change()
    rows.begin()
    with pytest.raises(AssertionError, match="one transaction"):
        rows.begin()
    rows.rollback()


KEYS = st.binary(max_size=2)
CHANGE = st.tuples(st.sampled_from(["put", "remove", "scan", "commit", "rollback"]), KEYS, KEYS)


@given(st.lists(CHANGE, max_size=60))
def test_every_kind_of_rows_is_a_dictionary_that_is_sorted(
    changes: list[tuple[str, bytes, bytes]],
) -> None:
    for kind in KINDS.values():
        rows = kind()
        model: dict[bytes, bytes] = {}
        committed: dict[bytes, bytes] = {}
        rows.begin()
        for what, key, other in changes:
            if what == "put":
                rows.put("t", key, other)
                model[key] = other
            elif what == "remove":
                rows.remove("t", key)
                model.pop(key, None)
            elif what == "scan":
                wanted = [row for row in sorted(model.items()) if key <= row[0] < other]
                assert list(rows.scan("t", key, other)) == wanted
                assert list(rows.scan("t", key, other, reverse=True)) == wanted[::-1]
            else:
                if what == "commit":
                    rows.commit()
                    committed = dict(model)
                else:
                    rows.rollback()
                    model = dict(committed)
                rows.begin()
        assert everything(rows) == sorted(model.items())
        rows.rollback()


def test_rows_that_were_fetched_read_as_they_are_now(make: Make) -> None:
    """Whatever layer has the row, and whatever happens to it later."""
    rows = make()
    keys = [number.to_bytes(2, "big") for number in range(40)]
    put_all(rows, keys)
    rows.begin()
    rows.put("t", keys[0], b"new")
    rows.remove("t", keys[1])
    expected = {key: b"value of " + key for key in keys}
    expected[keys[0]] = b"new"
    del expected[keys[1]]
    for few in ([*keys, b"nowhere"], keys[:1], [b"elsewhere"], []):
        assert rows.fetch("t", few) == [expected.get(key) for key in few]
    rows.put("t", keys[2], b"newer")
    expected[keys[2]] = b"newer"
    assert rows.fetch("t", keys) == [expected.get(key) for key in keys]
    assert {key: rows.get("t", key) for key in keys if key != keys[1]} == expected
    assert rows.get("t", keys[1]) is rows.get("t", b"nowhere") is None
    rows.rollback()
