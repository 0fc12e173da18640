"""Ids, receipts and request ids as they are typed and shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import Dot, RequestId
from samebox import spelling
from samebox.asking import Declined, whole
from samebox.events import SHOWN_MAX, Done, Failure, Late, Outcome, Receipt, Refusal
from samebox.spelling import Misspelt

ACTORS = st.binary(min_size=16, max_size=16)
SEQS = st.integers(1, 2**63 - 1)


@given(ACTORS, SEQS)
def test_an_entry_as_it_is_shown_names_the_entry_again(actor: bytes, seq: int) -> None:
    typed = spelling.entry(spelling.shown_entry(Dot(actor, seq)))
    assert typed == Dot(actor[:4], seq)
    assert whole(typed, {actor: seq}) == Dot(actor, seq)


@given(st.binary(min_size=8, max_size=8), SEQS)
def test_a_request_id_comes_back(client: bytes, number: int) -> None:
    id = RequestId(client, number)
    assert spelling.request_id(spelling.shown_request_id(id)) == id


@given(
    st.text("-0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=63),
    st.dictionaries(ACTORS, SEQS, max_size=4),
)
def test_a_receipt_comes_back(shard: str, clock: dict[bytes, int]) -> None:
    assert spelling.shard_clock(spelling.shown_shard_clock(shard, clock)) == (shard, clock)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "a1b2c3d4",
        "a1b2c3d4:0",
        "a1b2c3d4:-1",
        "a1b2c3:1",
        "a1b2c3d4e:1",
        f"{'0' * 34}:1",
        f"a1b2c3d4:{2**63}",
        "a1b2c3d4:" + "9" * 5000,
        "mail/alice:1",
    ],
)
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(Misspelt, match="expected"):
        spelling.entry(text)


@pytest.mark.parametrize("text", ["", "00", "0" * 18, "0" * 16 + ":", "0" * 16 + ":x"])
def test_what_is_no_request_id_is_refused(text: str) -> None:
    with pytest.raises(Misspelt, match="16 hex digits"):
        spelling.request_id(text)


@pytest.mark.parametrize(
    "text", ["", "main", "@", "main@00=1", f"main@{'0' * 32}", f"main@{'0' * 32}=1,"]
)
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(Misspelt, match="a shard and a clock"):
        spelling.shard_clock(text)


def test_of_two_actors_that_begin_alike_the_one_that_got_so_far_is_meant() -> None:
    first, second = bytes(4) + b"1" * 12, bytes(4) + b"2" * 12
    clock = {first: 5, second: 9}
    assert whole(Dot(bytes(4), 7), clock) == Dot(second, 7)
    with pytest.raises(Declined, match="write it whole"):
        whole(Dot(bytes(4), 5), clock)
    assert whole(Dot(bytes(4) + b"1", 5), clock) == Dot(first, 5)
    with pytest.raises(Declined, match="none that this node holds"):
        whole(Dot(bytes(4), 10), clock)


ACTOR = bytes.fromhex("3b5a8d096a55ecbb1b53ccbddb9c47fa")
HERE = Receipt("main", {ACTOR: 4})


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Done(HERE, (Dot(ACTOR, 4),), ("a", "b")), "done: 3b5a8d09:4, held by a, b"),
        (Done(HERE, (), ("a",)), "done, held by a"),
        (
            Late(HERE, (Dot(ACTOR, 3), Dot(ACTOR, 4)), ("a",)),
            "late: 3b5a8d09:3, 3b5a8d09:4, held by a when the deadline passed",
        ),
        (
            Late(HERE, (), ()),
            "late, held by no node that this one knows of when the deadline passed",
        ),
        (
            Done(HERE, tuple(Dot(ACTOR, seq + 1) for seq in range(SHOWN_MAX + 1)), ("a",)),
            "done: 6 operations, held by a",
        ),
        (Refusal("name-taken", "choose another"), "refused (name-taken): choose another"),
        (Failure("disk full"), "failed, nothing was changed: disk full"),
    ],
)
def test_an_outcome_that_is_printed_shows_ids_as_everywhere(outcome: Outcome, text: str) -> None:
    assert str(outcome) == text
    assert f"{outcome}" == text


def test_a_receipt_that_is_printed_can_be_typed_again() -> None:
    assert spelling.shard_clock(str(HERE)) == ("main", {ACTOR: 4})
