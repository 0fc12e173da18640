"""The process of a node: what drives the core as samebox.io.shard does, in simulated time.

A loop that gives the core what waits, a disk that does one job after the other, a clock that
ticks. Where the real shell decides anything, both use the same pure code from samebox/.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from comm import Range
from crdt import Blob, Clock, Request, RequestId, State, StateLost
from samebox.events import (
    OWN_LOG,
    Abandoned,
    Acknowledged,
    AppendFailed,
    Arrived,
    Asked,
    Batch,
    BlobStored,
    Carried,
    Event,
    Failure,
    Outcome,
    Ready,
    Reborn,
    Synced,
    Tick,
    WaitAsked,
    WorkEvent,
)
from samebox.incoming import Incoming
from samebox.replica import Replica
from samebox.store import Store
from samebox.supply import RecentRecords
from sim.compactions import Compactions
from sim.disk import PowerCut
from sim.links import Links
from sim.novelties import as_made_here, novelty
from sim.pulls import Pulls
from sim.restoring import restore
from sim.scarcity import OutOfMemory, Scarcity
from sim.snapshots import Snapshots
from sim.upkeep import Upkeep
from sim.watch import ASKED
from sim.world import MILLISECOND, Action
from storage import ChainBroken, DiskFull, DiskReadOnly, StorageError

if TYPE_CHECKING:
    from sim.host import Host

TICK_US = 250 * MILLISECOND

T = TypeVar("T")
Job: TypeAlias = Callable[[], object]
Ended: TypeAlias = Callable[[object], None]
"""Takes what a job returned, or the StorageError that it raised."""
Answer: TypeAlias = Callable[[Outcome], None]


class Shell:
    """Alive until `die`. While its host is paused, everything waits."""

    def __init__(self, host: Host, store: Store) -> None:
        self.host = host
        self.world = host.world
        self.watch = host.watch
        self.name = host.name
        self.node = host.node
        self.store = store
        self.replica: Replica = store.replica
        self.incoming = Incoming()
        self.recent = RecentRecords()
        self.links = Links(self)
        self.pulls = Pulls(self)
        self.compactions = Compactions(self, host.habits.compacts_us)
        self.upkeep = Upkeep(self)
        self.scarcity = Scarcity()
        self.snapshots = Snapshots(self)
        self.is_alive = True
        self._held: list[Action] = []
        self._stirred = False
        self._is_minting = False
        self._jobs: deque[tuple[Job, Ended]] = deque()
        self._answers: dict[int, Answer] = {}
        self._token = 0
        self.is_lost = False

    def begin(self) -> None:
        self.store.keeper.wake = self.stir
        if self.store.birth is not None:
            self.tell(self.store.birth)
        self.links.begin()
        self.pulls.begin()
        self.compactions.begin()
        self.snapshots.begin()
        if self.host.habits.upkeep or self.store.log.is_cut:  # somebody took its beginning away
            self.upkeep.begin()
        self.later(self.world.between(0, TICK_US), self._tick)

    # --- Time ----------------------------------------------------------------------------------

    def later(self, delay_us: int, action: Action) -> None:
        """Unless the process has died by then; a paused one does it when it goes on."""
        self.world.later(delay_us, partial(self.now, action))

    def now(self, action: Action) -> None:
        if not self.is_alive:
            return
        if self.host.dies_in:
            self.host.dies_in -= 1
            if not self.host.dies_in:
                self.host.kill_at_work()
                return
        if self.host.is_paused:
            self._held.append(action)
        else:
            action()

    def go_on(self) -> None:
        """The pause is over: what was held happens at once."""
        held, self._held = self._held, []
        for action in held:
            self.now(action)

    def _tick(self) -> None:
        self.incoming.tell(Tick())
        self.stir()
        self.later(TICK_US, self._tick)

    # --- The loop around the core ----------------------------------------------------------------

    def tell(self, event: object) -> None:
        self.incoming.tell(event)  # type: ignore[arg-type]
        self.stir()

    def bring(self, event: WorkEvent) -> None:
        """Where there is room for it; a birth, at the start, always finds some."""
        self.incoming.bring(event)
        self.stir()

    def stir(self) -> None:
        if not self._stirred:
            self._stirred = True
            self.later(self.host.turn_us(), self._turn)

    def _turn(self) -> None:
        self._stirred = False
        if self.is_lost or self.snapshots.is_adopting:
            return
        try:
            busy = self._is_held
            events = self.incoming.take(busy=busy)
            novelties = self._novelty(events) if self.host.novelties and not busy else None
            if novelties:
                with as_made_here(self.replica):
                    self.do(self.watch.step(self, [*events, *novelties]))
            elif events:
                self.do(self.watch.step(self, events))
            if not busy and self.links.waiting:
                self.links.have_room()
            if self.is_alive and not self.replica.is_busy:
                self.compactions.at_rest()
                self.snapshots.at_rest()
            if self.incoming.has_work and not self._is_held:
                self.stir()
        except StateLost as error:
            self.restore(error)
        except OutOfMemory:
            self.host.stop(f"{ASKED} for more memory than there is")

    def restore(self, lost: StateLost) -> None:
        restore(self, lost)

    @property
    def _is_held(self) -> bool:
        is_full = self.compactions.is_waiting or self.store.keeper.is_full
        return is_full or self.snapshots.is_waiting or not self.replica.takes_work

    def _novelty(self, events: list[Event]) -> list[Event]:
        """A record of this node as a later version of the program."""
        if any(not isinstance(event, Acknowledged) for event in events):
            return []
        records = novelty(self.store, self.world.random) if self.host.may_write() else None
        self.host.novelties -= records is not None
        return [] if records is None else [Arrived(OWN_LOG, records)]

    def do(self, ready: Ready) -> None:
        if not self.is_alive:  # a look at its state ended it
            return
        self.compactions.delivered(ready.delivered)
        if ready.append is not None:
            self._append(ready.append)
        if ready.mint is not None and not self._is_minting:
            self._is_minting = True
            self._mint(ready.mint)
        if ready.unread:
            self._read_behind(ready.unread)
        for token, outcome in ready.replies:
            answer = self._answers.pop(token, None)
            if answer is not None:
                answer(outcome)
        for link, message in ready.send:
            self.links.put(link, message)
        for blob in ready.fetch:
            self.pulls.want(blob)
        for notice in ready.notices:
            self.host.note(notice)

    def _append(self, batch: Batch) -> None:
        def ended(result: object) -> None:
            match result:
                case DiskFull() | DiskReadOnly():
                    self.world.say(self.name, f"batch {batch.number} refused: {result}")
                    self.tell(AppendFailed(batch.number, str(result)))
                case ChainBroken():
                    self.tell(AppendFailed(batch.number, str(result), result.refused, result.sound))
                case StorageError():
                    self.fail(result)
                case _:
                    self.recent.add(batch.records)
                    self.watch.appended(self, batch)
                    if isinstance(result, Arrived):
                        self.incoming.put(result)
                    self.tell(Synced(batch.number))

        self.submit(lambda: self.store.append(batch), ended)

    def _read_behind(self, unread: list[Range]) -> None:
        def ended(result: object) -> None:
            if isinstance(result, StorageError):
                self.fail(result)
            elif isinstance(result, Arrived) and self.incoming.put(result):
                self.stir()

        self.submit(lambda: self.store.first_held(unread), ended)

    def _mint(self, reason: str) -> None:
        def ended(result: object) -> None:
            self._is_minting = False
            match result:
                case DiskFull() | DiskReadOnly():
                    self.world.say(self.name, f"no new actor: {result}")
                case StorageError():
                    self.fail(result)
                case Reborn():
                    self.tell(result)
                case _:
                    raise AssertionError(f"a job of the disk gave {result!r}")

        self.submit(lambda: self.store.mint(reason), ended)

    # --- The disk --------------------------------------------------------------------------------

    def submit(self, job: Job, ended: Ended) -> None:
        """One job after the other; the work itself is done at the end of its time."""
        self._jobs.append((job, ended))
        if len(self._jobs) == 1:
            self._begin_job()

    def _begin_job(self) -> None:
        self.world.later(self.host.job_us(), self._finish_job)

    def _finish_job(self) -> None:
        """The system goes on with what it was asked while the process is paused."""
        if not self.is_alive:
            return
        job, ended = self._jobs[0]
        try:
            result = job()
        except StorageError as error:
            result = error
        except PowerCut:
            self.host.lose_power()
            return
        except AssertionError as error:
            raise self.watch.broken("10", self.name, f"a disk job raised {error!r}") from error
        self._jobs.popleft()
        if self._jobs:
            self._begin_job()
        self.now(partial(ended, result))

    def do_part_of_a_job(self) -> None:
        """The process dies inside what its disk is doing, or just behind it."""
        if not self._jobs:
            return
        disk = self.host.machine.disk
        disk.crash_at = disk.operations + 1 + self.world.random.randrange(12)
        try:
            self._jobs[0][0]()
        except (PowerCut, StorageError) as end:
            self.world.say(self.name, f"died inside a disk job: {end}")
        disk.crash_at = None

    def fail(self, error: StorageError) -> None:
        """The disk can no longer be trusted: end with the reason."""
        self.host.stop(f"{type(error).__name__}: {error}")

    def die(self) -> None:
        self.is_alive = False

    # --- For callers -----------------------------------------------------------------------------

    def ask(
        self,
        request: Request,
        answer: Answer,
        *,
        id: RequestId,
        copies: int,
        within_us: int | None,
        carried: tuple[Carried, ...],
    ) -> None:
        token = self._expect(answer)
        time_ms = self.host.wall_clock_ms()
        event = Asked(token, request, id, carried, copies, "", time_ms)
        if self.incoming.is_full_for(event):
            self._answers.pop(token)
            answer(Failure("too much is waiting"))
            return
        self.watch.asked(self, event, within_us)
        self.bring(event)
        self._give_up_later(token, within_us)

    def look(self, question: Callable[[State], T]) -> T | None:
        """What a reader is shown; None where nothing can be, until the state is made again."""
        if self.is_lost or self.snapshots.is_adopting:
            return None
        try:
            return question(self.replica.state)
        except StateLost as error:
            self.restore(error)
            return None

    def wait(self, clock: Clock, answer: Answer, *, copies: int, within_us: int | None) -> None:
        token = self._expect(answer)
        self.tell(WaitAsked(token, clock, copies))
        self._give_up_later(token, within_us)

    def store_first(self, carried: Carried, then: Action) -> None:
        """Contents that are too long to travel beside an operation go to the packs before it."""

        def ended(result: object) -> None:
            match result:
                case DiskFull() | DiskReadOnly():
                    self.world.say(self.name, f"contents refused: {result}")
                case StorageError():
                    self.fail(result)
                case _:
                    then()

        self.compactions.lease(Blob(carried.hash, len(carried.data)))
        self.submit(lambda: self.store.packs.put(carried.hash, carried.data), ended)

    def upload(self, data: bytes) -> None:
        """Contents whose sender went away before it named them."""

        def put() -> None:
            self.store.packs.put(sha256(data).digest(), data)
            self.store.packs.sync()

        def ended(result: object) -> None:
            if isinstance(result, StorageError) and not isinstance(result, DiskFull | DiskReadOnly):
                self.fail(result)

        self.submit(put, ended)

    def blob_stored(self, blob: Blob) -> None:
        self.tell(BlobStored(blob.hash))

    def _expect(self, answer: Answer) -> int:
        self._token += 1
        self._answers[self._token] = answer
        return self._token

    def _give_up_later(self, token: int, within_us: int | None) -> None:
        def give_up() -> None:
            if token not in self._answers:
                return
            if self.incoming.withdraw(token):
                self.watch.withdrawn(self, token)
                self._answers.pop(token)(Failure("the deadline passed before it was taken"))
            else:
                self.tell(Abandoned(token))

        if within_us is not None:
            self.later(within_us, give_up)
