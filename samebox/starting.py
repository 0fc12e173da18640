"""The start of a shard: its log is opened, and history and state are brought up to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from msgspec import Struct, structs

from crdt import (
    Actor,
    Blob,
    Clock,
    Dot,
    Head,
    MemoryRows,
    Operation,
    Record,
    Rows,
    State,
    StateLost,
    covers,
    includes,
    merge,
)
from samebox.events import Notice
from samebox.history import History
from samebox.keeping import Keeper, Unkept
from samebox.limits import Limits
from samebox.making import blob_of
from samebox.recovery import (
    ORIGIN,
    ROWS_VERSION,
    UNSURE_KEY,
    Progress,
    apart,
    begin_rows,
    foreign,
    is_outdated,
    kept_clock,
    rebuild,
)
from samebox.snapshotting import load
from storage import (
    Damaged,
    Disk,
    DiskReadFailed,
    DiskWriteFailed,
    FoundSnapshots,
    Log,
    LogDamaged,
    Recovery,
    Snapshot,
    StorageError,
    Told,
    TooNew,
    blocks_of,
    check_snapshot,
    find_snapshots,
    present_snapshots,
    remove_snapshots,
    set_snapshot_aside,
    together,
)

UNSURE_MAX = 50_000
"""Blobs of replayed operations that are remembered: some megabytes. Beyond that, to ask for every
blob that the state names is the lesser work."""
UPGRADE = "start the version of the program that made it; nothing was lost"
ASK_FOR_IT = (
    "its records are kept, and the other members send what they hold; if there are none, stop this "
    "node and put a snapshot (or one that was set aside, or the folder `state`) from a backup back"
)

PUT_THEM_BACK = (
    "no snapshot stands for what was before it: the kept state alone has that, and who lacks it "
    "gets a snapshot of it; if files of the log were taken away, stop this node and put them back"
)


class Surroundings(Struct, frozen=True):
    """What a start takes from the world. `entropy(n)` gives n random bytes, `now_ms()` the wall
    clock, for display alone; `keeper` keeps the rows of the state; `tell` takes lines about what
    a start meets, and later reads of the log, as they come. `scratch` keeps the rows of a second
    state, while that is compared with the first."""

    entropy: Callable[[int], bytes]
    now_ms: Callable[[], int]
    keeper: Keeper
    limits: Limits = Limits()
    tell: Callable[[Notice], None] = lambda notice: None
    scratch: Keeper = Unkept(MemoryRows)


class Recovered(Struct, frozen=True):
    """`kept_clock` is that of the rows that were kept, if they were of this store, and of the
    snapshots, whether or not they could be gone on from. `unsure` are the blobs that the replayed
    operations name: whether they are held is not in the rows; None where that has to be asked for
    all. `snapshots` are those that are there."""

    log: Log
    recovery: Recovery
    history: History
    state: State
    kept_clock: Mapping[Actor, int]
    unsure: list[tuple[Blob, Dot]] | None
    snapshots: FoundSnapshots


class Restored(Struct, frozen=True):
    """A state that was lost while the node ran, made again. `beyond`: what the log holds beyond
    what was committed then: at most one batch, and what lay behind a hole that is filled by now.
    `lacking`: what the state names and is not held, with the operations that name it. It names
    again what the lost one had forgotten, and of that a compaction may have dropped the bytes."""

    history: History
    state: State
    beyond: list[Operation]
    lacking: list[tuple[Blob, Dot]]
    reached: dict[Actor, Head] = {}
    is_moved: bool = False

    def last_records(self) -> list[Record]:
        """Of each actor that went on, its last one, without the bytes."""
        return [Record(actor, one.seq, one.chain, b"") for actor, one in self.reached.items()]


class Recovering:
    """One start: `store` is the id of the data directory. `beyond` are the operations that are
    replayed and not `known`, where that is set."""

    def __init__(
        self, disk: Disk, around: Surroundings, *, cluster: str, shard: str, store: bytes
    ) -> None:
        self.known: Clock | None = None
        self.beyond: list[Operation] = []
        self._disk = disk
        self._around = around
        self._cluster = cluster
        self._shard = shard
        self._store = store
        self._kept_clock: dict[Actor, int] = {}
        self._unsure: list[tuple[Blob, Dot]] | None = []
        self._snapshots = FoundSnapshots(snapshots=[], last_number=0, problems=[])
        self._used: Snapshot | None = None
        self._is_first = True
        self._has_replayed = False

    def ended(self) -> None:
        """When it was asked what the replayed operations miss: written before, the rows would say
        for a long time that it was not, and a start that follows would ask for every blob."""
        if self._has_replayed:
            self._around.keeper.write_soon()

    def run(self) -> Recovered:
        """A replay that meets damage marks one segment, and the log opened again knows of it. So it
        is opened at most once for every segment, and once for the tail. Raises StorageError."""
        found: list[Recovery] = []
        self._snapshots = find_snapshots(self._disk, cluster=self._cluster, shard=self._shard)
        told: Clock = {}
        for snapshot in self._snapshots.snapshots:
            told = merge(told, snapshot.clock)
        while True:
            log, recovery = Log.open(
                self._disk,
                cluster=self._cluster,
                shard=self._shard,
                entropy=self._around.entropy,
                limits=self._around.limits.log,
            )
            found.append(recovery)
            try:
                history, state = self.brought_up(log)
            except LogDamaged as error:
                self._around.keeper.close(is_whole=False)
                if len(found) > log.size().segments + 1:
                    raise
                found[-1] = replace(recovery, problems=(*recovery.problems, error.found))
                log.close()
            else:
                found[-1] = log.renewed(recovery)
                return Recovered(
                    log,
                    together(found),
                    history,
                    state,
                    merge(self._kept_clock, told),
                    self._unsure,
                    self._snapshots,
                )

    def made_again(self, start: Recovered, why: str) -> Recovered:
        """The rows that this start has gone on from turn out to be spoilt. Raises StorageError."""
        history, state = self._anew_somehow(start.log, why)
        return structs.replace(start, history=history, state=state, unsure=self._unsure)

    def brought_up(self, log: Log) -> tuple[History, State]:
        """History and state as the log tells them, with as much of the kept rows as it proves.

        Raises LogDamaged, and DiskWriteFailed where no rows can be kept at all.
        """
        try:
            return self._gone_on(log)
        except StateLost as error:
            why = str(error)
        return self._anew_somehow(log, why)

    def _anew_somehow(self, log: Log, why: str) -> tuple[History, State]:
        """A snapshot may have forgotten what the log behind it needs; then an older one, or the log
        that is not cut, tells all."""
        while True:
            try:
                return self.anew(log, why)
            except StateLost as error:
                why = str(error)
                if not self._unused_yet(log):
                    raise DiskWriteFailed(f"no state can be made: {error}") from error
            self.beyond.clear()

    def _unused_yet(self, log: Log) -> bool:
        """Whether another try may do better. What is of no use now is not used again."""
        used, self._used = self._used, None
        if not log.is_cut:
            is_first, self._is_first = self._is_first, False
            self._forget_snapshots(log)
            return is_first
        if used is not None:
            self._snapshots.snapshots.remove(used)
        return used is not None and bool(self._snapshots.snapshots)

    def anew(self, log: Log, why: str) -> tuple[History, State]:
        """From the newest snapshot that fits, and the log. Raises LogDamaged, StateLost."""
        total = sum(log.clock().values())
        if total:
            text = f"the state is made from the {total:,} operations of the log: {why}"
            self._around.tell(Notice(text))
        for snapshot in list(self._snapshots.snapshots):
            rows = self._loaded(snapshot, log)
            if rows is not None:
                self._used = snapshot
                break
        else:
            rows = self._from_nothing(log)
        begin_rows(rows, self._store)
        state = State(rows)
        return self._replayed(log, self._history(state), state)

    def _from_nothing(self, log: Log) -> Rows:
        if log.is_cut:
            log.stand_on({})
            text = "the log begins behind what no snapshot and no state tells: " + ASK_FOR_IT
            self._snapshots.problems.append(text)
        return self._around.keeper.renew()

    def _loaded(self, snapshot: Snapshot, log: Log) -> Rows | None:
        """New rows with what a snapshot holds; None where it is of no use. It is read whole before
        anything of it is taken."""
        name = snapshot.name.text
        if snapshot.version != ROWS_VERSION and log.is_cut:
            raise TooNew(f"{name} is of rows {snapshot.version}, not {ROWS_VERSION}: {UPGRADE}")
        if snapshot.version != ROWS_VERSION:
            self._around.tell(Notice(f"{name} is of rows {snapshot.version}, not {ROWS_VERSION}"))
            return None
        why = apart(snapshot.told, log)
        if why is not None:
            self._snapshots.problems.append(f"{name} is not used: {why}")
            return None
        if not self._is_whole(snapshot):
            return None
        _stand(log, snapshot.told)
        rows, keeper = self._around.keeper.renew(), self._around.keeper
        try:
            load(rows, blocks_of(self._disk, snapshot), committed=keeper.wait)
        except (Damaged, DiskReadFailed) as error:
            self._set_aside(snapshot, error)
            return None
        self._around.tell(Notice(f"{name} has {sum(snapshot.clock.values()):,} of them"))
        self._unsure = None
        return rows

    def _is_whole(self, snapshot: Snapshot) -> bool:
        """One that is not is set aside."""
        try:
            for _ in check_snapshot(self._disk, snapshot):
                pass
        except (Damaged, DiskReadFailed) as error:
            self._set_aside(snapshot, error)
            return False
        return True

    def _set_aside(self, snapshot: Snapshot, error: StorageError) -> None:
        set_snapshot_aside(self._disk, snapshot)
        self._snapshots.snapshots.remove(snapshot)
        self._snapshots.problems.append(f"{snapshot.name.text} is set aside: {error}")

    def restored(
        self,
        log: Log,
        known: Clock,
        why: str,
        *,
        has_forgotten: bool,
        lacks: Callable[[Blob], bool],
        is_moved: bool = False,
    ) -> Restored:
        """From a snapshot and the log, while the node runs; from the log alone where the state
        `has_forgotten` what is needed. Raises LogDamaged, DiskWriteFailed."""
        self.known = known
        self._snapshots.snapshots = present_snapshots(self._disk)
        if has_forgotten:
            self._forget_snapshots(log)
        history, state = self._anew_somehow(log, why)
        if not includes(history.clock, known):
            raise LogDamaged("a lost state stood for records that the log does not hold")
        lacking = [(blob, user) for blob, user in state.blobs() if lacks(blob)]
        reached = {a: head for a, head in history.heads.items() if head.seq > known.get(a, 0)}
        self.ended()
        return Restored(history, state, self.beyond, lacking, reached, is_moved)

    def _forget_snapshots(self, log: Log) -> None:
        """They may have forgotten what is needed now; the log has not. Where that is cut, the
        oldest one that is whole has forgotten least."""
        kept: list[Snapshot] = []
        oldest_first = self._snapshots.snapshots[::-1] if log.is_cut else []
        for snapshot in oldest_first:
            if not kept and self._is_whole(snapshot):
                kept.append(snapshot)
        if kept or not log.is_cut:
            remove_snapshots(self._disk, but=[snapshot.name.number for snapshot in kept])
            self._snapshots.snapshots = kept

    def _gone_on(self, log: Log) -> tuple[History, State]:
        rows = self._around.keeper.open()
        self._kept_clock = kept_clock(rows, self._store)
        why = foreign(rows, self._store)
        if why is not None:
            if is_outdated(rows):
                self._forget_snapshots(log)
            return self.anew(log, why)
        if rows.get(ORIGIN, UNSURE_KEY) is not None:
            self._unsure = None
        state = State(rows)
        history = self._history(state)
        told = {actor: (head.seq, head.chain) for actor, head in history.heads.items()}
        why = apart(told, log)
        if why is not None:
            return self.anew(log, why)
        _stand(log, told)
        self._look_at_the_beginning(log)
        missing = sum(log.clock().values()) - sum(history.clock.values())
        if missing:
            word = "operation" if missing == 1 else "operations"
            self._around.tell(Notice(f"the state is {missing:,} {word} behind the log"))
        return self._replayed(log, history, state)

    def _look_at_the_beginning(self, log: Log) -> None:
        """Only what snapshots stand for is ever cut off."""
        snapshots = self._snapshots.snapshots
        if log.is_cut and not any(apart(one.told, log) is None for one in snapshots):
            first = log.segments()[0].name.text
            self._snapshots.problems.append(f"the log begins with {first}, and {PUT_THEM_BACK}")

    def _note(self, operation: Operation) -> None:
        if self.known is not None and not covers(self.known, operation.dot):
            self.beyond.append(operation)
        blob = blob_of(operation)
        if blob is not None and self._unsure is not None:
            self._unsure.append((blob, operation.dot))
            if len(self._unsure) > UNSURE_MAX:
                self._unsure = None

    def _history(self, state: State) -> History:
        limits = self._around.limits
        return History(self._cluster, self._shard, state.rows, waiting_max=limits.waiting_max)

    def _replayed(self, log: Log, history: History, state: State) -> tuple[History, State]:
        clock = log.clock()
        if history.clock != clock:
            after = dict(history.clock)
            missing = sum(clock.values()) - sum(after.values())
            progress = Progress(missing, self._around.tell)
            keeper = self._around.keeper
            state.rows.begin()
            state.rows.put(ORIGIN, UNSURE_KEY, b"")
            state.rows.commit()
            replay = rebuild(history, state, lambda: log.replay(after), committed=keeper.wait)
            for operation in replay:
                progress.operation()
                self._note(operation)
            self._has_replayed = True
        return history, state


def _stand(log: Log, told: Told) -> None:
    if log.is_cut:
        log.stand_on({actor: seq for actor, (seq, _) in told.items()})
