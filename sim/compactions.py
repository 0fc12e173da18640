"""The packs of one process are compacted now and then, as samebox.io.compacting does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crdt import Blob, Operation
from samebox.compacting import AtRest, Compacting, Steps
from samebox.leases import Leases
from samebox.marking import Marking
from storage import DiskFull, DiskReadOnly, StorageError

if TYPE_CHECKING:
    from sim.shell import Shell


class Compactions:
    """`every_us` is the time between two of them; 0 for none at all."""

    def __init__(self, shell: Shell, every_us: int) -> None:
        self._shell = shell
        self._every_us = every_us
        self._leases = Leases()
        self._marking = Marking(self._leases)
        self._waiting: tuple[AtRest, Compacting, Steps] | None = None

    def begin(self) -> None:
        if self._every_us:
            self._shell.later(self._shell.world.random.randrange(self._every_us), self._compact)

    def delivered(self, operations: list[Operation]) -> None:
        self._marking.delivered(operations)

    def lease(self, blob: Blob) -> None:
        """Contents that are about to be stored, and that an operation is going to name."""
        upload = self._leases.begin()
        upload.add(blob.hash)
        self._leases.finish(upload, blob)

    @property
    def is_waiting(self) -> bool:
        """For a moment without a batch."""
        return self._waiting is not None

    def at_rest(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            step, work, steps = waiting
            self._go_on(work, steps, step.do(self._shell.replica.state))

    # --- One compaction --------------------------------------------------------------------------

    def _compact(self) -> None:
        store = self._shell.store
        work = Compacting(store.packs, store.held, self._marking)
        self._go_on(work, work.steps(), None)

    def _go_on(self, work: Compacting, steps: Steps, result: object) -> None:
        try:
            step = steps.send(result)
        except StopIteration as end:
            self._shell.world.say(self._shell.name, f"packs compacted: {end.value}")
            if end.value is not None and end.value.dropped:
                self._shell.watch.compacted(self._shell)
            self._end(work)
            return
        if isinstance(step, AtRest):
            self._waiting = (step, work, steps)
            self._shell.stir()
        else:
            self._shell.submit(step.do, lambda done: self._done(work, steps, done))

    def _done(self, work: Compacting, steps: Steps, result: object) -> None:
        match result:
            case DiskFull() | DiskReadOnly():
                self._shell.world.say(self._shell.name, f"packs not compacted: {result}")
                self._end(work)
            case StorageError():
                self._shell.fail(result)
            case _:
                self._go_on(work, steps, result)

    def _end(self, work: Compacting) -> None:
        def ended(result: object) -> None:
            if isinstance(result, StorageError) and not isinstance(result, DiskFull | DiskReadOnly):
                self._shell.fail(result)
            else:
                self._shell.later(self._every_us, self._compact)

        self._shell.submit(work.ended().do, ended)
