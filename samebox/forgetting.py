"""How a shard forgets what is stable: when, how much at a time, and what it does where an operation
arrives that needs what is forgotten."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from crdt import Actor, Clock, Operation, Rows, State, StateLost, includes
from samebox.history import Poison
from samebox.peers import Peers
from samebox.recovery import outdate
from samebox.stability import Stability

THINGS_PER_TICK = 250
"""Looked at while nothing else is done: at 23 us for an entry that has to be read from the image,
some 6 ms; and 1,000 in a second."""
OPERATIONS_PER_PORTION = 32
THINGS_PER_PORTION = 16
THINGS_PER_OPERATION = 2
"""Looked at when so many operations have come since the last time: an operation leaves one or two
things behind, so what is stable never grows; and batches last longer by a tenth. Many small ones
share what a look costs."""


FAILURES_MAX = 2
"""The first may come from rows that something had spoilt: they are made again from the log. From
the second on it is a mistake of ours, and nothing is forgotten any more until the next start."""


class Forgetting:
    """`kept_requests`: see crdt.folding. `for_good` is what had been folded in a state that was
    just made again, or in every snapshot that a log which is cut begins with. `failures`: how
    often folding has failed in this life of the node. `is_forked`: a peer has greeted with
    another history of an actor in this life, and nothing is forgotten any more."""

    def __init__(
        self,
        state: State,
        kept_requests: int,
        for_good: Clock | None = None,
        *,
        failures: Sequence[str] = (),
    ) -> None:
        self.stability = Stability()
        self._state = state
        self.kept_requests = kept_requests
        self.for_good = for_good or {}
        self.failures = list(failures)
        self.is_forked = False
        self._operations = 0

    def succeeded_by(self, state: State) -> Forgetting:
        """Of the state that was made again."""
        folded = dict(state.folded)
        return Forgetting(state, self.kept_requests, folded, failures=self.failures)

    def refusal(self, lacking: Lacking) -> Poison | None:
        """Of an operation that needs what cannot be had again; None where the state can be made
        again without having forgotten it."""
        operation = lacking.operation
        if includes(operation.context(), self.for_good):
            return None
        text = f"{lacking}; what it needs is not in the log any more: write it again there"
        return Poison(operation.dot.actor, text)

    def go_on(self, durable: Clock, peers: Peers, *, is_idle: bool) -> None:
        """From time to time; `durable` is what is synced here. While a batch is under way its
        transaction is open, and nothing is forgotten."""
        self.stability.look(durable, peers.holdings, peers.strangers)
        self.is_forked = bool(peers.forked)
        if is_idle:
            self._check_forks(peers.forked)
            self._state.rows.begin()
            self._fold(THINGS_PER_TICK)
            self._state.rows.commit()

    def _check_forks(self, forked: Collection[Actor]) -> None:
        """A member that said it holds operation 4 of a forked actor may have meant another one, and
        what it wrote on top of that may name what was forgotten here for it. A copy of a node that
        runs somewhere is seen by nobody as long as its peers hear the other one: so what begins
        with a fork lasts until the next start."""
        for actor in forked:
            if self._state.folded.get(actor, 0) > self.for_good.get(actor, 0):
                name = actor.hex()[:8]
                text = f"{name} has two histories, and something was forgotten for one of them"
                raise unfold(self._state.rows, text)

    def with_batch(self, operations: int) -> None:
        """In the transaction of a batch that is synced."""
        self._operations += operations
        if self._operations >= OPERATIONS_PER_PORTION:
            things = THINGS_PER_PORTION + THINGS_PER_OPERATION * self._operations
            self._operations = 0
            self._fold(things)

    def _fold(self, things: int) -> None:
        stable = self.stability.clock
        if not stable or self.has_ended or self.is_forked:
            return
        try:
            self._state.fold(stable, things, kept_requests=self.kept_requests)
        except (StateLost, MemoryError):
            raise
        except Exception as error:
            self.failures.append(f"to forget what is stable failed: {error!r}")
            raise FoldingFailed(self.failures[-1]) from error

    @property
    def has_ended(self) -> bool:
        """Nothing is forgotten any more: see FAILURES_MAX."""
        return len(self.failures) >= FAILURES_MAX


class Lacking(Exception):
    """An operation arrived whose context lacks what is stable here, and was forgotten for that."""

    def __init__(self, operation: Operation, folded: Clock) -> None:
        self.operation = operation
        super().__init__(
            f"{operation.dot} was made without {_first_lacking(operation, folded)}, which every "
            "member had said it holds, and something was forgotten for that; the member that made "
            "it was restored from a backup, is new, or was not on the node list here"
        )


def _first_lacking(operation: Operation, folded: Clock) -> str:
    context = operation.context()
    found: list[tuple[Actor, int]] = [
        (actor, seq) for actor, seq in folded.items() if context.get(actor, 0) < seq
    ]
    actor, seq = found[0]
    return f"{actor.hex()[:8]}:{seq}"


class ForgotTooMuch(StateLost):
    """The state can be had again from the log, which forgets nothing."""


class FoldingFailed(ForgotTooMuch):
    """What the rows say cannot be so: rows that something has spoilt, or a mistake of ours. What
    was done of the folding is no state, and a snapshot may hold the same."""


def unfold(rows: Rows, why: str) -> ForgotTooMuch:
    """Have the next start make the state again."""
    outdate(rows, why)
    return ForgotTooMuch(why)
