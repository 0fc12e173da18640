"""What a process does whose state is lost, as samebox.io.shard does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crdt import StateLost
from samebox.events import Ready
from samebox.forgetting import FoldingFailed
from samebox.starting import Restored
from storage import StorageError

if TYPE_CHECKING:
    from sim.shell import Shell


def restore(shell: Shell, lost: StateLost) -> None:
    """The disk ends the batch under way; then the state is made again from the log."""
    if isinstance(lost, FoldingFailed):
        raise lost  # nothing here spoils rows unnoticed: it is a mistake of ours
    shell.world.say(shell.name, f"the state is lost: {lost}")

    def ended(result: object) -> None:
        match result:
            case StorageError():
                shell.fail(result)
            case Restored():
                shell.is_lost = False
                go_on_from(shell, result, shell.watch.restored)
            case _:
                raise AssertionError(f"a state is made, or not: {result!r}")

    shell.is_lost = True
    known = dict(shell.replica.clock)
    shell.submit(lambda: shell.store.restored(known, lost), ended)


def go_on_from(shell: Shell, made: Restored, restored: Callable[[Shell, Restored], Ready]) -> None:
    """`restored` hands it to the core. It may be lost once more by that."""
    try:
        shell.do(restored(shell, made))
    except StateLost as error:
        restore(shell, error)
    shell.stir()
