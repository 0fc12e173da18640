"""log: what a stopped node's log holds, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from crdt import Actor, Blob, Dot, Head, Malformed, Operation, Record, first_head, read
from samebox.io.commands.options import Refused
from samebox.io.commands.showing import say
from storage import StorageError, describe
from storage.io import FileDisk


@click.command(short_help="Print the logs of a stopped node readably.")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--records", is_flag=True, help="Say of every record which operation it holds.")
def log(*, directory: Path, records: bool) -> None:
    """Print the logs in a data directory readably: segments, batches, records, damage.

    Changes nothing. Meant for a node that is stopped; of a running one, the last lines may be half
    written and show as damage.

    \b
    samebox log data/a --records
    """
    found = False
    try:
        for folder in sorted({directory, *(p for p in directory.rglob("*") if p.is_dir())}):
            for number, line in enumerate(lines_of(folder, records=records)):
                if number == 0:
                    say(f"{folder}:")
                say(line)
                found = True
    except StorageError as error:
        raise Refused(str(error)) from None
    if not found:
        raise Refused(f"{directory}: expected a data directory, found no log in it or below")


def lines_of(folder: Path, *, records: bool) -> Iterator[str]:
    yield from describe(FileDisk(folder), Reader().words if records else None)


class Reader:
    """Says what records hold: each is read on top of the same actor's previous one."""

    def __init__(self) -> None:
        self._heads: dict[Actor, Head] = {}

    def words(self, record: Record) -> str:
        """Empty where the record before is not in this log, or this one was told already."""
        actor = record.actor
        head = self._heads.get(actor) or first_head("", "", actor)
        if record.seq != head.seq + 1:
            return ""
        try:
            operation, _, self._heads[actor] = read(head, record.data)
        except Malformed as error:
            return f"no operation: {error}"
        return operation_words(operation)


def operation_words(operation: Operation) -> str:
    saw = " ".join(f"{actor.hex()[:8]}:{seq}" for actor, seq in sorted(operation.others.items()))
    body = type(operation.body).__name__
    issue = operation.issue
    request = "" if issue is None else f"  request {issue.client.hex()}:{issue.number}"
    return f"lamport {operation.lamport}  {body} {fields(operation.body)}  saw ({saw}){request}"


def fields(body: Struct) -> str:
    return " ".join(
        f"{name}={short(value)}" for name, value in msgspec.structs.asdict(body).items()
    )


def short(value: object) -> str:
    match value:
        case Dot():
            return str(value)
        case Blob(hash=hash_, size=size):
            return f"{hash_.hex()[:8]}({size} bytes)"
        case bytes():
            return value.hex()[:8]
        case tuple():
            return f"[{' '.join(map(short, value))}]"
        case _:
            return repr(value)
