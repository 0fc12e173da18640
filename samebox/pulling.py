"""Which blob is asked of which peer next.

A blob is asked of one peer at a time, which holds it then. Another one may take it over where the
holder has made no progress for a while: so a peer that stalls, or lets bytes trickle, holds up
nothing that another one has too. What no peer has comes again later, behind everything else.

A decision alone: who asks tells the time, and what came of it.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from crdt import Blob

WANTED_MAX = 4096
"""Blobs looked for at a time; what is dropped beyond is handed in again at a later tick. What no
peer had makes room for what is new: nobody can fill all places with blobs that do not exist."""
ABSENT_MAX = 16_384
"""Blobs remembered as held by no peer."""
STALL_S = 5.0
"""Without progress of a holder: then another peer may take its blob over."""
AGAIN_LEAST_S = 0.5
AGAIN_MOST_S = 30.0
"""After no peer had a blob; doubled each time."""


class Wanted(Struct):
    """`heard` is when the holder last made progress."""

    blob: Blob
    urgent: bool = False
    holder: str | None = None
    heard: float = 0.0


class Absent(Struct):
    """No peer had it at `since`; it is not looked for again for so long."""

    since: float
    wait_s: float


class Pulling:
    """Times are in seconds, of any clock that never goes back.

    Every peer that can be asked has a queue of what it was not asked for, or may be asked again.
    """

    def __init__(self) -> None:
        self._wanted: dict[bytes, Wanted] = {}
        self._queues: dict[str, OrderedDict[bytes, None]] = {}
        self._absent: OrderedDict[bytes, Absent] = OrderedDict()
        self._again: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._wanted)

    def want(self, blob: Blob, now: float, *, urgent: bool = False) -> bool:
        """Look for `blob`, first of all if it is `urgent`; whether to look now. Without a peer to
        ask that is once, as if all lacked it."""
        wanted = self._wanted.get(blob.hash)
        if wanted is None:
            if not self._is_due(blob, now, urgent=urgent):
                return False
            wanted = self._wanted[blob.hash] = Wanted(blob)
            for queue in self._queues.values():
                queue[blob.hash] = None
        elif wanted.urgent or not urgent:
            return False
        if urgent:
            wanted.urgent = True
            for queue in self._queues.values():
                if blob.hash in queue:
                    queue.move_to_end(blob.hash, last=False)
        self._give_up_if_absent(blob, now)
        return True

    def up(self, peer: str) -> None:
        """`peer` can be asked. It may have what no other had."""
        urgent = [hash_ for hash_, wanted in self._wanted.items() if wanted.urgent]
        self._queues[peer] = OrderedDict.fromkeys([*urgent, *self._wanted])
        self._absent.clear()

    def down(self, peer: str, now: float) -> None:
        """`peer` cannot be asked any more: what it held is free."""
        self._queues.pop(peer, None)
        for wanted in list(self._wanted.values()):
            if wanted.holder == peer:
                wanted.holder = None
            self._give_up_if_absent(wanted.blob, now)

    def next(self, peer: str, now: float) -> Blob | None:
        """What to ask `peer` for; it holds that from now on. None where there is nothing for it."""
        wanted = self._first(peer, now)
        if wanted is None:
            return None
        self._queues[peer].move_to_end(wanted.blob.hash)
        wanted.holder, wanted.heard = peer, now
        self._again.pop(wanted.blob.hash, None)
        return wanted.blob

    def has_for(self, peer: str, now: float) -> bool:
        """Whether `next` would give anything: a peer that is not reached yet holds nothing."""
        return self._first(peer, now) is not None

    def _first(self, peer: str, now: float) -> Wanted | None:
        """Passes over what is held: few, for everyone holds a group of blobs at most."""
        queue = self._queues[peer]
        for _ in range(len(queue)):
            hash_ = next(iter(queue))
            wanted = self._wanted[hash_]
            if wanted.holder is None or (wanted.holder != peer and _is_stalled(wanted, now)):
                return wanted
            queue.move_to_end(hash_)
        return None

    def progressed(self, peer: str, blob: Blob, now: float) -> bool:
        """Some of `blob` came from `peer`; whether it still holds it, and shall go on."""
        wanted = self._wanted.get(blob.hash)
        if wanted is None or wanted.holder != peer:
            return False
        wanted.heard = now
        return True

    def lacks(self, peer: str, blob: Blob, now: float) -> None:
        """`peer` does not have `blob`, or not all of it."""
        self.release(peer, blob)
        if peer in self._queues:
            self._queues[peer].pop(blob.hash, None)
        self._give_up_if_absent(blob, now)

    def release(self, peer: str, blob: Blob) -> None:
        """It could not be had from `peer` now: anybody may try, this peer too."""
        wanted = self._wanted.get(blob.hash)
        if wanted is not None and wanted.holder == peer:
            wanted.holder = None

    def is_urgent(self, blob: Blob) -> bool:
        wanted = self._wanted.get(blob.hash)
        return wanted is not None and wanted.urgent

    def stored(self, blob: Blob) -> None:
        """All of it is here."""
        self._forget(blob.hash)
        self._absent.pop(blob.hash, None)

    def _is_due(self, blob: Blob, now: float, *, urgent: bool) -> bool:
        """Whether it is to be looked for, and there is room."""
        absent = self._absent.get(blob.hash)
        if absent is not None:
            wait_s = AGAIN_LEAST_S if urgent else absent.wait_s
            if now < absent.since + wait_s:
                return False
        if len(self._wanted) >= WANTED_MAX and not urgent:
            if absent is not None or not self._again:
                return False
            self._forget(next(iter(self._again)))
        if absent is not None:
            self._again[blob.hash] = None
        return True

    def _give_up_if_absent(self, blob: Blob, now: float) -> None:
        """Where every peer that can be asked lacks it."""
        hash_ = blob.hash
        if any(hash_ in queue for queue in self._queues.values()):
            return
        self._forget(hash_)
        before = self._absent.pop(hash_, None)
        wait_s = AGAIN_LEAST_S if before is None else min(before.wait_s * 2, AGAIN_MOST_S)
        self._absent[hash_] = Absent(now, wait_s)
        if len(self._absent) > ABSENT_MAX:
            self._absent.popitem(last=False)

    def _forget(self, hash_: bytes) -> None:
        self._wanted.pop(hash_, None)
        self._again.pop(hash_, None)
        for queue in self._queues.values():
            queue.pop(hash_, None)


def _is_stalled(wanted: Wanted, now: float) -> bool:
    return now - wanted.heard >= STALL_S
