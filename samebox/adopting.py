"""A snapshot of a peer becomes what this node goes on from.

The state of the snapshot is the state at a clock that causality closes. So the records that it does
not stand for, and that this log holds, may be delivered on top of it in the order of the log: all
that they depend on is in the snapshot or among them. The log begins anew with the snapshot and with
these records; nothing that this node alone has goes. What the peer has forgotten was stable there:
a member says that it holds something only when that is durable, so an operation of this node
that the peer has not got was made with all of that in its context. That is not so for what a node
wrote after it was put back to an earlier state. Then the snapshot is not taken, and the node says
what to do; and so it is where an actor has two histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from comm import Message, NoSnapshot, PeerBroke, SnapshotPiece, Unknown, WantSnapshot
from crdt import Actor, Clock, StateLost, covers, includes, may_need
from samebox.errors import SameboxError
from samebox.log_reader import operations_in
from samebox.recovery import ROWS_VERSION
from samebox.snapshotting import heads_in, sound, tip_of
from samebox.starting import Restored
from samebox.store import Store
from storage import (
    Damaged,
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    DiskWriteFailed,
    FileMissing,
    NotOurs,
    Received,
    Snapshot,
    Tip,
    TooNew,
    present_snapshots,
    remove_snapshots,
)

PIECE_BYTES = 256 << 10
"""Asked for, read, written and synced at a time: some milliseconds of the disk. No piece is shorter
but the last: so whoever takes its time for each gives 4 kB a second, or is not asked any more."""
TEXT_MAX = 1000
EMPTY_IT = (
    "take out what this node alone has (`samebox export`), stop it, move its data directory away "
    "and start it: it gets all that the others hold; then put back what only it had"
)


class NotAdopted(SameboxError):
    """The snapshot is of no use here, or not yet."""


BOTH_ARE_CUT = (
    "the log of each of the two begins behind something that the other one lacks, so neither can "
    "go on from the snapshot of the other; unless another member brings that, at one of them: "
    f"{EMPTY_IT}"
)

NONE_YET = (
    "there is none that goes so far; one is made, unless an operation of a later version is here"
)


# --- The peer that has one -----------------------------------------------------------------------


def answer(store: Store, want: WantSnapshot) -> SnapshotPiece | NoSnapshot:
    """In the thread that drives the disk. Where none is new enough, one is made, if that can help.
    Raises LogDamaged."""
    try:
        return _piece(store, want)
    except (DiskReadFailed, FileMissing) as error:
        return NoSnapshot(f"a snapshot cannot be read here: {error}"[:TEXT_MAX])


def _piece(store: Store, want: WantSnapshot) -> SnapshotPiece | NoSnapshot:
    base, disk = dict(want.base), store.disks.log
    if not (want.id or includes(store.log.clock(), base)):
        return NoSnapshot(BOTH_ARE_CUT)
    for snapshot in present_snapshots(disk) if want.id else sound(store.log, disk):
        if snapshot.header.id == want.id if want.id else includes(snapshot.clock, base):
            size = disk.size(snapshot.name.text)
            data = disk.read(snapshot.name.text, want.at, PIECE_BYTES)
            if not data:
                break
            return SnapshotPiece(snapshot.header.id, want.at, size, data)
    store.wants_snapshot = store.wants_snapshot or not want.id
    return NoSnapshot(NONE_YET)


# --- The one that needs it -----------------------------------------------------------------------


class Fetching:
    """One snapshot on its way here. `take`, `check_more`, `adopt` and `abandon` are for the thread
    that drives the disk. `set_back`: see there."""

    def __init__(self, store: Store) -> None:
        self.set_back: list[Actor] = []
        self._store = store
        self._received: Received | None = None
        self._snapshot: Snapshot | None = None
        self._checks: Callable[[], bool] | None = None
        self._id = b""
        self._size = 1

    @property
    def is_whole(self) -> bool:
        return self._received is not None and self._received.size == self._size

    @property
    def size(self) -> int:
        """Of all of it, as the first piece said."""
        return self._size

    @property
    def fetched(self) -> int:
        return 0 if self._received is None else self._received.size

    def question(self) -> WantSnapshot:
        return WantSnapshot(list(self._store.log.base().items()), self._id, self.fetched)

    def take(self, message: Message | Unknown) -> None:
        """Raises `NotAdopted`, `PeerBroke`, `DiskError`."""
        match message:
            case SnapshotPiece(id, at, size, data):
                if self._received is None:
                    self._store.snapshots.last_number += 1
                    number = self._store.snapshots.last_number
                    self._received = Received(self._store.disks.log, number)
                    self._id, self._size = id, size
                here = (self._id, self._received.size, self._size)
                if (id, at, size) != here or at + len(data) > size:
                    raise PeerBroke(f"expected the piece at {here[1]} of a snapshot, found {at}")
                if len(data) < min(PIECE_BYTES, size - at):
                    raise PeerBroke(f"expected {PIECE_BYTES} bytes of it, found {len(data)}")
                self._received.add(data)
            case NoSnapshot(reason):
                raise NotAdopted(reason)
            case Unknown():
                pass
            case _:
                kind = type(message).__name__
                raise PeerBroke(f"expected a piece of a snapshot, found {kind}")

    def check_more(self) -> bool:
        """Reads some more of it back; False once all of it is whole. Raises `NotAdopted`."""
        assert self._received is not None, "nothing has come"
        try:
            if self._snapshot is None:
                place = {"cluster": self._store.cluster, "shard": self._store.place.shard}
                self._snapshot = self._received.look(**place)
                self._checks = _checking(self._received.check(self._snapshot), self._snapshot)
            assert self._checks is not None
            return self._checks()
        except (Damaged, DiskReadFailed, NotOurs, TooNew) as error:
            raise NotAdopted(f"the snapshot that came is none: {error}") from error

    def adopt(self, known: Clock) -> Restored:
        """While no batch is under way; `known` is what is durable here. Raises `NotAdopted`,
        `DiskFull` and `DiskReadOnly` with nothing changed, other `StorageError`."""
        assert self._received is not None and self._snapshot is not None, "check it first"
        store, snapshot = self._store, self._snapshot
        why = refusal(store, snapshot, known)
        if why is not None:
            raise NotAdopted(why)
        try:
            went_back = set_back(store, snapshot)
            store.log.begin_anew(snapshot.tips, self._received.publish, keeps=bool(went_back))
        except (DiskFull, DiskReadOnly):
            self._received.abandon()
            raise
        self._received = None
        with suppress(DiskFull, DiskReadOnly):  # the next snapshot does it
            remove_snapshots(store.disks.log, but=[snapshot.name.number])
        self.set_back = went_back
        try:
            return store.restored(
                known, StateLost("a peer's snapshot is taken over"), is_moved=True
            )
        except (DiskFull, DiskReadOnly) as error:  # the core does not go with this log any more
            raise DiskWriteFailed(
                f"a snapshot was taken over, and no state made: {error}"
            ) from error

    def abandon(self) -> None:
        received, self._received = self._received, None
        if received is not None:
            received.abandon()


def _checking(blocks: Iterator[bytes], snapshot: Snapshot) -> Callable[[], bool]:
    """Looks at another block; False once all of them are what the snapshot says of itself. The log
    goes by what it says, and holds nothing of that any more afterwards. Raises `Damaged`."""
    found: dict[Actor, Tip] = {}

    def check() -> bool:
        block = next(blocks, None)
        if block is not None:
            found.update((head.actor, tip_of(head)) for head in heads_in(block))
        elif found != snapshot.tips:
            raise Damaged("its rows do not end where it says")
        return block is not None

    return check


def set_back(store: Store, snapshot: Snapshot) -> list[Actor]:
    """The actors born at this node of which the snapshot has more: this node was put back to an
    earlier state. What it has written as one of them since, if anything, no longer shows."""
    born = store.replica.history.births
    here, tips = store.place.node, store.log.tips()
    return [
        actor
        for actor, seq in snapshot.clock.items()
        if actor in born and born[actor].node == here and actor in tips and tips[actor].seq < seq
    ]


def refusal(store: Store, snapshot: Snapshot, known: Clock) -> str | None:
    """Why this node cannot go on from a snapshot."""
    if snapshot.version != ROWS_VERSION:
        return f"it is of rows {snapshot.version}, not {ROWS_VERSION}: run one version everywhere"
    if includes(known, snapshot.clock):
        return "all of it is here by now"
    log = store.log
    for actor, base in log.base().items():
        reached = snapshot.clock.get(actor, 0)
        if base > reached:
            return f"the log here begins behind {actor.hex()[:8]}:{base}, it ends at {reached}"
    for actor, (seq, chain) in snapshot.told.items():
        if log.leads_on(actor, seq, chain) is False:
            return f"it has another history of actor {actor.hex()[:8]}, at {seq}: {EMPTY_IT}"
    return _unseen(store, snapshot)


def _unseen(store: Store, snapshot: Snapshot) -> str | None:
    """What was written here without what the peer has forgotten something for."""
    if not snapshot.folded:
        return None
    place = {"cluster": store.cluster, "shard": store.place.shard}
    for operation, _ in operations_in(store.log, snapshot.clock, **place):
        is_here_alone = not covers(snapshot.clock, operation.dot)
        if is_here_alone and may_need(operation, snapshot.folded):
            text = f"{operation.dot} was written here without what the others hold for good"
            return f"{text}, since this node was put back to an earlier state: {EMPTY_IT}"
    return None
