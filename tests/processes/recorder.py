"""Sessions at the nodes of a cluster that write, remove and read, and keep account of all of it.

A session stays at its node across restarts, and now and then moves to another one: there it waits
first for all that it may have seen. What got no answer is asked again under its id before the
session does anything else: so its history stays one of steps that follow each other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from random import Random

from samebox import Address, Append, Create, Dot, Expunge, RequestId
from samebox.control import NO_BLOB
from samebox.events import Receipt
from samebox.testing import (
    Appended,
    ClusterFailed,
    Conversation,
    LocalCluster,
    LocalNode,
    NodeGone,
    NodeRefused,
    NotReachable,
    Removed,
    SessionStep,
    Settled,
    Shown,
)

BOX = "mail/alice"
MAILBOXES = ("One", "Two", "Three")
ENTRIES_MAX = 150
"""Appended by one session to one mailbox: all of it stays within one page."""
MOVES = 0.005
"""Of the steps of a session: it may have to wait there until a line is healed."""
PACE_S = 0.01
"""Between two requests of a session: the load is steady, not the most there can be."""
ANSWER_S = 5.0
PROGRESS_S = 60.0


class History:
    """Of all sessions; each adds its own steps in its own order."""

    def __init__(self) -> None:
        self.steps: list[SessionStep] = []
        self.confirmed = 0
        self.moves = 0
        self._news = threading.Condition()

    def add(self, session: str, event: Appended | Removed | Shown | Settled) -> None:
        with self._news:
            self.steps.append(SessionStep(session, event))
            self.confirmed += getattr(event, "confirmed", False)
            self._news.notify_all()

    def wait_confirmed(self, more: int, describe: Callable[[], str]) -> None:
        """Until so many more writes were confirmed, by whomever."""
        with self._news:
            enough = self.confirmed + more
            if not self._news.wait_for(lambda: self.confirmed >= enough, PROGRESS_S):
                raise ClusterFailed(f"expected {more} writes within {PROGRESS_S} s\n{describe()}")


class Moved(Exception):
    """The session goes on at another node."""


class Session:
    def __init__(
        self, name: str, nodes: Sequence[LocalNode], history: History, random: Random
    ) -> None:
        """It begins at the first of the nodes."""
        self.name = name
        self.moves = 0
        self.problem: BaseException | None = None
        self._nodes = nodes
        self._node = nodes[0]
        self._history = history
        self._random = random
        self._client = os.urandom(8)
        self._number = 0
        self._entries: dict[str, dict[str, Dot]] = {mailbox: {} for mailbox in MAILBOXES}
        self._appended = dict.fromkeys(MAILBOXES, 0)
        self._pending: Callable[[Conversation], None] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is under way is asked again until it is answered: the node has to be up."""
        self._stop.set()
        self._thread.join(PROGRESS_S)
        if self._thread.is_alive():
            raise ClusterFailed(f"session {self.name} has no answer\n{self._node.last_lines()}")
        if self.problem is not None:
            raise self.problem

    def _run(self) -> None:
        try:
            while not self._stop.is_set() or self._pending is not None:
                try:
                    with self._node.talk(timeout_s=ANSWER_S) as talk:
                        self._converse(talk)
                except (NodeGone, NotReachable):
                    self._stop.wait(PACE_S)
                except Moved:
                    self.moves += 1
        except BaseException as error:
            self.problem = error

    def _converse(self, talk: Conversation) -> None:
        while not self._stop.is_set() or self._pending is not None:
            if self._pending is None:
                self._pending = self._draw()
            try:
                self._pending(talk)
            except NodeRefused as refused:
                if refused.code not in ("not-now", "no-such-entry"):
                    raise
            self._pending = None
            self._stop.wait(PACE_S)

    def _draw(self) -> Callable[[Conversation], None]:
        mailbox, chance = self._random.choice(MAILBOXES), self._random.random()
        if chance < 0.5 and self._appended[mailbox] < ENTRIES_MAX:
            self._appended[mailbox] += 1
            return self._append(mailbox)
        if chance > 1 - MOVES:
            return self._move
        if chance < 0.6 and self._entries[mailbox]:
            return self._remove(mailbox, self._random.choice(sorted(self._entries[mailbox])))
        return lambda talk: self._read(talk, mailbox)

    def _append(self, mailbox: str) -> Callable[[Conversation], None]:
        self._number += 1
        id = RequestId(self._client, self._number)
        size = self._random.choice((100, 1000, 100_000))
        data = f"Subject: {self.name} {id.number}\n\n".encode().ljust(size, b".")
        value, copies = value_of(data), self._random.choice((1, 1, 1, 2))

        def ask(talk: Conversation) -> None:
            target = Address(BOX, mailbox)
            request = Append(target, NO_BLOB)
            try:
                answered = talk.ask(request, data, id=id, copies=copies, timeout_s=ANSWER_S / 2)
            except NodeGone:
                self._history.add(self.name, Appended(mailbox, value, confirmed=False))
                raise
            self._history.add(self.name, Appended(mailbox, value))
            self._entries[mailbox][value] = answered.dots[0]

        return ask

    def _remove(self, mailbox: str, value: str) -> Callable[[Conversation], None]:
        self._number += 1
        id = RequestId(self._client, self._number)
        entry = self._entries[mailbox].pop(value)

        def ask(talk: Conversation) -> None:
            try:
                talk.ask(Expunge(Address(BOX, mailbox), (entry,)), id=id)
            except NodeGone:
                self._history.add(self.name, Removed(mailbox, value, confirmed=False))
                raise
            self._history.add(self.name, Removed(mailbox, value))

        return ask

    def _move(self, talk: Conversation) -> None:
        status = talk.status().status
        seen = Receipt(status.shard, status.clock)

        def arrive(there: Conversation) -> None:
            there.wait(seen)

        self._node, self._pending = self._random.choice(self._nodes), arrive
        raise Moved

    def _read(self, talk: Conversation, mailbox: str) -> None:
        found = talk.entries(Address(BOX, mailbox))
        values = tuple(entry.blob.hash.hex() for entry in found)
        self._history.add(self.name, Shown(mailbox, values))
        self._entries[mailbox] = {
            value: entry.id for value, entry in zip(values, found, strict=True)
        }


def value_of(data: bytes) -> str:
    return sha256(data).hexdigest()


@contextmanager
def sessions(
    cluster: LocalCluster, *, each: int, seed: int, names: Sequence[str] = ()
) -> Iterator[History]:
    """`each` sessions at every node, or at those named, on mailboxes that all nodes show, until
    the block ends."""
    with cluster.talk(cluster.names[0]) as talk:
        asked = [Create(Address(BOX, mailbox), parents=True) for mailbox in MAILBOXES]
        *_, made = [talk.ask(request) for request in asked]
    for name in cluster.names:
        with cluster.talk(name) as talk:
            talk.wait(made.receipt)
    history = History()
    nodes = [cluster.nodes[name] for name in names or cluster.names]
    running = [
        Session(name, [nodes[at], *nodes[:at], *nodes[at + 1 :]], history, Random(f"{seed} {name}"))
        for at in range(len(nodes))
        for name in (f"{nodes[at].name}{number}" for number in range(each))
    ]
    with ExitStack() as left:
        for session in running:
            session.start()
            left.callback(session.stop)
        yield history
    history.moves = sum(session.moves for session in running)


def settle(cluster: LocalCluster, history: History) -> None:
    """Wait until all nodes agree, and add what each shows."""
    cluster.agree()
    for name in cluster.names:
        with cluster.talk(name) as talk:
            for mailbox in MAILBOXES:
                found = talk.entries(Address(BOX, mailbox))
                history.add(name, Settled(mailbox, tuple(e.blob.hash.hex() for e in found)))
