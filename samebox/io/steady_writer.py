"""A program that appends messages to a mailbox as fast as they are confirmed, and keeps account.

with SteadyWriter(cluster.nodes["b"], Address("mail/alice", "Log")) as writer:
    writer.wait_confirmed(100)
    cluster.kill("b")
writer.confirmed       # these are there, whatever happens
writer.unconfirmed     # these may be: asked again under their ids, they are there once
"""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from types import TracebackType
from typing import Self

from crdt import Address, Append, RequestId
from samebox.control import NO_BLOB, Answered, Copies, Problem
from samebox.io.control_client import NodeGone
from samebox.io.conversation import Conversation, asking
from samebox.io.local_cluster import ClusterFailed, LocalNode

CLIENT_BYTES = 8
OUTSTANDING = 16
"""Requests under way at once, so that one sync of the node serves several."""
SIZE = 300
STOP_S = 30.0
CONFIRMED_S = 30.0


class SteadyWriter:
    """Writes in a thread of its own until its block is left, or its node is gone."""

    def __init__(
        self,
        node: LocalNode,
        target: Address,
        *,
        copies: Copies = 1,
        outstanding: int = OUTSTANDING,
        size: int = SIZE,
    ) -> None:
        """`size` is that of each message in bytes, about."""
        self.node = node
        self.target = target
        self.client = os.urandom(CLIENT_BYTES)
        self.confirmed: list[int] = []
        self.asked = 0
        self._copies = copies
        self._outstanding = outstanding
        self._size = size
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"writer at {node.name}")

    @property
    def unconfirmed(self) -> list[int]:
        """What was asked without an answer, once the block has been left."""
        return sorted(set(range(1, self.asked + 1)) - set(self.confirmed))

    def id(self, number: int) -> RequestId:
        return RequestId(self.client, number)

    def message(self, number: int) -> bytes:
        head = f"Subject: {self.client.hex()} {number}\n\n".encode()
        return head.ljust(self._size, b".") + b"\n"

    def sha256(self, number: int) -> bytes:
        """By which a node names the message."""
        return sha256(self.message(number)).digest()

    def ask_again(self, number: int, at: Conversation) -> None:
        """Repeat a request, here or at another node."""
        at.append(self.target, self.message(number), id=self.id(number))

    def wait_confirmed(self, count: int, *, seconds: float = CONFIRMED_S) -> None:
        """Until `count` in all are confirmed. Raises ClusterFailed after `seconds`."""
        with self._news:
            self._news.wait_for(
                lambda: len(self.confirmed) >= count or self._stop.is_set(), seconds
            )
        if len(self.confirmed) < count:
            self._raise_failure()
            raise ClusterFailed(
                f"expected {count} writes confirmed by node {self.node.name} within "
                f"{seconds:.0f} s, found {len(self.confirmed)}\n{self.node.last_lines()}"
            )

    def __enter__(self) -> Self:
        """Once it is connected. Raises NotReachable."""
        self._talk = self.node.talk()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            raise ClusterFailed(f"node {self.node.name} neither answers nor ends the connection")
        if raised is None:
            self._raise_failure()

    def _run(self) -> None:
        try:
            with self._talk as talk:
                self._write(talk)
        except NodeGone:
            pass  # that is what the account is for
        except BaseException as error:
            self._failed = error
        with self._news:
            self._stop.set()
            self._news.notify_all()

    def _write(self, talk: Conversation) -> None:
        numbers: dict[int, int] = {}
        while numbers or not self._stop.is_set():
            while len(numbers) < self._outstanding and not self._stop.is_set():
                number = self.asked = self.asked + 1
                ask = asking(
                    Append(self.target, NO_BLOB),
                    self.message(number),
                    id=self.id(number),
                    copies=self._copies,
                )
                numbers[talk.send(*ask)] = number
            self._take_answer(talk, numbers)

    def _take_answer(self, talk: Conversation, numbers: dict[int, int]) -> None:
        if not numbers:
            return
        reply = talk.receive()
        number = numbers.pop(reply.call)
        match reply.body:
            case Answered(late=False):
                with self._news:
                    self.confirmed.append(number)
                    self._news.notify_all()
            case Problem(code, message):
                raise ClusterFailed(f"message {number} was refused: {code}: {message}")
            case body:
                raise ClusterFailed(f"message {number}: expected a confirmation, found {body!r}")

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed
