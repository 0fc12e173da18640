"""Random causal histories, and the naive model of their delivery."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from typing_extensions import override

from comm import Delivery, Offered
from crdt import Actor, Dot
from tests.comm.phrases import actor


class Op(NamedTuple):
    """`context` is all that its origin had of others; `dependencies` what changed in it."""

    dot: Dot
    context: dict[Actor, int]
    dependencies: Sequence[tuple[Actor, int]]

    @override
    def __repr__(self) -> str:
        return f"{self.dot} after {[f'{a.hex()[:4]}:{s}' for a, s in self.dependencies]}"


def random_history(random: Random) -> list[Op]:
    """Made by 1–5 actors that have delivered various parts of each other's operations."""
    actors = [actor(f"origin {n}") for n in range(random.randint(1, 5))]
    clocks: dict[Actor, dict[Actor, int]] = {one: {} for one in actors}
    told: dict[Actor, dict[Actor, int]] = {one: {} for one in actors}
    made: dict[Dot, Op] = {}
    for _ in range(random.randint(1, 30)):
        one, other = random.choice(actors), random.choice(actors)
        clock = clocks[one]
        if random.random() < 0.5:
            for who, seq in clocks[other].items():
                clock[who] = max(seq, clock.get(who, 0))
        context = {who: seq for who, seq in clock.items() if who != one}
        changes = [(who, seq) for who, seq in context.items() if seq > told[one].get(who, 0)]
        random.shuffle(changes)
        told[one].update(changes)
        clock[one] = clock.get(one, 0) + 1
        dot = Dot(one, clock[one])
        made[dot] = Op(dot, context, tuple(changes))
    return list(made.values())


class Naive:
    """The rule alone: keep everything, look at everything after every arrival."""

    def __init__(self) -> None:
        self.clock: dict[Actor, int] = {}
        self.kept: list[Op] = []

    def offer(self, op: Op) -> set[Dot]:
        """What its arrival delivers."""
        self.kept.append(op)
        return set(self._deliver())

    def _deliver(self) -> Iterator[Dot]:
        while (op := next(filter(self._is_due, self.kept), None)) is not None:
            self.clock[op.dot.actor] = op.dot.seq
            self.kept = [other for other in self.kept if other.dot != op.dot]
            yield op.dot

    def _is_due(self, op: Op) -> bool:
        follows = op.dot.seq == self.clock.get(op.dot.actor, 0) + 1
        return follows and all(self.clock.get(a, 0) >= s for a, s in op.context.items())


def op(who: Actor, seq: int, *dependencies: tuple[Actor, int]) -> Op:
    return Op(Dot(who, seq), dict(dependencies), dependencies)


def offer(delivery: Delivery[Op], *ops: Op) -> list[Dot]:
    """Offer in order; what is delivered, in order."""
    delivered: list[Dot] = []
    for one in ops:
        if delivery.offer(one, 1) is Offered.DELIVER:
            delivered.append(one.dot)
        delivered += [released.dot for released in delivery.ready()]
    return delivered
