"""Who waits for which operations to be held by how many members."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from crdt import Dot
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


class Confirmations:
    """`own` is what this node holds, `others` what the other members do. A copy is a member that
    holds the operations and their blobs; whatever is waited for, the operations are synced here
    first. That alone is enough where one copy is asked for: this node counts then."""

    def __init__(self, own: Holding, others: Sequence[Holding]) -> None:
        self._own = own
        self._every = (own, *others)
        self._waits: dict[int, Waiting] = {}
        self._named = 0
        self._new: list[int] = []

    def __len__(self) -> int:
        return len(self._waits)

    def is_full(self, coming: int = 0) -> bool:
        """With `coming` more callers. What is looked at before a batch may be exceeded by it."""
        return len(self._waits) + coming >= CALLERS_MAX or self._named >= NAMED_MAX

    def wait(self, event: WaitAsked, shard: str, members: int) -> Refusal | Failure | None:
        """Why that cannot be waited for; None where it is."""
        if event.copies > members:
            return too_many(event.copies, members)
        if self.is_full():
            return Failure(FULL)
        receipt = Receipt(shard, dict(event.clock))
        self.add(Waiting(event.token, receipt, (), event.copies))
        return None

    def add(self, waiting: Waiting) -> None:
        self._waits[waiting.token] = waiting
        self._named += waiting.named
        self._new.append(waiting.token)

    def abandon(self, token: int) -> Waiting | None:
        waiting = self._waits.pop(token, None)
        if waiting is not None:
            self._named -= waiting.named
            for holding in self._every:
                holding.forget(token)
        return waiting

    def nodes(self, waiting: Waiting) -> tuple[str, ...]:
        """Those that hold what it waits for by now."""
        receipt, dots = waiting.receipt, waiting.dots
        lacks = [(one, one.lacks(receipt, dots)) for one in self._every]
        return tuple([one.node for one, lack in lacks if self._counts(one, lack, waiting)])

    def released(self) -> list[tuple[Waiting, tuple[str, ...]]]:
        """Those that need wait no more, each with the names of the members that hold it.

        Looked at are those that are new, and those for which some member has what it lacked.
        """
        awake, self._new = self._new, []
        for holding in self._every:
            awake += holding.woken()
        done: list[tuple[Waiting, tuple[str, ...]]] = []
        for token in awake:
            waiting = self._waits.get(token)
            nodes = None if waiting is None else self._held_by(waiting)
            if waiting is not None and nodes is not None:
                self.abandon(token)
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
