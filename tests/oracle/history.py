"""A set of operations in the order of their stamps, and what the ids in their bodies mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from crdt import ROOT, Dot, Operation, inbox_of, is_inbox


def concurrent(left: Operation, right: Operation) -> bool:
    return left.dot != right.dot and not left.saw(right.dot) and not right.saw(left.dot)


class History(NamedTuple):
    """`operations` by stamp, so causes stand before effects; `stands_for`: alias -> acting dot."""

    operations: tuple[Operation, ...]
    by_dot: Mapping[Dot, Operation]
    stands_for: Mapping[Dot, Dot]

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> History:
        by_dot = {operation.dot: operation for operation in operations}
        ordered = tuple(sorted(by_dot.values(), key=lambda operation: operation.stamp))
        return cls(ordered, by_dot, _aliases(ordered))

    def meaning(self, operation: Operation, target: Dot) -> Dot | None:
        """The id that `target` means in `operation`; None where it is not known to it."""
        maker = Dot(target.actor, -target.seq) if is_inbox(target) else target
        if target == ROOT or not operation.saw(maker) or maker not in self.by_dot:
            return None
        real = self.stands_for.get(maker, maker)
        return inbox_of(real) if is_inbox(target) else real


def _aliases(ordered: tuple[Operation, ...]) -> dict[Dot, Dot]:
    """R10: who stands for whom."""
    stands_for: dict[Dot, Dot] = {}
    requests: dict[tuple[bytes, int, int], list[Operation]] = {}
    for operation in ordered:
        if operation.issue is None:
            continue
        client, number, part, _ = operation.issue
        earlier = requests.setdefault((client, number, part), [])
        least = next((twin for twin in earlier if concurrent(twin, operation)), None)
        if least is not None and type(least.body) is type(operation.body):
            stands_for[operation.dot] = stands_for.get(least.dot, least.dot)
        earlier.append(operation)
    return stands_for
