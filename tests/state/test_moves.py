"""R7: late moves are put at their place, and what was judged after them is judged again."""

from __future__ import annotations

from itertools import permutations
from random import Random

from crdt import Dot, FolderMade, MemoryRows, NodesRenamed, Operation, State, View
from tests import oracle
from tests.crdt.implementations import state_of
from tests.histories import causal_order
from tests.site import Site, all_of
from tests.state.phrases import CountedRows, apply_all, shown, with_box
from tests.user import meet


def folders(site: Site, box: Dot, names: str) -> dict[str, Dot]:
    return {name: site.do(FolderMade(box, name)) for name in names}


def moved(site: Site, what: Dot, into: Dot) -> Operation:
    site.do(NodesRenamed((what,), into, None))
    return site.delivered[-1]


def test_three_moves_round_in_a_circle_end_alike_in_every_order() -> None:
    everyone = with_box("abc")
    a, b, c = everyone
    at = folders(a, a.look("mail").ids[0], "XYZ")
    meet(everyone)
    base = list(a.delivered)
    moves = [moved(a, at["X"], at["Y"]), moved(b, at["Y"], at["Z"]), moved(c, at["Z"], at["X"])]
    views: list[View] = []
    births = [o for o in all_of(everyone) if o not in base and o not in moves]
    for order in permutations(moves):
        views.append(state_of([*base, *births, *order], MemoryRows()).view())
    assert all(view == views[0] for view in views)
    assert shown(everyone) == "Z\n  Y\n    X"


def test_an_ignored_move_counts_after_all_when_an_earlier_one_arrives() -> None:
    a, b = with_box("ab")
    at = folders(b, b.look("mail").ids[0], "XYZ")
    meet([a, b])
    moved(a, at["Y"], at["Z"])
    for _ in range(3):
        b.append("mail/INBOX", "lets time pass")
    moved(b, at["Y"], at["X"])
    moved(b, at["X"], at["Y"])
    b_alone = state_of(b.delivered, MemoryRows()).view()
    assert [node.name for node in b_alone.boxes[0].children] == ["INBOX", "X", "Z"]
    b.do(NodesRenamed((at["Y"],), at["Z"], None))
    assert "X" in shown([a, b])


def test_random_moves_in_random_orders_are_what_the_oracle_says() -> None:
    random = Random(7)
    for _ in range(60):
        everyone = with_box("abcd")
        at = list(folders(everyone[0], everyone[0].look("mail").ids[0], "UVWXYZ").values())
        meet(everyone)
        for _ in range(14):
            site = random.choice(everyone)
            moved(site, random.choice(at), random.choice(at))
            if random.random() < 0.3:
                site.sees(random.choice(everyone))
        operations = all_of(everyone)
        wanted = oracle.view(operations)
        for _ in range(3):
            order = causal_order(operations, random)
            assert state_of(order, MemoryRows()).view() == wanted


def test_a_move_in_order_costs_the_depth_and_not_what_was_moved_before() -> None:
    (a,) = with_box("a")
    box = a.look("mail").ids[0]
    at = folders(a, box, "XYZ")
    rows = CountedRows()
    state = State(rows)
    apply_all(state, a.delivered)
    costs: list[int] = []
    for number in range(300):
        operation = moved(a, at["X"], at["YZ"[number % 2]])
        rows.count = 0
        apply_all(state, [operation])
        costs.append(rows.count)
    assert max(costs[-2:]) <= max(costs[2:4])
