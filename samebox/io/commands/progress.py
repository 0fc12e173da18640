"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from samebox.io.commands.showing import on_terminal

Advance: TypeAlias = Callable[[int], None]
"""To be called with how much is done by now, of the total."""


@contextmanager
def progress(words: str, total: int) -> Iterator[Advance]:
    if not on_terminal(sys.stderr):
        yield lambda done: None
        return
    from rich.console import Console  # takes its time to load
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda done: bar.update(task, completed=done)
