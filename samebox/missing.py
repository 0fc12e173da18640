"""Blobs that operations name and that are not held here yet."""

from __future__ import annotations

from itertools import islice

from comm import MISSING_MAX
from crdt import Blob, Dot

FETCH_MAX = 1024
"""Blobs asked for again at one tick; the others have their turn at the next ones."""


class Missing:
    def __init__(self) -> None:
        self._users: dict[Dot, bytes] = {}
        self._blobs: dict[bytes, Blob] = {}
        self._dots: dict[bytes, list[Dot]] = {}
        self._listed: tuple[Dot, ...] | None = ()

    def __len__(self) -> int:
        return len(self._blobs)

    def add(self, blob: Blob, user: Dot) -> None:
        self._blobs[blob.hash] = blob
        self._dots.setdefault(blob.hash, []).append(user)
        self._users[user] = blob.hash
        self._listed = None

    def stored(self, hash_: bytes) -> None:
        self._blobs.pop(hash_, None)
        for user in self._dots.pop(hash_, ()):
            self._users.pop(user, None)
            self._listed = None

    def blobs(self) -> list[Blob]:
        return list(self._blobs.values())

    def next_blobs(self) -> list[Blob]:
        """Up to FETCH_MAX, others at every call until all had their turn."""
        turn = [self._blobs.pop(hash_) for hash_ in list(islice(self._blobs, FETCH_MAX))]
        self._blobs.update((blob.hash, blob) for blob in turn)
        return turn

    def listed(self) -> tuple[tuple[Dot, ...], bool]:
        """The operations whose blobs are missing, in the order in which they came. Too many for
        one message are not listed: that there are more says all that can be used."""
        is_more = len(self._users) > MISSING_MAX
        if self._listed is None:
            self._listed = () if is_more else tuple(self._users)
        return self._listed, is_more
