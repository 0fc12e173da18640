"""Who waits for which operations to be held by how many members.

The simple rule: look at everyone who waits whenever a member says that it holds more. Nearly all of
them wait for operations of one actor, each for the next one: these stand in a line, and an
operation in it has k copies when the k-th greatest clock entry of the members has reached it. So an
acknowledgement costs a look at the clocks, and what it fulfils. The others wait at something that a
member lacks for them; see samebox.holding.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from msgspec import Struct

from crdt import Actor, Dot
from samebox.events import Failure, Receipt, Refusal, WaitAsked
from samebox.holding import Behind, Holding, Lack, Without
from samebox.vetting import too_many

CALLERS_MAX = 16_384
"""Callers that wait for other members: one for each operation that a window has on its way to a
peer. What more callers ask for is not sent any sooner."""
NAMED_MAX = 262_144
"""Clock entries and operations that the waits name together: some 30 MB."""

FULL = (
    f"{CALLERS_MAX} callers, or what names {NAMED_MAX} operations, wait for other members already: "
    "ask again later, or for fewer copies; `samebox status` tells which member is behind"
)


class Waiting(Struct, frozen=True, gc=False):
    token: int
    receipt: Receipt
    dots: tuple[Dot, ...]
    copies: int

    @property
    def named(self) -> int:
        return len(self.receipt.clock) + len(self.dots)


class _Line:
    """Those who wait for operations of one actor, in the order of their seqs, no two for the same
    one."""

    def __init__(self) -> None:
        self._seqs: list[int] = []
        self._waits: list[Waiting] = []

    def __bool__(self) -> bool:
        return bool(self._seqs)

    def add(self, seq: int, waiting: Waiting) -> bool:
        """False where it is not behind all others."""
        if self._seqs and self._seqs[-1] >= seq:
            return False
        self._seqs.append(seq)
        self._waits.append(waiting)
        return True

    def take(self, seq: int) -> tuple[list[int], list[Waiting]]:
        """Those who wait for nothing behind `seq`, with what they wait for: they leave the
        line."""
        if not self._seqs or self._seqs[0] > seq:  # mostly, where few wait
            return [], []
        count = bisect_right(self._seqs, seq)
        seqs, waits = self._seqs[:count], self._waits[:count]
        del self._seqs[:count], self._waits[:count]
        return seqs, waits

    def leave(self, seq: int, token: int) -> None:
        place = bisect_left(self._seqs, seq)
        if place < len(self._seqs) and self._waits[place].token == token:
            del self._seqs[place], self._waits[place]


class Confirmations:
    """`own` is what this node holds, `others` what the other members do. A copy is a member that
    holds the operations and their blobs; whatever is waited for, the operations are synced here
    first. That alone is enough where one copy is asked for: this node counts then."""

    def __init__(self, own: Holding, others: Sequence[Holding]) -> None:
        self._own = own
        self._every = (own, *others)
        self._names = tuple([one.node for one in self._every])
        self._waits: dict[int, Waiting] = {}
        self._named = 0
        self._new: list[int] = []
        self._lines: dict[tuple[Actor, int], _Line] = {}

    def __len__(self) -> int:
        return len(self._waits)

    @property
    def room(self) -> int:
        """For so many more callers. What is looked at before a batch may be exceeded by it."""
        return 0 if self._named >= NAMED_MAX else max(0, CALLERS_MAX - len(self._waits))

    def wait(self, event: WaitAsked, shard: str, members: int) -> Refusal | Failure | None:
        """Why that cannot be waited for; None where it is."""
        if event.copies > members:
            return too_many(event.copies, members)
        if not self.room:
            return Failure(FULL)
        receipt = Receipt(shard, dict(event.clock))
        self.add(Waiting(event.token, receipt, (), event.copies))
        return None

    def add(self, waiting: Waiting) -> None:
        clock = waiting.receipt.clock
        self._waits[waiting.token] = waiting
        self._named += len(clock) + len(waiting.dots)
        if len(clock) == 1:  # mostly
            ((actor, seq),) = clock.items()
            line = self._lines.get((actor, waiting.copies))
            if line is None:
                line = self._lines[actor, waiting.copies] = _Line()
            if line.add(seq, waiting):
                return
        self._new.append(waiting.token)

    def abandon(self, token: int) -> Waiting | None:
        waiting = self._waits.pop(token, None)
        if waiting is not None:
            self._named -= waiting.named
            self._leave_line(waiting)
            for holding in self._every:
                holding.forget(token)
        return waiting

    def _leave_line(self, waiting: Waiting) -> None:
        for actor, seq in waiting.receipt.clock.items():
            line = self._lines.get((actor, waiting.copies))
            if line is not None:
                line.leave(seq, waiting.token)

    def nodes(self, waiting: Waiting) -> tuple[str, ...]:
        """Those that hold what it waits for by now."""
        receipt, dots = waiting.receipt, waiting.dots
        lacks = [(one, one.lacks(receipt, dots)) for one in self._every]
        return tuple([one.node for one, lack in lacks if self._counts(one, lack, waiting)])

    def released(self) -> list[tuple[Waiting, tuple[str, ...]]]:
        """Those that need wait no more, in the order in which they asked, each with the names of
        the members that hold it.

        Looked at are those whose turn it is, those that are new, and those for which some member
        has what it lacked.
        """
        done: list[tuple[Waiting, tuple[str, ...]]] = []
        if not self._waits:
            return done
        for (actor, copies), line in list(self._lines.items()):
            done += self._from_line(line, actor, copies)
            if not line:
                del self._lines[actor, copies]
        awake, self._new = self._new, []
        for holding in self._every:
            if holding.awake:
                awake += holding.woken()
        for token in awake:
            waiting = self._waits.get(token)
            nodes = None if waiting is None else self._held_by(waiting)
            if waiting is not None and nodes is not None:
                self.abandon(token)
                done.append((waiting, nodes))
        if len(done) > 1:
            done.sort(key=lambda one: one[0].token)
        return done

    def _from_line(
        self, line: _Line, actor: Actor, copies: int
    ) -> list[tuple[Waiting, tuple[str, ...]]]:
        """Whose operation enough members have reached. Where more than clocks counts, they are
        looked at one by one."""
        reached = [one.clock.get(actor, 0) for one in self._every]
        seqs, taken = line.take(min(reached[0], sorted(reached)[-max(1, copies)]))
        if not taken:
            return []
        if not all(one.counts_by_clock(actor) for one in self._every):
            self._new += [waiting.token for waiting in taken]
            return []
        done: list[tuple[Waiting, tuple[str, ...]]] = []
        known, nodes = min(reached), self._names
        for seq, waiting in zip(seqs, taken, strict=True):
            if seq > known:
                holders = [one for one in self._every if one.clock.get(actor, 0) >= seq]
                known = min([one.clock[actor] for one in holders])
                nodes = tuple([one.node for one in holders])
            del self._waits[waiting.token]
            self._named -= 1 + len(waiting.dots)
            done.append((waiting, nodes))
        return done

    def _held_by(self, waiting: Waiting) -> tuple[str, ...] | None:
        """By enough members, or None: then it is kept with everyone who lacks something."""
        receipt, dots = waiting.receipt, waiting.dots
        is_synced = True
        nodes: list[str] = []
        lacking: list[tuple[Holding, Lack]] = []
        for holding in self._every:
            lack = holding.lacks(receipt, dots)
            if lack is None:
                nodes.append(holding.node)
                continue
            lacking.append((holding, lack))
            if holding is self._own:
                is_synced = not isinstance(lack, Behind)
                if self._counts(holding, lack, waiting):
                    nodes.append(holding.node)
        if is_synced and len(nodes) >= waiting.copies:
            return tuple(nodes)
        for holding, lack in lacking:
            holding.keep(waiting.token, lack)
        return None

    def _counts(self, holding: Holding, lack: Lack | None, waiting: Waiting) -> bool:
        is_one_here = holding is self._own and waiting.copies <= 1
        return lack is None or (is_one_here and isinstance(lack, Without))
