"""A naive replica: the operations it has delivered, in order, and honest new ones of its own."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from crdt import Actor, Blob, Body, Born, BoxMade, Dot, Issue, Operation, View
from tests.oracle import view


def blob_of(text: str) -> Blob:
    """A blob whose hash spells its text (1–32 bytes); that of no text is the real empty blob."""
    name = text.encode()
    assert len(name) <= 32, text
    return Blob(name.ljust(32, b"\0") if name else sha256(b"").digest(), len(name))


def text_of(blob: Blob) -> str:
    return blob.hash.rstrip(b"\0").decode() if blob.size else ""


def actor_named(letter: str) -> Actor:
    """'a' is the least actor."""
    return (letter * 16).encode()


class Site:
    """Makes operations with the right dot, context and Lamport time, whatever their bodies say."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.clock: dict[Actor, int] = {}
        self.lamport = 0
        self.delivered: list[Operation] = []
        self._told: dict[Actor, int] = {}
        self._shown = (0, View(()))
        self.do(Born(actor.decode("latin-1")[:1], b"key", None))

    def do(self, body: Body, issue: Issue | None = None, box: Dot | None = None) -> Dot:
        dot = Dot(self.actor, self.clock.get(self.actor, 0) + 1)
        others = {actor: seq for actor, seq in self.clock.items() if actor != self.actor}
        changes = tuple(sorted(others.items() - self._told.items()))
        self._told = others
        if isinstance(body, BoxMade):
            box = dot
        operation = Operation(
            dot, self.lamport + 1, others, body, box=box, issue=issue, changes=changes
        )
        self._accept(operation)
        return dot

    def knows(self, dot: Dot) -> bool:
        return self.clock.get(dot.actor, 0) >= dot.seq

    def ready(self, operation: Operation) -> bool:
        """Whether causality allows to deliver `operation` here, now."""
        own = self.clock.get(operation.dot.actor, 0) == operation.dot.seq - 1
        return own and all(self.knows(Dot(*other)) for other in operation.others.items())

    def deliver(self, operation: Operation) -> None:
        """Nothing happens where it was delivered before."""
        if not self.knows(operation.dot):
            assert self.ready(operation), f"{operation.dot} lacks a cause"
            self._accept(operation)

    def sees(self, *others: Site) -> None:
        """Everything that the others have delivered arrives."""
        for other in others:
            for operation in other.delivered:
                self.deliver(operation)

    def view(self) -> View:
        if self._shown[0] != len(self.delivered):
            self._shown = (len(self.delivered), view(self.delivered))
        return self._shown[1]

    def shows(self, found: View) -> None:
        """This is its view now: somebody has worked it out."""
        self._shown = (len(self.delivered), found)

    def _accept(self, operation: Operation) -> None:
        self.delivered.append(operation)
        self.clock[operation.dot.actor] = operation.dot.seq
        self.lamport = max(self.lamport, operation.lamport)


def all_of(sites: Iterable[Site]) -> list[Operation]:
    """Every operation that any of the sites has, once, by stamp."""
    found = {operation.dot: operation for site in sites for operation in site.delivered}
    return sorted(found.values(), key=lambda operation: operation.stamp)
