"""Blobs that operations name and that are not held here yet.

They stand among the rows of the state too, so that a start need not look at all that there is. A
row may outlive what it says: it goes with the next transaction after its blob has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from comm import MISSING_MAX
from crdt import ACTOR_BYTES, HASH_BYTES, Blob, Dot, Rows
from samebox.holding import Holding
from samebox.making import WITH_BLOB, Making, blob_of
from samebox.recovery import ORIGIN, UNSURE_KEY

MISSING = "missing"
"""hash of the blob, dot of the operation that names it -> Blob."""
SEQ_BYTES = 8
FIRST, LAST = b"", b"\xff" * (HASH_BYTES + 1)

NAMES_BLOB = frozenset(WITH_BLOB)
"""To ask `isinstance` of four structs in vain takes 0.5 us, for every operation."""

FETCH_MAX = 1024
"""Blobs asked for again at one tick; the others have their turn at the next ones."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Blob).decode


class Missing:
    """What changes is put into `rows` by `keep`, in the transaction that is open then. `own`, what
    this node holds, follows it."""

    def __init__(self, rows: Rows, own: Holding) -> None:
        self._rows = rows
        self._gone: list[bytes] = []
        self._users: dict[Dot, bytes] = {}
        self._blobs: dict[bytes, Blob] = {}
        self._dots: dict[bytes, list[Dot]] = {}
        self._listed: tuple[Dot, ...] | None = ()
        self._own = own
        own.follow(self._users)

    def __len__(self) -> int:
        return len(self._blobs)

    def noted(self, making: Making, holds_blob: Callable[[Blob], bool]) -> Iterator[Blob]:
        """What a batch names and does not bring, and is not held."""
        carried = {blob.hash for blob in making.blobs} if making.blobs else ()
        for item in making.items:
            if type(item.operation.body) not in NAMES_BLOB:
                continue
            blob = blob_of(item.operation)
            if blob is not None and blob.hash not in carried and not holds_blob(blob):
                self.add(blob, item.dot)
                yield blob

    def add(self, blob: Blob, user: Dot) -> None:
        """Inside a transaction."""
        self._rows.put(MISSING, _key(blob.hash, user), _encode(blob))
        self._note(blob, user)

    def begin(self, holds: Callable[[Blob], bool], unsure: Iterable[tuple[Blob, Dot]]) -> None:
        """What the last life has kept and what of `unsure` is missing now, as `holds` says."""
        self._rows.begin()
        for key, value in self._rows.scan(MISSING, FIRST, LAST):
            seq = int.from_bytes(key[HASH_BYTES + ACTOR_BYTES :], "big")
            user = Dot(key[HASH_BYTES : HASH_BYTES + ACTOR_BYTES], seq)
            blob = _decode(value)
            if holds(blob):
                self._gone.append(key)
            else:
                self._note(blob, user)
        for blob, user in unsure:
            if not holds(blob):
                self.add(blob, user)
        self._rows.remove(ORIGIN, UNSURE_KEY)
        self.keep()
        self._rows.commit()

    def users(self) -> Iterator[tuple[Blob, Dot]]:
        """Each with the operations that name it."""
        for blob in self._blobs.values():
            yield from ((blob, user) for user in self._dots[blob.hash])

    def keep(self) -> None:
        """Inside a transaction: take the rows away whose blobs have come."""
        for key in self._gone:
            self._rows.remove(MISSING, key)
        self._gone.clear()

    def _note(self, blob: Blob, user: Dot) -> None:
        self._blobs[blob.hash] = blob
        self._dots.setdefault(blob.hash, []).append(user)
        self._users[user] = blob.hash
        self._listed = None

    def stored(self, hash_: bytes) -> None:
        self._blobs.pop(hash_, None)
        for user in self._dots.pop(hash_, ()):
            self._users.pop(user, None)
            self._own.has_blob_of(user)
            self._gone.append(_key(hash_, user))
            self._listed = None

    def blobs(self) -> list[Blob]:
        return list(self._blobs.values())

    def next_blobs(self, names_blob: Callable[[Dot], bool]) -> list[Blob]:
        """Up to FETCH_MAX, others at every call until all had their turn. One that nothing names
        any more, because what did was forgotten, is missed no longer."""
        turn = [self._blobs[hash_] for hash_ in islice(self._blobs, FETCH_MAX)]
        for blob in turn:
            if any(map(names_blob, self._dots[blob.hash])):
                self._blobs[blob.hash] = self._blobs.pop(blob.hash)
            else:
                self.stored(blob.hash)
        return [blob for blob in turn if blob.hash in self._blobs]

    def listed(self) -> tuple[tuple[Dot, ...], bool]:
        """The operations whose blobs are missing, in the order in which they came. Too many for
        one message are not listed: that there are more says all that can be used."""
        is_more = len(self._users) > MISSING_MAX
        if self._listed is None:
            self._listed = () if is_more else tuple(self._users)
        return self._listed, is_more


def _key(hash_: bytes, user: Dot) -> bytes:
    return hash_ + user.actor + user.seq.to_bytes(SEQ_BYTES, "big")
