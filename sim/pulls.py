"""Blobs asked of peers by one process and given to them, on connections of their own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from comm import BlobBytes, Message, NoBlob, WantBlob, encode, encode_frame
from crdt import Blob
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
ANSWER_US = 60 * SECOND


class Pulls:
    """One blob at a time, from one connected peer after the other."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._wanted: dict[bytes, Blob] = {}
        self._talks: dict[str, Talk] = {}
        self._blob: Blob | None = None
        self._peers: deque[str] = deque()
        self._asked: Talk | None = None
        self._attempt = 0

    def want(self, blob: Blob) -> None:
        assert blob.chunks is None, "the workload makes no blobs of several pieces"
        self._wanted.setdefault(blob.hash, blob)
        if self._blob is None:
            self._begin()

    # --- Asking ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._blob = next(iter(self._wanted.values()), None)
        if self._blob is not None:
            self._peers = deque(self._shell.links.connected())
            self._try_next()

    def _try_next(self) -> None:
        self._attempt += 1
        self._asked = None
        blob = self._blob
        assert blob is not None
        if self._shell.store.packs.has(blob.hash):
            self._stored(blob)
        elif not self._peers:
            del self._wanted[blob.hash]
            self._blob = None
            self._shell.later(PULL_AGAIN_US, self._begin_if_idle)
        else:
            self._ask(self._peers.popleft(), self._attempt)

    def _begin_if_idle(self) -> None:
        if self._blob is None:
            self._begin()

    def _ask(self, peer: str, attempt: int) -> None:
        def over(reason: str = "") -> None:
            if self._attempt == attempt and self._asked is not None:
                self._asked.end("no answer")
            elif self._attempt == attempt:
                self._try_next()

        def connected(side: Side) -> None:
            if self._shell.is_alive:
                self._talks[peer] = talk = self._talk(peer, side)
                if self._attempt == attempt:
                    self._asked = talk
            else:
                side.close()

        self._shell.later(ANSWER_US, over)
        known = self._talks.get(peer)
        if known is not None:
            self._request(known)
        else:
            dial = self._shell.host.network.dial
            dial(self._shell.name, peer, connected, lambda reason: self._shell.now(over))

    def _talk(self, peer: str, side: Side) -> Talk:
        def greeted() -> None:
            if self._asked is talk:
                self._request(talk)

        def ended() -> None:
            self._talks.pop(peer, None)
            if self._asked is talk:
                self._try_next()

        talk = Talk(self._shell, side, expected=peer, purpose="blobs", ended=ended, greeted=greeted)
        return talk

    def _request(self, talk: Talk) -> None:
        assert self._blob is not None
        self._asked = talk
        _send(talk, WantBlob(self._blob.hash))

    def answered(self, talk: Talk, message: Message) -> None:
        blob = self._blob
        if talk is not self._asked or blob is None:
            return
        self._asked = None
        match message:
            case BlobBytes(hash_, data) if hash_ == blob.hash:
                self._attempt += 1
                self._shell.submit(
                    lambda: self._keep(blob, data), lambda end: self._kept(blob, end)
                )
            case _:
                self._try_next()

    def _keep(self, blob: Blob, data: bytes) -> None:
        packs = self._shell.store.packs
        packs.put(blob.hash, data)
        packs.sync()

    def _kept(self, blob: Blob, result: object) -> None:
        match result:
            case None:
                self._stored(blob)
            case DiskFull() | DiskReadOnly():
                self._try_next()
            case BlobDamaged():
                self._try_next()
            case StorageError():
                self._shell.fail(result)
            case _:
                raise AssertionError(f"a pull has no other end: {result!r}")

    def _stored(self, blob: Blob) -> None:
        self._wanted.pop(blob.hash, None)
        self._blob = None
        self._shell.watch.blob_stored(self._shell, blob)
        self._shell.blob_stored(blob)
        self._begin()

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
