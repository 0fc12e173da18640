"""What the other members hold, as far as a log may be cut for it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pytest

from crdt import Actor
from samebox.holding import Holding
from samebox.retention import Retention, is_quorum

ANN, BOB = b"a" * 16, b"b" * 16
MEMBERS = ("a", "b", "c", "d", "e", "f")


@pytest.mark.parametrize("count", range(1, 7))
def test_any_two_quorums_have_a_member_in_common(count: int) -> None:
    members = MEMBERS[:count]
    groups = [set(some) for size in range(count + 1) for some in combinations(members, size)]
    quorums = [group for group in groups if is_quorum(group, members)]
    assert set(members) in quorums
    assert all(one & other for one in quorums for other in quorums)
    assert all(is_quorum(g, members) != is_quorum(set(members) - g, members) for g in groups)


def holdings(**clocks: Mapping[Actor, int]) -> list[Holding]:
    return [Holding(node, clock.items()) for node, clock in clocks.items()]


def test_all_hold_what_each_of_them_holds() -> None:
    retention = Retention("a", ("a", "b", "c"))
    others = holdings(b={ANN: 5, BOB: 9}, c={ANN: 7, BOB: 2})
    assert retention.by_all({ANN: 6, BOB: 8}, others, ()) == {ANN: 5, BOB: 2}


def test_a_node_without_others_holds_all() -> None:
    assert Retention("a", ("a",)).by_all({ANN: 6}, [], ()) == {ANN: 6}


def silent(holding: Holding) -> None:
    holding.clock = {}


def forked(holding: Holding) -> None:
    holding.fork(ANN)


@pytest.mark.parametrize("worsen", [silent, forked])
def test_whose_word_does_not_count_holds_everything_back(worsen: object) -> None:
    retention = Retention("a", ("a", "b", "c"))
    others = holdings(b={ANN: 5}, c={ANN: 7})
    worsen(others[0])  # type: ignore[operator]
    assert retention.by_all({ANN: 6}, others, ()) == {}
    assert retention.by_all({ANN: 6}, holdings(b={ANN: 5}, c={ANN: 7}), ("c",)) == {}


def looked(retention: Retention, durable: Mapping[Actor, int], others: list[Holding]) -> None:
    retention.look(durable, others, ())
    retention.look(durable, others, ())


def test_a_quorum_holds_what_more_than_half_do() -> None:
    retention = Retention("a", ("a", "b", "c"))
    others = holdings(b={ANN: 5}, c={})
    looked(retention, {ANN: 9}, others)
    assert retention.by_quorum({ANN: 9}) == {ANN: 5}


def test_of_two_halves_the_one_with_the_least_name_is_a_quorum() -> None:
    alone = Retention("a", ("a", "b"))
    looked(alone, {ANN: 9}, holdings(b={}))
    assert alone.by_quorum({ANN: 9}) == {ANN: 9}
    other = Retention("b", ("a", "b"))
    looked(other, {ANN: 9}, holdings(a={ANN: 4}))
    assert other.by_quorum({ANN: 9}) == {ANN: 4}


def test_a_member_counts_up_to_what_is_durable_here_of_all_that_it_told() -> None:
    """Else both ends of a partition might cut what the other one lacks."""
    retention = Retention("a", ("a", "b", "c"))
    others = holdings(b={ANN: 5, BOB: 3}, c={})
    looked(retention, {ANN: 9, BOB: 2}, others)
    assert retention.by_quorum({ANN: 9, BOB: 2}) == {ANN: 0, BOB: 0}
    others[0].learn([(ANN, 6), (BOB, 4)])
    retention.look({ANN: 9, BOB: 3}, others, ())
    assert retention.by_quorum({ANN: 9, BOB: 3}) == {ANN: 5, BOB: 3}, "what it had told before"


def test_a_member_that_went_back_counts_no_more() -> None:
    retention = Retention("a", ("a", "b", "c"))
    others = holdings(b={ANN: 5}, c={})
    looked(retention, {ANN: 9}, others)
    others[0].greeted([(ANN, 3)], (), ())
    retention.look({ANN: 9}, others, ())
    assert retention.by_quorum({ANN: 9}) == {ANN: 0}
    looked(retention, {ANN: 9}, others)
    assert retention.by_quorum({ANN: 9}) == {ANN: 3}
