"""What a node does for itself as it works: snapshots are made, and all is read back.

As samebox.io.snapshotting and samebox.io.verifying do it, one after the other and far more often.
What is found damaged is set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from crdt import StateLost
from samebox.compacting import AtRest, OnDisk
from samebox.snapshotting import ID_BYTES, Snapshotting
from samebox.verifying import Findings, check_running, set_aside
from sim.world import MILLISECOND, SECOND
from storage import DiskFull, DiskReadOnly, Portion, StorageError

if TYPE_CHECKING:
    from sim.shell import Shell

EVERY_US = 6 * SECOND
Steps: TypeAlias = Generator[AtRest | OnDisk, object, object]
Close: TypeAlias = Callable[[], object]


class Upkeep:
    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._random = Random(shell.host.starts)

    def begin(self) -> None:
        self._shell.later(self._random.randrange(EVERY_US), self._start)

    def _start(self) -> None:
        steps, close = self._random.choice((self._snapshot, self._check))()
        self._go_on(steps, close, None)

    # --- The two ---------------------------------------------------------------------------------

    def _snapshot(self) -> tuple[Steps, Close]:
        store = self._shell.store
        work = Snapshotting(store.disks.log, store.keeper.frozen)

        def steps() -> Steps:
            if (yield AtRest(lambda state: state.has_unknown)):
                return None
            store.snapshots.last_number += 1
            number, id = store.snapshots.last_number, store.entropy(ID_BYTES)
            inner = work.steps(number=number, id=id, cluster=store.cluster, shard=store.place.shard)
            return (yield from inner)

        return steps(), work.abandon

    def _check(self) -> tuple[Steps, Close]:
        store, findings = self._shell.store, Findings()
        portions: Iterator[Portion] = check_running(store)

        def steps() -> Steps:
            while isinstance(portion := (yield OnDisk(lambda: next(portions, None))), Portion):
                findings.add(portion)
            return (yield OnDisk(lambda: set_aside(store, findings.damages)))

        return steps(), lambda: None

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
            case DiskFull() | DiskReadOnly() | StateLost():
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
                self._shell.later(self._random.randrange(EVERY_US), self._start)

        self._shell.submit(close, ended)


def _careful(do: Callable[[], object]) -> Callable[[], object]:
    """A state that cannot be read ends a snapshot, and not what drives the disk."""

    def job() -> object:
        try:
            return do()
        except StateLost as error:
            return error

    return job
