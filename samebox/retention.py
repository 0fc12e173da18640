"""What the other members hold, as far as the log may be cut for it: by all of them, by a quorum.

The normal case is that all hold it: then nobody will ask for it. A member of which nothing is
known, or whose word does not count (samebox.stability), holds everything back. What a quorum holds
may go where the log is longer than the node list allows: a silent member gets a snapshot then.

Of two members that lack what the other one has, never have both cut it off. For let P have cut x,
which R lacks, and R have cut y, which P lacks. The quorums that held x and y have a member N in
common. It got one of them first, say x; when it told R of y, it told R of x as well. R counts a
member only up to what R holds itself: so R holds x, or has not cut y.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from crdt import Actor, Clock, includes
from samebox.holding import Holding
from samebox.stability import reason_of


def is_quorum(holders: Collection[str], members: Collection[str]) -> bool:
    """More than half of the members, or the half with the least name among them: any two have a
    member in common."""
    twice = 2 * len(holders)
    return twice > len(members) or (twice == len(members) and min(members) in holders)


class Retention:
    """`node` is this one."""

    def __init__(self, node: str, members: Sequence[str]) -> None:
        self._node = node
        self._members = members
        self._settled: dict[str, Clock] = {}
        self._told: dict[str, Clock] = {}

    def look(self, durable: Clock, others: Sequence[Holding], strangers: Collection[str]) -> None:
        """To be called from time to time. What a member tells counts once all of it is durable
        here; and no longer when it tells of less: it went back."""
        for member in others:
            if reason_of(member, strangers):
                self._told.pop(member.node, None)
                self._settled.pop(member.node, None)
                continue
            for known in (self._settled, self._told):
                if not includes(member.clock, known.get(member.node, {})):
                    del known[member.node]
            told = self._told.get(member.node)
            if told is not None and includes(durable, told):
                self._settled[member.node] = told
                told = None
            if told is None:
                self._told[member.node] = dict(member.clock)

    def by_all(
        self, durable: Clock, others: Sequence[Holding], strangers: Collection[str]
    ) -> dict[Actor, int]:
        if any(reason_of(member, strangers) for member in others):
            return {}
        return {a: min([seq, *(m.clock.get(a, 0) for m in others)]) for a, seq in durable.items()}

    def by_quorum(self, durable: Clock) -> dict[Actor, int]:
        return {actor: self._reach(actor, seq) for actor, seq in durable.items()}

    def _reach(self, actor: Actor, durable: int) -> int:
        """The last seq that a quorum holds."""
        held: Mapping[str, int] = {
            self._node: durable,
            **{node: clock.get(actor, 0) for node, clock in self._settled.items()},
        }
        for seq in sorted(set(held.values()), reverse=True):
            if is_quorum([node for node, reached in held.items() if reached >= seq], self._members):
                return seq
        return 0
