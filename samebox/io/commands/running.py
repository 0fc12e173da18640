"""run: a node in the foreground, with its control socket, until it is told to stop."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from typing_extensions import override

from samebox.io.commands.options import NODE_LIST, Misused, Refused, configured
from samebox.io.line_writer import LineWriter

events = logging.getLogger("samebox")
STDERR = 2
NO_MEMORY = (
    "there was no memory left for what the node had to do. What it confirmed is on its disk: give "
    "it more memory, and start it again"
)


@click.command(short_help="Run a node in the foreground.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="SAMEBOX_CONFIG",
    default=NODE_LIST,
    show_default=True,
    help="The node list.  [env: SAMEBOX_CONFIG]",
)
@click.option(
    "--node",
    envvar="SAMEBOX_NODE",
    help="Which of its nodes; one alone need not be named.  [env: SAMEBOX_NODE]",
)
@click.option("--verbose", is_flag=True, help="Log more than events.")
def run(*, config: Path, node: str | None, verbose: bool) -> None:
    """Run a node in the foreground until SIGINT (Ctrl-C) or SIGTERM.

    Logs one line for every event, on standard error. Says "ready" once commands can reach it.
    Lines that nobody reads hold nothing up: beyond a bound they are dropped, and counted.

    \b
    samebox run --config nodes.yaml --node a
    """
    import trio

    from samebox.config import ConfigurationRefused
    from samebox.errors import SameboxError
    from storage import StorageError

    _, name = configured(config, node)
    problems: list[str] = []
    kind: type[click.ClickException] = Refused
    try:
        with logging_to_stderr(verbose=verbose):
            trio.run(run_until_told, config, name)
    except* ConfigurationRefused as refused:
        kind = Misused
        problems += map(str, leaves(refused))
    except* (SameboxError, StorageError, OSError) as failed:
        problems += map(str, leaves(failed))
    except* MemoryError:
        problems.append(NO_MEMORY)
    if problems:
        raise kind("\n".join(problems))


async def run_until_told(config: Path, name: str) -> None:
    import trio

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host, config, name)
            await told_to_stop(signals)
            nursery.cancel_scope.cancel()
    events.info("node %s stopped", name)


async def told_to_stop(signals: AsyncIterator[int]) -> None:
    async for number in signals:
        events.info("stopping: %s", signal.Signals(number).name)
        return


async def host(config: Path, name: str) -> None:
    import trio

    from samebox.io.collecting import collect_seldom
    from samebox.io.control_server import serve_control
    from samebox.io.node import open_node

    collect_seldom()
    async with open_node(config, name) as node, trio.open_nursery() as nursery:
        found = node.config
        path = found.paths_for(name).socket

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_control(
                node, path, cluster=found.cluster, copies=found.copies, task_status=task_status
            )

        await nursery.start(serve)
        collect_seldom()
        events.info("node %s of %s is ready; commands at %s", name, found.cluster, path)


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


class OneLine(logging.Formatter):
    """Time, level, words; a trace of several lines is folded into its line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(super().format(record).splitlines())


class Saying(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._writer.say(self.format(record))


@contextmanager
def logging_to_stderr(*, verbose: bool) -> Iterator[None]:
    if sys.stderr is None:  # it was closed, and what is opened next would take its number
        silence()
    if not faulthandler.is_enabled():  # a library in C that finds no memory may end the process
        faulthandler.enable(STDERR)
    writer = LineWriter(STDERR)
    handler = Saying(writer)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    events.addHandler(handler)
    events.setLevel(logging.DEBUG if verbose else logging.INFO)
    try:
        with writer:
            yield
    finally:
        events.removeHandler(handler)
        if writer.stuck:
            silence()


def silence() -> None:
    """Nobody reads standard error: what else is said shall not wait for ever, nor go elsewhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != STDERR:
        os.dup2(nowhere, STDERR)
        os.close(nowhere)
