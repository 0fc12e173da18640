"""R9: what no operation that is still to come can need is forgotten, a little at a time.

`stable` is a clock that everything still to come has in its context. So what is stable and what is
still to come are never concurrent; and an origin names nothing but what it shows. Everything here
follows from these two sentences: docs/semantics.md gives the proof of each rule.

Notes are read from the front of their queues, and what is not stable yet holds back what is behind
it. One call looks at so many things and no more; where it stops, the next one goes on.
"""

from __future__ import annotations

from crdt import notes
from crdt.aliases import ENTRY_KINDS
from crdt.entries import entry_row
from crdt.folded_entries import FoldedEntries
from crdt.folded_nodes import FoldedNodes
from crdt.ids import Clock, includes
from crdt.keys import id_in, within
from crdt.limbo import Budget, is_settled
from crdt.notes import NOTES, REQUESTS, Issues, Note
from crdt.operations import Born, Operation
from crdt.tables import ISSUED, ISSUES, Issued
from crdt.watched import WatchedRows

KEPT_REQUESTS = 100_000
"""A request id is remembered until so many operations more are stable than when it came: a caller
that was told nothing may ask again. Some 20 MB of rows."""


def may_need(operation: Operation, folded: Clock) -> bool:
    """Whether `operation` may need what was forgotten because all of `folded` was stable.

    It does not where it has seen all of that. Nor does one that has seen nothing at all of those
    who made it, as a member writes that begins with nothing: whatever it names is its own.
    """
    if isinstance(operation.body, Born):
        return False
    seen = operation.context()
    return not includes(seen, folded) and any(actor in folded for actor in seen)


class Folding:
    def __init__(self, rows: WatchedRows) -> None:
        self._rows = rows
        self._first_by: dict[bytes, tuple[bytes, bytes]] = {}
        self._first_issues: tuple[bytes, Issues] | None = None

    @property
    def has_unknown(self) -> bool:
        return self._rows.notes.has_unknown

    def fold(self, stable: Clock, things: int, *, kept_requests: int = KEPT_REQUESTS) -> int:
        """Inside a transaction: forget what may be forgotten, looking at `things` or few more;
        returns at how many.

        Nothing is forgotten beside an operation of a later version, which might need it; nor where
        `stable` lacks what was stable before: a member has gone back.
        """
        budget = Budget(things)
        if self.has_unknown or not includes(stable, self._rows.folded):
            return 0
        ripe = [queue for queue in _QUEUES if self._is_ripe(queue, stable, kept_requests)]
        if ripe:
            self._advance(stable)
        for queue in ripe:
            if queue == notes.ISSUES_QUEUE:
                self._fold_issues(stable, budget, kept_requests)
            else:
                self._fold_notes(queue, stable, budget)
        return budget.spent

    def _advance(self, stable: Clock) -> None:
        folded = self._rows.folded
        if any(seq > folded.get(actor, 0) for actor, seq in stable.items()):
            self._rows.advance_folded(stable)

    def _is_ripe(self, queue: bytes, stable: Clock, kept_requests: int) -> bool:
        """Whether the first in a queue may be looked at."""
        value = self._rows.notes.head(queue)
        if value is None:
            return False
        if queue == notes.ISSUES_QUEUE:
            return _is_due(self._issues_in(value), stable, kept_requests)
        if not within(stable, self._by_of(queue, value)):
            return False
        return queue != notes.NODES_QUEUE or self._is_calm(stable)

    def _by_of(self, queue: bytes, value: bytes) -> bytes:
        """What the first note waits for: asked with every batch, and a note may be long."""
        known = self._first_by.get(queue)
        if known is None or known[0] is not value:
            known = self._first_by[queue] = value, NOTES.decode(value)[0].by
        return known[1]

    def _issues_in(self, value: bytes) -> Issues:
        if self._first_issues is None or self._first_issues[0] is not value:
            self._first_issues = value, REQUESTS.decode(value)
        return self._first_issues[1]

    def _is_calm(self, stable: Clock) -> bool:
        """Whether all that took something away is stable, and all nodes that have twins are: then
        what does not show here shows nowhere, and never will again."""
        of = self._rows.notes
        if not of.taken_within(stable):
            return False
        for key in of.unsettled():
            if not is_settled(self._rows, stable, key):
                return False
            of.settle(key)
        return True

    # What was removed

    def _fold_notes(self, queue: bytes, stable: Clock, budget: Budget) -> None:
        nodes = FoldedNodes(self._rows, stable, budget)
        entries = FoldedEntries(self._rows, stable, budget)
        for key, value in self._rows.notes.queue(queue):
            waiting = NOTES.decode(value)
            done = 0
            while done < len(waiting) and not budget.is_spent:
                note = waiting[done]
                if not within(stable, note.by):
                    break
                if not _fold(note, nodes, entries):
                    break
                done += 1
            after = NOTES.encode(waiting[done:])
            if after != value:
                self._rows.notes.leave(key, after if waiting[done:] else None)
            if done < len(waiting):
                return

    # Requests (R10)

    def _fold_issues(self, stable: Clock, budget: Budget, kept_requests: int) -> None:
        """A repetition that is still to come has seen all operations of a request that is stable:
        it is concurrent with none of them."""
        for key, value in self._rows.notes.queue(notes.ISSUES_QUEUE):
            issues = REQUESTS.decode(value)
            if not _is_due(issues, stable, kept_requests):
                return
            at = 0
            while at < len(issues.keys) and not budget.is_spent:
                if not self._fold_issue(issues.keys[at : at + notes.KEY_BYTES], stable):
                    break
                budget.spend()
                at += notes.KEY_BYTES
            issues.keys = issues.keys[at:]
            self._rows.notes.leave(key, REQUESTS.encode(issues) if issues.keys else None)
            if issues.keys:
                return

    def _fold_issue(self, key: bytes, stable: Clock) -> bool:
        """False where it has to wait. Of most issues there is one operation, which is stable: they
        need not be read. What made an entry is remembered as long as that exists."""
        if self._rows.notes.is_joined(key):
            if not is_settled(self._rows, stable, key):
                return False
            value = self._rows.get(ISSUES, key)
            if value is not None and self._is_of_entry(ISSUED.decode(value)):
                return True
            self._rows.notes.part(key)
        self._rows.remove(ISSUES, key)
        return True

    def _is_of_entry(self, issues: list[Issued]) -> bool:
        makings = (id_in(one.stamp) for one in issues if one.kind in ENTRY_KINDS)
        return any(entry_row(self._rows, id) is not None for id in makings)


_QUEUES = (notes.ENTRIES_QUEUE, notes.NODES_QUEUE, notes.ISSUES_QUEUE)


def _is_due(issues: Issues, stable: Clock, kept_requests: int) -> bool:
    is_old = sum(stable.values()) >= issues.applied + kept_requests
    return is_old and includes(stable, issues.clock)


def _fold(note: Note, nodes: FoldedNodes, entries: FoldedEntries) -> bool:
    """Whether all of it is done."""
    match note.kind:
        case notes.DELETED:
            return nodes.deleted(note)
        case notes.RENAMED:
            return nodes.renamed(note)
        case notes.VANISHED:
            return nodes.vanished(note)
        case notes.EXPUNGED:
            return entries.expunged(note)
        case notes.OVERWRITTEN:
            return entries.overwritten(note)
        case _:
            return entries.shadowed(note)
