"""Blobs that operations name and that are not held here yet."""

from __future__ import annotations

from crdt import Blob, Dot


class Missing:
    def __init__(self) -> None:
        self._users: dict[bytes, list[Dot]] = {}
        self._blobs: dict[bytes, Blob] = {}

    def __len__(self) -> int:
        return len(self._blobs)

    def add(self, blob: Blob, user: Dot) -> None:
        self._blobs[blob.hash] = blob
        self._users.setdefault(blob.hash, []).append(user)

    def stored(self, hash_: bytes) -> None:
        self._blobs.pop(hash_, None)
        self._users.pop(hash_, None)

    def blobs(self) -> list[Blob]:
        return list(self._blobs.values())

    def users(self) -> list[Dot]:
        """The operations whose blobs are missing, in the order in which they came."""
        return [dot for users in self._users.values() for dot in users]
