"""Blobs asked of peers by one process and given to them, on connections of their own.

Who is asked for what is decided by samebox.pulling, as in samebox.io.puller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from comm import BlobBytes, Message, NoBlob, WantBlob, encode, encode_frame
from crdt import Blob
from samebox.pulling import STALL_S, Pulling
from sim.network import Side
from sim.talk import Talk
from sim.world import SECOND
from storage import (
    BlobDamaged,
    BlobMissing,
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    StorageError,
)

if TYPE_CHECKING:
    from sim.shell import Shell

PULL_AGAIN_US = SECOND // 2
"""After something failed."""
ANSWER_US = 60 * SECOND
LOOK_US = int(STALL_S * SECOND)
"""Now and then all who are idle look whether another one stalls."""


class Asking(Struct):
    """What goes on with one connected peer: the question under way, and its number."""

    peer: str
    talk: Talk | None = None
    blob: Blob | None = None
    number: int = 0


class Pulls:
    """One blob at a time from each connected peer."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._pulling = Pulling()
        self._asking: dict[str, Asking] = {}

    def begin(self) -> None:
        self._shell.later(LOOK_US, self._look_again)

    def want(self, blob: Blob) -> None:
        assert blob.chunks is None, "the workload makes no blobs of several pieces"
        if self._shell.store.packs.has(blob.hash):
            self._stored(blob)
        elif self._pulling.want(blob, self._now()):
            self._go_on()

    def up(self, peer: str) -> None:
        """A link with `peer` is up; the one before may be so still."""
        if peer not in self._asking:
            self._asking[peer] = Asking(peer)
            self._pulling.up(peer)
            self._ask(self._asking[peer])

    def down(self, peer: str) -> None:
        asking = self._asking.pop(peer, None)
        if asking is not None:
            self._pulling.down(peer, self._now())
            if asking.talk is not None:
                asking.talk.end("no link")
            self._go_on()

    # --- Asking ----------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._shell.world.now / SECOND

    def _look_again(self) -> None:
        self._go_on()
        self.begin()

    def _go_on(self) -> None:
        """All who are idle look whether there is something for them."""
        for asking in list(self._asking.values()):
            self._ask(asking)

    def _ask(self, asking: Asking) -> None:
        if asking.blob is not None or self._asking.get(asking.peer) is not asking:
            return
        blob = self._pulling.next(asking.peer, self._now())
        if blob is None:
            return
        asking.blob = blob
        asking.number += 1
        number = asking.number
        self._shell.later(ANSWER_US, lambda: self._fail(asking, number))
        if asking.talk is not None:
            _send(asking.talk, WantBlob(blob.hash))
        else:
            self._dial(asking, number)

    def _dial(self, asking: Asking, number: int) -> None:
        def connected(side: Side) -> None:
            if self._shell.is_alive and self._asking.get(asking.peer) is asking:
                asking.talk = self._talk(asking, side)
            else:
                side.close()

        def failed(reason: str) -> None:
            self._shell.now(lambda: self._fail(asking, number))

        self._shell.host.network.dial(self._shell.name, asking.peer, connected, failed)

    def _talk(self, asking: Asking, side: Side) -> Talk:
        def greeted() -> None:
            if asking.blob is not None:
                _send(talk, WantBlob(asking.blob.hash))

        def ended() -> None:
            if asking.talk is talk:
                asking.talk = None
                self._fail(asking, asking.number)

        talk = Talk(
            self._shell,
            side,
            expected=asking.peer,
            purpose="blobs",
            ended=ended,
            greeted=greeted,
        )
        return talk

    def _fail(self, asking: Asking, number: int) -> None:
        """The question with this number had no answer."""
        if asking.number != number or asking.blob is None:
            return
        self._pulling.release(asking.peer, asking.blob)
        asking.number += 1
        talk, asking.talk = asking.talk, None
        if talk is not None:
            talk.end("no answer")
        self._pause(asking)

    def _pause(self, asking: Asking) -> None:
        """Others may go on at once, this one does so later."""

        def later() -> None:
            asking.blob = None
            self._ask(asking)

        self._go_on()
        self._shell.later(PULL_AGAIN_US, later)

    def answered(self, talk: Talk, message: Message) -> None:
        asking = self._asking.get(talk.peer)
        if asking is None or asking.talk is not talk or asking.blob is None:
            return
        blob = asking.blob
        asking.number += 1
        match message:
            case BlobBytes(hash_, data) if hash_ == blob.hash:
                self._shell.submit(
                    lambda: self._keep(blob, data), lambda end: self._kept(asking, blob, end)
                )
            case _:
                self._pulling.lacks(asking.peer, blob, self._now())
                asking.blob = None
                self._ask(asking)

    def _keep(self, blob: Blob, data: bytes) -> None:
        packs = self._shell.store.packs
        packs.put(blob.hash, data)
        packs.sync()

    def _kept(self, asking: Asking, blob: Blob, result: object) -> None:
        match result:
            case None:
                self._stored(blob)
                asking.blob = None
                self._ask(asking)
            case DiskFull() | DiskReadOnly() | BlobDamaged():
                self._pulling.release(asking.peer, blob)
                self._pause(asking)
            case StorageError():
                self._shell.fail(result)
            case _:
                raise AssertionError(f"a pull has no other end: {result!r}")

    def _stored(self, blob: Blob) -> None:
        self._pulling.stored(blob)
        self._shell.watch.blob_stored(self._shell, blob)
        self._shell.blob_stored(blob)

    # --- Answering -------------------------------------------------------------------------------

    def serve(self, talk: Talk, message: Message) -> None:
        if not isinstance(message, WantBlob):
            talk.end(f"expected WantBlob, found {type(message).__name__}")
            return
        hash_ = message.hash
        packs = self._shell.store.packs

        def read() -> Message:
            try:
                return BlobBytes(hash_, packs.get(hash_)) if packs.has(hash_) else NoBlob(hash_)
            except (BlobMissing, BlobDamaged, DiskReadFailed):
                return NoBlob(hash_)

        self._shell.submit(read, lambda answer: _send(talk, answer))


def _send(talk: Talk, message: object) -> None:
    if not talk.is_over:
        talk.side.send(encode_frame(encode(message)))
