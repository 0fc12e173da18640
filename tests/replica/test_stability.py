"""What is stable at a node: never more than whatever is still to arrive has in its context."""

from __future__ import annotations

from random import Random

import pytest

from comm import ACTORS_MAX
from crdt import Actor, includes, merge
from samebox import stability as stability_module
from samebox.events import Doubt
from samebox.holding import Holding
from samebox.stability import (
    OTHER_HISTORY,
    OTHER_LIST,
    TOO_MANY_ACTORS,
    UNHEARD,
    HeldBack,
    Stability,
    held_back,
    reason_of,
)
from tests.mutants import Mutant, planted

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
NOBODY: dict[str, None] = {}


def member(name: str, clock: dict[Actor, int] | None = None) -> Holding:
    return Holding(name, (clock or {}).items())


def test_stable_is_what_all_members_hold() -> None:
    stability = Stability()
    stability.look({A: 5, B: 3}, [member("b", {A: 4, B: 3}), member("c", {A: 2, B: 3})], NOBODY)
    assert stability.clock == {A: 2, B: 3}


def test_alone_everything_is_stable_at_once() -> None:
    stability = Stability()
    stability.look({A: 5}, [], NOBODY)
    assert stability.clock == {A: 5}


def test_a_member_that_was_never_heard_of_holds_everything_back() -> None:
    stability = Stability()
    stability.look({A: 5}, [member("b", {A: 5}), member("c")], NOBODY)
    assert stability.clock == {}
    assert held_back({A: 5}, [member("b", {A: 5}), member("c")], NOBODY) == (
        HeldBack("c", 5, UNHEARD),
    )


def test_what_a_member_names_and_is_not_here_is_waited_for() -> None:
    stability, b = Stability(), member("b", {A: 5, B: 9})
    stability.look({A: 5, B: 3}, [b], NOBODY)
    assert stability.clock == {}
    b.learn([(B, 12)])
    stability.look({A: 5, B: 9}, [b], NOBODY)
    assert stability.clock == {A: 5, B: 3}, "the cut names 9 operations, and they are here"


@pytest.mark.parametrize("reason", [OTHER_LIST, OTHER_HISTORY, TOO_MANY_ACTORS, UNHEARD])
def test_of_a_member_that_does_not_count_nothing_does(reason: str) -> None:
    b, strangers = member("b", {A: 5}), dict(NOBODY)
    match reason:
        case "works with another member list":
            strangers["b"] = None
        case "has another history of an actor":
            b.fork(C)
        case "holds operations of too many actors":
            b.clock |= {number.to_bytes(16, "big"): 1 for number in range(ACTORS_MAX)}
        case _:
            b = member("b")
    stability = Stability()
    stability.look({A: 5}, [b], strangers)
    assert stability.clock == {}
    assert reason_of(b, strangers) == reason


def test_a_member_that_is_doubted_does_not_count() -> None:
    b = member("b", {A: 5})
    b.doubt(Doubt(A, 7, b"chain"))
    assert reason_of(b, NOBODY) == OTHER_HISTORY


def test_a_member_that_goes_back_ends_the_cut_that_it_was_part_of() -> None:
    stability, b = Stability(), member("b", {A: 5, B: 9})
    stability.look({A: 5, B: 3}, [b], NOBODY)
    b.greeted({A: 1}.items(), (), ())
    stability.look({A: 5, B: 9}, [b], NOBODY)
    assert stability.clock == {A: 1}


class World:
    """Nodes that write, hear of each other in any order, and tell what they hold, late or never."""

    def __init__(self, random: Random, nodes: int) -> None:
        self.random = random
        self.clocks: list[dict[Actor, int]] = [{} for _ in range(nodes)]
        self.contexts: dict[tuple[Actor, int], dict[Actor, int]] = {}
        self.holdings = [
            {other: member(str(other)) for other in range(nodes) if other != node}
            for node in range(nodes)
        ]
        self.stabilities = [Stability() for _ in range(nodes)]

    def step(self) -> None:
        node, other = self.random.sample(range(len(self.clocks)), 2)
        match self.random.randrange(4):
            case 0:
                self.write(node)
            case 1:
                self.deliver(node, other)
            case 2:
                self.holdings[node][other].learn(self.clocks[other].items())
            case _:
                self.look(node)

    def write(self, node: int) -> None:
        actor, clock = bytes([node]) * 16, self.clocks[node]
        seq = clock.get(actor, 0) + 1
        self.contexts[actor, seq] = dict(clock)
        clock[actor] = seq

    def deliver(self, node: int, other: int) -> None:
        """One operation that the other has, and this node may take."""
        clock = self.clocks[node]
        ready = [
            (actor, clock.get(actor, 0) + 1)
            for actor, seq in self.clocks[other].items()
            if clock.get(actor, 0) < seq
        ]
        ready = [dot for dot in ready if includes(clock, self.contexts[dot])]
        if ready:
            actor, seq = self.random.choice(ready)
            assert includes(self.contexts[actor, seq], self.stabilities[node].clock)
            clock[actor] = seq

    def look(self, node: int) -> None:
        stability = self.stabilities[node]
        before = stability.clock
        stability.look(self.clocks[node], list(self.holdings[node].values()), NOBODY)
        assert includes(self.clocks[node], stability.clock)
        assert includes(stability.clock, before)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_arrives_has_seen_all_that_is_stable(seed: int) -> None:
    world = World(Random(seed), nodes=2 + seed % 3)
    for _ in range(400):
        world.step()
    for clock in world.clocks:
        for actor, seq in [*clock.items()]:
            assert includes(merge(clock, {actor: seq}), world.contexts[actor, seq])
    heal(world)


def heal(world: World) -> None:
    """When all has come everywhere and been told, all of it is stable."""
    nodes = range(len(world.clocks))
    while any(world.clocks[node] != world.clocks[0] for node in nodes):
        for node in nodes:
            for other in nodes:
                if node != other:
                    world.deliver(node, other)
    for node in nodes:
        for other in nodes:
            if node != other:
                world.holdings[node][other].learn(world.clocks[other].items())
        world.look(node)
        world.look(node)
        assert world.stabilities[node].clock == world.clocks[node]


MUTANTS = [
    Mutant("R9", "what members name is not waited for", stability_module,
           "elif includes(durable, self._cut.named):", "else:"),
    Mutant("R9", "one member is enough", stability_module,
           "named = merge(named, member.clock)\n        stable = {",
           "named = merge(named, member.clock)\n        stable = stable if member.node else {"),
    Mutant("R9", "the cut is taken anew when it comes true", stability_module,
           "self.clock, self._cut = self._cut.stable, cut",
           "self.clock, self._cut = cut.stable, cut"),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.mistake for mutant in MUTANTS])
def test_a_planted_mistake_is_noticed(mutant: Mutant) -> None:
    with planted(mutant):
        assert any(fails(seed) for seed in range(60))


def fails(seed: int) -> bool:
    try:
        test_whatever_arrives_has_seen_all_that_is_stable(seed)
    except AssertionError:
        return True
    return False
