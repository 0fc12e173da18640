"""Pieces of contents on their way to a request: nothing names them yet, and they must not go.

An upload that was broken off leaves pieces that nobody leases. One that was finished keeps its
lease until an operation names its blob; if none ever does, until the process ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from crdt import Blob


class Upload:
    """Every piece that was stored for one blob."""

    def __init__(self, leases: Leases) -> None:
        self.pieces: list[bytes] = []
        self._leases = leases

    def add(self, piece: bytes) -> None:
        """Before it is stored: what is held already must not go either."""
        self.pieces.append(piece)
        self._leases.take(piece)


class Leases:
    def __init__(self) -> None:
        self._pieces: Counter[bytes] = Counter()
        self._finished: dict[bytes, list[Sequence[bytes]]] = {}

    def __contains__(self, piece: bytes) -> bool:
        return piece in self._pieces

    def pieces(self) -> Iterable[bytes]:
        return self._pieces.keys()

    def begin(self) -> Upload:
        return Upload(self)

    def take(self, piece: bytes) -> None:
        self._pieces[piece] += 1

    def finish(self, upload: Upload, blob: Blob) -> None:
        if upload.pieces:
            self._finished.setdefault(blob.hash, []).append(tuple(upload.pieces))

    def drop(self, upload: Upload) -> None:
        self._release(upload.pieces)

    def named(self, blob: Blob) -> None:
        """An operation that is in the state names it."""
        for pieces in self._finished.pop(blob.hash, ()):
            self._release(pieces)

    def _release(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._pieces[piece] -= 1
            if not self._pieces[piece]:
                del self._pieces[piece]
