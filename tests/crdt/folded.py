"""Histories in which a state forgets on the way: at random times, as much as causality allows, or
less. What it shows is compared with the oracle, which forgets nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from crdt import Actor, Operation, Rows, State
from tests import oracle
from tests.histories import World, causal_order
from tests.scripts import Act, Script, Start, Step, random_script

FOCI: tuple[dict[Act, int], ...] = (
    {Act.APPEND: 1, Act.MARK: 3, Act.UNMARK: 4, Act.EXPUNGE: 3, Act.MOVE: 2, Act.SYNC: 4,
     Act.TRICKLE: 3},
    {Act.FLAG: 8, Act.SET: 1, Act.SYNC: 4, Act.TRICKLE: 3},
    {Act.FOLDER: 2, Act.DELETE: 3, Act.NAME: 4, Act.APPEND: 2, Act.PLACE: 3, Act.REPEAT: 2,
     Act.MOVE: 1, Act.SYNC: 6, Act.TRICKLE: 4},
    {Act.FOLDER: 2, Act.APPEND: 2, Act.REPEAT: 6, Act.MARK: 1, Act.EXPUNGE: 2, Act.UNMARK: 2,
     Act.NAME: 2, Act.PLACE: 2, Act.SYNC: 4, Act.TRICKLE: 4},
    {Act.NAME: 3, Act.REPEAT: 4, Act.PLACE: 2, Act.SYNC: 3, Act.TRICKLE: 4},
)  # fmt: skip
"""Few things, and much done to them: half of the scripts are about one of these."""

BUDGETS = (1, 1, 2, 5, 1000)
LOOKS = 3
"""Times at which the view is compared, beside the end."""


def focused_script(random: Random, length: int) -> Script:
    if random.random() < 0.5:
        return random_script(random, length, honest=True)
    weights = random.choice(FOCI)
    sites = random.choice((2, 3, 3, 4))
    steps = tuple(
        Step(act, random.randrange(sites), *(random.randrange(64) for _ in range(3)))
        for act in random.choices(list(weights), list(weights.values()), k=length)
    )
    return Script(sites, Start.TREE, random.random() < 0.5, True, steps)


def orders_of(script: Script, random: Random) -> list[Sequence[Operation]]:
    """How the sites saw it, each with the rest behind, and one that no site saw."""
    world = World(script)
    everything = world.operations()
    orders: list[Sequence[Operation]] = [causal_order(everything, random)]
    for site in world.sites:
        rest = [operation for operation in everything if not site.knows(operation.dot)]
        orders.append([*site.delivered, *_behind(rest, random)])
    return orders


def _behind(rest: Sequence[Operation], random: Random) -> list[Operation]:
    """In the order of stamps, which extends causality."""
    return sorted(rest, key=lambda operation: operation.stamp)


def stable_clocks(operations: Sequence[Operation]) -> list[dict[Actor, int]]:
    """For every place in the order: what is delivered before it, and in the context of all that
    comes behind."""
    delivered: list[dict[Actor, int]] = [{}]
    for operation in operations:
        actor, seq = operation.dot
        delivered.append({**delivered[-1], actor: seq})
    clocks = [delivered[-1]]
    bound: Mapping[Actor, int] = delivered[-1]
    for place in range(len(operations) - 1, -1, -1):
        bound = least(bound, operations[place].context())
        clocks.append(least(bound, delivered[place]))
    clocks.reverse()
    return clocks


def least(left: Mapping[Actor, int], right: Mapping[Actor, int]) -> dict[Actor, int]:
    both = {actor: min(seq, right.get(actor, 0)) for actor, seq in left.items()}
    return {actor: seq for actor, seq in both.items() if seq}


def fold_some(state: State, stable: Mapping[Actor, int], random: Random, kept: int) -> None:
    state.rows.begin()
    state.fold(stable, random.choice(BUDGETS), kept_requests=kept)
    state.rows.commit()


def fold_all(state: State, stable: Mapping[Actor, int]) -> int:
    """Until nothing is left to do; returns how many things that took."""
    total, spent = 0, 1
    while spent:
        state.rows.begin()
        spent = state.fold(stable, 100, kept_requests=0)
        state.rows.commit()
        total += spent
    return total


def deliver_folding(operations: Sequence[Operation], rows: Rows, random: Random) -> State:
    """Deliver in this order, forgetting on the way; the view is right whenever it is looked at."""
    state, clocks = State(rows), stable_clocks(operations)
    looks = [random.randrange(len(operations) + 1) for _ in range(LOOKS)]
    kept = random.choice((0, 0, 5))
    eager = random.choice((1.0, 0.3, 0.05))
    for place, operation in enumerate(operations):
        if random.random() < eager:
            fold_some(state, clocks[place], random, kept)
        if place in looks:
            assert state.view() == oracle.view(operations[:place])
        if random.random() < 0.02:
            state = State(rows)
        assert not state.lacks(operation)
        if random.random() < 0.05:
            state.rows.begin()
            state.apply(operation)
            state.fold(clocks[place], random.choice(BUDGETS), kept_requests=kept)
            state.rows.rollback()
        state.rows.begin()
        state.apply(operation)
        state.rows.commit()
    return state


def check_folding(
    orders: Sequence[Sequence[Operation]], rows: Callable[[], Rows], seed: int
) -> None:
    """The same operations in some orders, and when all of them are stable."""
    expected = oracle.view(orders[0])
    for order in orders:
        state = deliver_folding(order, rows(), Random(seed))
        assert state.view() == expected
        digest = state.digest()
        fold_all(state, state.clock())
        assert state.view() == expected
        assert state.digest() == digest
