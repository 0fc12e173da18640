"""What a node does for itself as it works: snapshots are made, all is read back, and the state is
compared with the log.

As samebox.io.snapshotting and samebox.io.verifying do it, one after the other and far more often.
What is found damaged is set aside, and a state that is not what the log says is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from crdt import StateLost
from samebox.compacting import AtRest, OnDisk
from samebox.events import LogBegins
from samebox.retention import Retention
from samebox.snapshotting import ID_BYTES, NotReady, Snapshotting
from samebox.state_check import NOTHING, Untrue, check_state
from samebox.truncating import Held, Truncating
from samebox.verifying import Findings, check_files, set_aside
from sim.world import MILLISECOND, SECOND
from storage import DiskFull, DiskReadOnly, Portion, StorageError

if TYPE_CHECKING:
    from sim.shell import Shell

EVERY_US = 6 * SECOND
OFTEN_US = SECOND
"""Where logs are cut."""
Steps: TypeAlias = Generator[AtRest | OnDisk, object, object]
Close: TypeAlias = Callable[[], object]


class Upkeep:
    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._random = Random(shell.host.starts)
        cuts = shell.host.habits.log_bytes_max is not None
        self._every_us = OFTEN_US if cuts else EVERY_US
        self._truncating = Truncating(shell.store)
        self._retention = Retention(shell.node, shell.store.place.members)
        self._begins: LogBegins | None = None

    def begin(self) -> None:
        self._shell.later(self._random.randrange(self._every_us), self._start)

    def _start(self) -> None:
        every = [self._snapshot, self._check, self._compare]
        if self._shell.host.habits.log_bytes_max is not None:
            every += [self._snapshot, self._cut, self._cut]
        steps, close = self._random.choice(every)()
        self._go_on(steps, close, None)

    # --- The four --------------------------------------------------------------------------------

    def _snapshot(self) -> tuple[Steps, Close]:
        store = self._shell.store
        work = Snapshotting(store.disks.log, store.log, store.keeper.frozen)

        def steps() -> Steps:
            if (yield AtRest(lambda state: state.has_unknown)):
                return None
            store.snapshots.last_number += 1
            number, id = store.snapshots.last_number, store.entropy(ID_BYTES)
            inner = work.steps(number=number, id=id, cluster=store.cluster, shard=store.place.shard)
            return (yield from inner)

        return steps(), work.abandon

    def _cut(self) -> tuple[Steps, Close]:
        shell = self._shell
        bytes_max = shell.host.habits.log_bytes_max
        assert bytes_max is not None
        before = shell.store.log.size().bytes

        def steps() -> Steps:
            held = yield AtRest(lambda _: self._held())
            assert isinstance(held, Held)
            return (yield from self._truncating.steps(held, bytes_max))

        def close() -> None:
            begins = self._truncating.begins
            if begins is not self._begins:
                assert begins is not None
                self._begins = begins
                shell.watch.cut(shell, begins, is_over=before > bytes_max)
                shell.tell(begins)

        return steps(), close

    def _held(self) -> Held:
        replica = self._shell.replica
        durable, peers = dict(replica.clock), replica.peers
        self._retention.look(durable, peers.holdings, peers.strangers)
        by_all = self._retention.by_all(durable, peers.holdings, peers.strangers)
        self._shell.store.keeper.write_soon()
        return Held(by_all, self._retention.by_quorum(durable))

    def _check(self) -> tuple[Steps, Close]:
        store, findings = self._shell.store, Findings()
        portions: Iterator[Portion] = check_files(store)

        def steps() -> Steps:
            while isinstance(portion := (yield OnDisk(lambda: next(portions, None))), Portion):
                findings.add(portion)
            return (yield OnDisk(lambda: set_aside(store, findings.damages)))

        return steps(), lambda: None

    def _compare(self) -> tuple[Steps, Close]:
        shell, store = self._shell, self._shell.store
        portions = check_state(store)

        def step() -> Portion | None:
            return next(portions, None)

        def steps() -> Steps:
            untrue = ""
            while isinstance(portion := (yield OnDisk(step)), Portion):
                untrue = next((damage.what for damage in portion.damages), untrue)
                if portion == NOTHING:
                    store.keeper.write_soon()
                    yield AtRest(lambda _: None)
            if untrue:
                shell.watch.untrue(shell, untrue)
                yield OnDisk(lambda: Untrue(f"it is not what the log says: {untrue}"))
            return None

        return steps(), portions.close

    # --- One step after the other ----------------------------------------------------------------

    def _go_on(self, steps: Steps, close: Close, result: object) -> None:
        try:
            step = steps.send(result)
        except StopIteration as end:
            if end.value:
                self._shell.world.say(self._shell.name, f"upkeep: {end.value}")
            self._end(close)
            return
        if isinstance(step, AtRest):
            self._at_rest(step, steps, close)
        else:
            self._shell.submit(_careful(step.do), lambda found: self._did(found, steps, close))

    def _at_rest(self, step: AtRest, steps: Steps, close: Close) -> None:
        shell = self._shell
        if shell.replica.is_busy:
            shell.later(MILLISECOND, lambda: self._at_rest(step, steps, close))
            return
        try:
            result = step.do(shell.replica.state)
        except StateLost as error:
            shell.host.stop(f"{type(error).__name__}: {error}")
            return
        shell.later(MILLISECOND, lambda: self._go_on(steps, close, result))

    def _did(self, result: object, steps: Steps, close: Close) -> None:
        match result:
            case StateLost():
                if self._shell.look(lambda _: True):  # or it is being made again already
                    self._shell.restore(result)
                self._end(close)
            case DiskFull() | DiskReadOnly() | NotReady():
                self._shell.world.say(self._shell.name, f"upkeep ends: {result}")
                self._end(close)
            case StorageError():
                self._shell.fail(result)
            case _:
                self._go_on(steps, close, result)

    def _end(self, close: Close) -> None:
        def ended(result: object) -> None:
            if isinstance(result, StorageError):
                self._shell.fail(result)
            else:
                self._shell.later(self._random.randrange(self._every_us), self._start)

        self._shell.submit(close, ended)


def _careful(do: Callable[[], object]) -> Callable[[], object]:
    """A state that cannot be read ends a snapshot, and not what drives the disk."""

    def job() -> object:
        try:
            return do()
        except (StateLost, NotReady) as error:
            return error

    return job
