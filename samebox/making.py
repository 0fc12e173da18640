"""One batch in the making: requests and received records become operations, with their effects.

The effects are made in the open transaction of the state; nothing here is durable or visible
before the batch is synced, and all of it can be undone by returning to the mark.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import msgspec
from msgspec import Struct

from crdt import (
    Actor,
    Blob,
    Body,
    Born,
    Dot,
    Draft,
    EntryAppended,
    EntryCopied,
    FileMade,
    FileWritten,
    Issue,
    Operation,
    Refused,
    State,
    StateLost,
    plan,
)
from samebox.confirmations import FULL, Waiting
from samebox.events import (
    Asked,
    Batch,
    Carried,
    Failure,
    Notice,
    Outcome,
    Reborn,
    Receipt,
    Refusal,
)
from samebox.forgetting import Lacking
from samebox.history import History, Item, Poison
from samebox.vetting import Unfit, blob_of_request, not_here, vetted

DIGEST_BYTES = 4
"""Enough to notice that another request was made under a used id."""

ID_REUSED = (
    "expected the request that was made under this id, found another one: to repeat it, give all "
    "that it had, its date too; for a new request take a new id"
)

WITH_BLOB = (EntryAppended, EntryCopied, FileMade, FileWritten)

_encode = msgspec.msgpack.Encoder().encode
_new = tuple.__new__  # see crdt.keys


class Place(Struct, frozen=True):
    """Whose batch it is: a shard at a node, and the members that may hold copies."""

    shard: str
    node: str
    members: tuple[str, ...]


class Making:
    def __init__(
        self,
        place: Place,
        history: History,
        state: State,
        actor: Actor | None,
        has_blob: Callable[[Blob], bool],
    ) -> None:
        """`has_blob` tells of which blobs the bytes are here by the time the batch is synced."""
        self.place = place
        self._has_blob = has_blob
        self.actor = actor
        self.actor_before = actor
        self.items: list[Item] = []
        self.blobs: list[Carried] = []
        self.asked: list[Asked] = []
        self.waits: list[Waiting] = []
        self.replies: list[tuple[int, Outcome]] = []
        self.notices: list[Notice] = []
        self._history = history
        self._state = state
        self._mark = history.mark()
        state.rows.begin()

    def undo(self) -> None:
        """Back to the last sync: no dot was used, nothing was received."""
        self._state.rows.rollback()
        self._history.return_to(self._mark)

    def batch(self, number: int) -> Batch:
        records = [item.record for item in self.items]
        history = self._history
        return Batch(number, records, history.keep(), self.blobs, history.unread())

    def refusals(self) -> list[tuple[int, Outcome]]:
        """To callers whose request was refused before it was looked at."""
        tokens = {one.token for one in self.asked}
        return [reply for reply in self.replies if reply[0] not in tokens]

    def receive(self, item: Item) -> None:
        """An operation that causal delivery lets through. Raises Lacking."""
        if self._state.lacks(item.operation):
            raise Lacking(item.operation, self._state.folded)
        self._apply(item)
        if item.carried:
            blob = blob_of(item.operation)
            self.blobs += [one for one in item.carried if blob and one.hash == blob.hash]

    def be_born(self, event: Reborn) -> None:
        previous = None
        if self.actor is not None:
            head = self._history.head(self.actor)
            previous = (self.actor, head.seq, head.chain)
        self.actor = event.actor
        self._make(Born(self.place.node, event.key, previous), time_ms=event.time_ms)
        text = f"{self.place.node} writes as actor {event.actor.hex()[:8]}: {event.reason}"
        self.notices.append(Notice(text))

    def take(self, asked: Asked, room: int) -> None:
        """So many callers may wait for copies. A request of a local program ends the node in no
        way, whatever it says. Raises Unfit."""
        refusal = vetted(asked, len(self.place.members))
        if refusal is not None:
            self.replies.append((asked.token, refusal))
            return
        if asked.copies > 1 and len(self.waits) >= room:
            self.replies.append((asked.token, Failure(FULL)))
            return
        try:
            self._answer(asked)
        except (Poison, StateLost, MemoryError):
            raise
        except Exception as error:
            found = f"no operation can be made of {type(asked.request).__name__}: {error!r}"
            raise Unfit(f"{found}; correct its values") from error

    def _answer(self, asked: Asked) -> None:
        self.asked.append(asked)
        digest = sha256(_encode(asked.request)).digest()[:DIGEST_BYTES]
        issued = self._state.issued(*asked.id)
        if issued and any(part.digest != digest for part in issued):
            refusal = Refusal("id-reused", ID_REUSED)
            self.replies.append((asked.token, refusal))
            return
        blob = None if issued else blob_of_request(asked.request)
        if blob is not None and not self._is_handed_in(blob, asked):
            self.replies.append((asked.token, not_here(blob)))
            return
        try:
            dots = tuple([one.dot for one in issued]) if issued else self._carry_out(asked, digest)
        except Refused as refused:
            self.replies.append((asked.token, Refusal(refused.code, refused.message)))
            return
        self.waits.append(Waiting(asked.token, self._receipt(dots), dots, asked.copies))

    def _is_handed_in(self, blob: Blob, asked: Asked) -> bool:
        return any(one.hash == blob.hash for one in asked.carried) or self._has_blob(blob)

    def _carry_out(self, asked: Asked, digest: bytes) -> tuple[Dot, ...]:
        """Make the operations of a request that was not made before (R10). Raises Refused."""
        assert self.actor is not None, "a birth comes before every request"
        planned = plan(self._state, asked.request, self._next_dot)
        client, number = asked.id
        dots: list[Dot] = []
        for part, body in enumerate(planned.bodies):
            issue = _new(Issue, (client, number, part, digest))
            dots.append(self._make(body, planned.box, issue, asked.principal, asked.time_ms))
        self.blobs += asked.carried
        return tuple(dots)

    def _next_dot(self, part: int) -> Dot:
        """Of the operations that are made next."""
        assert self.actor is not None
        return Dot(self.actor, self._history.head(self.actor).seq + 1 + part)

    def _make(
        self,
        body: Body,
        box: Dot | None = None,
        issue: Issue | None = None,
        principal: str = "",
        time_ms: int = 0,
    ) -> Dot:
        actor, history = self.actor, self._history
        assert actor is not None
        lamport = history.lamport + 1
        draft = Draft(body, lamport, history.context(actor), box, issue, principal, time_ms)
        item = history.make(actor, draft)
        self._apply(item)
        return item.operation.dot

    def _apply(self, item: Item) -> None:
        try:
            self._state.apply(item.operation)
        except (StateLost, MemoryError):  # neither is the operation's fault
            raise
        except Exception as error:
            reason = f"the effect of {item.operation.dot} failed: {error!r}"
            raise Poison(item.operation.dot.actor, reason) from error
        self.items.append(item)

    def _receipt(self, dots: tuple[Dot, ...]) -> Receipt:
        """A request that changed nothing names all that it was judged by."""
        if len(dots) == 1:  # mostly
            ((actor, seq),) = dots
            return Receipt(self.place.shard, {actor: seq})
        if not dots:
            return Receipt(self.place.shard, dict(self._history.clock))
        clock: dict[Actor, int] = {}
        for actor, seq in dots:
            clock[actor] = max(seq, clock.get(actor, 0))
        return Receipt(self.place.shard, clock)


def blob_of(operation: Operation) -> Blob | None:
    """The blob that an operation names: its bytes have to be here for the copy to be whole."""
    body = operation.body
    return body.blob if isinstance(body, WITH_BLOB) else None
