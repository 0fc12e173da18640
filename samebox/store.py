"""What one shard keeps, opened: its log, its packs, who writes here, and the core made of them.

Files, entropy and the time of day are handed in. One thread drives a store; `replica` alone
belongs to the loop of the shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from msgspec import Struct

from comm import Range, packed
from crdt import ACTOR_BYTES, Actor, Blob, Clock, Dot, StateLost
from samebox.events import OWN_LOG, Arrived, Batch, LogBegins, Notice, Reborn
from samebox.forgetting import ForgotTooMuch
from samebox.held import Held
from samebox.history import History
from samebox.keeping import Keeper, Stalled
from samebox.limits import Limits
from samebox.making import Place
from samebox.replica import Replica
from samebox.starting import Recovered, Recovering, Restored
from samebox.starting import Surroundings as Surroundings
from storage import (
    Continue,
    Disk,
    DiskFull,
    DiskReadOnly,
    DiskWriteFailed,
    FoundSnapshots,
    Identity,
    Log,
    LogSize,
    NewActor,
    NotOurs,
    Packs,
    PacksRecovery,
    PacksSize,
    RecordsMissing,
    SecondCopy,
    Snapshot,
    TooNew,
    check_identity,
    continuity,
    load_identity,
    save_identity,
)

STORE_ID_BYTES = 16
LIFE_BYTES = 16
BEHIND_BYTES_MAX = 64 << 10
"""Of the log, behind a batch: a small part of what one may have."""


class Disks(Struct, frozen=True):
    """The three directories of a shard. `inode` is that of the first, `where` its path."""

    root: Disk
    log: Disk
    packs: Disk
    inode: int
    where: str

    def close(self) -> None:
        for disk in (self.root, self.log, self.packs):
            disk.close()


class Store(Struct):
    """`birth` is set where a new actor has to be born before anything is written. `notices` are the
    alarms of the start; they were told. `life` tells this opening from every other one.
    `wants_snapshot` where a peer needs one that is newer; `is_compared` while a verification uses
    the place for a second state, of which there is one. `unreadable` is where the log could not be
    read on, of which actor."""

    cluster: str
    place: Place
    key: bytes
    identity: Identity
    disks: Disks
    log: Log
    packs: Packs
    held: Held
    replica: Replica
    birth: Reborn | None
    notices: list[Notice]
    surroundings: Surroundings
    snapshots: FoundSnapshots
    life: bytes = b""
    wants_snapshot: bool = False
    is_compared: bool = False
    unreadable: dict[Actor, int] = {}

    def __post_init__(self) -> None:
        self.life = self.entropy(LIFE_BYTES)
        self._tell_what_is_behind(self.replica.history)

    def entropy(self, length: int) -> bytes:
        return self.surroundings.entropy(length)

    def append(self, batch: Batch) -> Arrived | None:
        """Make a batch durable: its blobs first, one sync; then its records, one sync. Returns what
        the log holds of what the batch says may be taken by now: see `first_held`."""
        self.packs.put_all(batch.blobs)
        self.packs.sync()
        records = self.log.absent(batch.records)
        if records:
            self.log.append(records, batch.heads)
        return self.first_held(batch.unread) if batch.unread else None

    def first_held(self, unread: Iterable[Range]) -> Arrived | None:
        """What the log holds of the first of these of which it holds any: it is taken as from a
        peer, as no peer may hold it. What waits brings no batch about: so whoever drives the store
        asks at every tick, too. No damage that is met here is an end of the batch before, which is
        durable; what cannot be read, where the segment cannot be marked either, is told and left to
        the next start."""
        for actor, first, last in unread:
            if self.unreadable.get(actor) == first:
                continue
            try:
                run = self.log.read(actor, first, last, max_bytes=BEHIND_BYTES_MAX)
            except RecordsMissing:  # looked up in memory: a batch that fills the hole asks again
                continue
            except (DiskFull, DiskReadOnly) as error:
                self._tell_unreadable(actor, first, error)
                continue
            return Arrived(OWN_LOG, next(packed((record, ()) for record in run)))
        return None

    def _tell_unreadable(self, actor: Actor, first: int, error: DiskFull | DiskReadOnly) -> None:
        """Once, of however many: the same helps all of them."""
        if not self.unreadable:
            text = f"operations of actor {actor.hex()[:8]} from {first} on are not shown"
            why = f"the log does not read there, and its file cannot be marked as damaged: {error}"
            advice = "see to the disk, and start again"
            self.surroundings.tell(Notice(f"{text}: {why}; {advice}", alarm=True))
        self.unreadable[actor] = first

    @property
    def keeper(self) -> Keeper:
        return self.surroundings.keeper

    def mint(self, reason: str) -> Reborn:
        """A new actor, durable in the identity before it writes anything."""
        actor = self.entropy(ACTOR_BYTES)
        self.identity = replace(self.identity, actor=actor)
        save_identity(self.disks.root, self.identity)
        return Reborn(actor, self.key, self.surroundings.now_ms(), reason)

    def restored(self, known: Clock, lost: StateLost, *, is_moved: bool = False) -> Restored:
        """History and state made again, when the log has ended what it was given. `known` is the
        clock of what the core has committed. With `is_moved` the log begins anew behind a snapshot
        that stands for more. Raises StorageError."""
        recovering = Recovering(
            self.disks.log,
            self.surroundings,
            cluster=self.cluster,
            shard=self.place.shard,
            store=self.identity.store,
        )
        has_forgotten = isinstance(lost, ForgotTooMuch)
        made = recovering.restored(
            self.log,
            known,
            str(lost),
            has_forgotten=has_forgotten,
            lacks=self.held.lacks,
            is_moved=is_moved,
        )
        self._tell_what_is_behind(made.history)
        return made

    def _tell_what_is_behind(self, history: History) -> None:
        tips = self.log.tips().items()
        history.behind.lasts = {
            actor: tip.seq for actor, tip in tips if history.head(actor).seq < tip.seq
        }
        self.unreadable.clear()

    def sizes(self) -> tuple[LogSize, PacksSize]:
        return self.log.size(), self.packs.size()

    def close(self) -> None:
        for close in (self._roll_back, lambda: self.keeper.close(is_whole=True)):
            try:
                close()
            except StateLost as error:
                self.surroundings.tell(Notice(f"the next start makes the state again: {error}"))
        try:
            self.packs.close()
            self.log.close()
        finally:
            self.disks.close()

    def _roll_back(self) -> None:
        if self.replica.is_busy:
            self.replica.state.rows.rollback()


def open_store(
    disks: Disks, around: Surroundings, *, cluster: str, place: Place, key: bytes
) -> Store:
    """Opens or makes the shard's files, and rebuilds the core.

    Raises StorageError: another node's data, a later version's, or a disk that does not work.
    """
    around.keeper.wake = Stalled(around.keeper, around.tell).look
    where = f"{disks.where}/identity"
    identity = before = load_identity(disks.root, where=where)
    if identity is not None:
        check_identity(identity, cluster=cluster, node=place.node, shard=place.shard, where=where)
        save_identity(disks.root, replace(identity, is_starting=True))
    store = around.entropy(STORE_ID_BYTES) if identity is None else identity.store
    recovering = Recovering(disks.log, around, cluster=cluster, shard=place.shard, store=store)
    try:
        start = recovering.run()
        packs, packs_recovery = Packs.open(
            disks.packs,
            cluster=cluster,
            shard=place.shard,
            entropy=around.entropy,
            pack_bytes_max=around.limits.pack_bytes_max,
        )
    except (NotOurs, TooNew):
        if identity is not None:
            save_identity(disks.root, identity)
        raise
    decision = continuity(
        identity,
        inode=disks.inode,
        second_copy=SecondCopy.NOT_CONFIGURED,
        recovery=start.recovery,
        state_clock=start.kept_clock,
    )
    decision = _if_all_own_is_there(decision, start.history, start.log)
    identity, born_for = _next_identity(
        identity, decision, cluster, place, store, disks.inode, around.entropy
    )
    notices = [*_alarms(start, packs_recovery), *_unknown(before, start.log)]
    for notice in notices:  # before anything says that this start has ended
        around.tell(notice)
    save_identity(disks.root, identity)
    held = Held(packs)
    replica = _core(start, recovering, held, packs_recovery, place, identity.actor, around.limits)
    replica.begins(log_begins(start.log, start.snapshots.snapshots, replica.state.folded))
    held.opened()
    recovering.ended()
    birth = None
    if replica.history.head(identity.actor).seq == 0:
        birth = Reborn(identity.actor, key, around.now_ms(), born_for or "first start")
    opened = (cluster, place, key, identity, disks, start.log, packs, held, replica, birth)
    return Store(*opened, notices, around, start.snapshots)


def log_begins(log: Log, snapshots: Sequence[Snapshot], folded: Clock) -> LogBegins:
    """`snapshots` are those that are kept, the oldest as the last; `folded` what counts without."""
    if not log.is_cut:
        return LogBegins({}, {})
    return LogBegins(log.base(), snapshots[-1].folded if snapshots else folded)


def _core(
    start: Recovered,
    recovering: Recovering,
    held: Held,
    packs: PacksRecovery,
    place: Place,
    actor: Actor,
    limits: Limits,
) -> Replica:
    """The core made of what a start found. To know which blobs are missing it may read all of the
    state: where that shows a spoilt row, the state is made again, once. Raises StorageError."""

    def made(start: Recovered) -> Replica:
        return Replica(
            place,
            start.history,
            start.state,
            _own(place, start.log, actor, start.history),
            held,
            unsure=_unsure(start, packs),
            has_blob=held.is_here,
            window_records=limits.window_records,
            kept_requests=limits.kept_requests,
        )

    try:
        return made(start)
    except StateLost as error:
        again = recovering.made_again(start, str(error))
    try:
        return made(again)
    except StateLost as error:
        raise DiskWriteFailed(f"no state can be kept: {error}") from error


def _alarms(start: Recovered, packs: PacksRecovery) -> list[Notice]:
    """Whatever was out of the ordinary, each once."""
    problems = (*start.recovery.problems, *start.snapshots.problems, *packs.problems)
    return [Notice(problem, alarm=True) for problem in dict.fromkeys(problems)]


def _unknown(identity: Identity | None, log: Log) -> Iterator[Notice]:
    """What an earlier start cut away, nothing tells any more."""
    why = None
    if identity is None and log.clock():
        why = "its log holds operations, but the file identity was not there"
    elif identity is not None and identity.is_starting:
        why = "the start before this one did not end"
    if why is not None:
        text = f"{why}: what was found damaged before, if anything, is not known; peers bring it"
        yield Notice(text, alarm=True)


def _unsure(start: Recovered, packs: PacksRecovery) -> Iterable[tuple[Blob, Dot]]:
    """Blobs that may not be held, though the rows do not say so."""
    if start.unsure is None or packs.quarantined:
        return start.state.blobs()
    return start.unsure


def _if_all_own_is_there(
    decision: Continue | NewActor, history: History, log: Log
) -> Continue | NewActor:
    """Own records that wait for one of another actor which was lost are dots that were used: the
    next one would be given twice. So might the first one, where the log holds none."""
    if isinstance(decision, Continue):
        tip, seq = log.tips().get(decision.actor), history.head(decision.actor).seq
        if tip is None:
            return NewActor(("the log holds nothing of the actor that was to write here",))
        if tip is not None and tip.seq > seq:
            waiting = f"own records {seq + 1} to {tip.seq} wait for others that are missing"
            return NewActor((waiting,))
    return decision


def _own(place: Place, log: Log, actor: Actor, history: History) -> Actor | None:
    """Who wrote here as last; on the way, the log learns what decodes the next records."""
    held = log.tips()
    heads = {
        name: head.encode() for name, head in history.heads.items() if head.seq == held[name].seq
    }
    log.set_heads(heads)
    return actor if history.head(actor).seq else _last_own(history, place.node)


def _last_own(history: History, node: str) -> Actor | None:
    """The actor that this node wrote as last, as far as the log remembers."""
    own = [actor for actor, born in history.births.items() if born.node == node]
    return own[-1] if own else None


def _next_identity(
    identity: Identity | None,
    decision: Continue | NewActor,
    cluster: str,
    place: Place,
    store: bytes,
    inode: int,
    entropy: Callable[[int], bytes],
) -> tuple[Identity, str]:
    """The identity of this start, and why its actor is a new one."""
    starts = 1 if identity is None else identity.starts + 1
    if isinstance(decision, NewActor):
        actor, reason = entropy(ACTOR_BYTES), "; ".join(decision.reasons)
    else:
        actor, reason = decision.actor, ""
    return (
        Identity(
            cluster=cluster,
            node=place.node,
            shard=place.shard,
            store=store,
            inode=inode,
            actor=actor,
            starts=starts,
        ),
        reason,
    )
