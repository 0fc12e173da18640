"""verify: read back all that a node keeps, and say what is damaged."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from samebox.control import VERIFY_BYTES_PER_S, Flaw, Verified, Verify
from samebox.io.commands.options import (
    NODE_LIST,
    REFUSED,
    SHARD,
    Refused,
    Site,
    as_json,
    connected,
    maybe_at_node,
)
from samebox.io.commands.progress import progress
from samebox.io.commands.showing import Ended, say, say_json, size_words
from samebox.spelling import plural

PERMILLE = 1000


class Damaged(Ended):
    """The verification ran to its end, and not all of it reads back."""

    exit_code = REFUSED


@click.command(short_help="Read back all that a node keeps.")
@click.argument(
    "directory", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--shard", type=SHARD, help="This shard alone.")
@click.option(
    "--rate",
    type=click.IntRange(min=1),
    metavar="MB/S",
    default=VERIFY_BYTES_PER_S >> 20,
    show_default=True,
    help="Of a running node: read no faster.",
)
@as_json
@maybe_at_node
def verify(
    *, directory: Path | None, shard: str | None, rate: int, json: bool, site: Callable[[], Site]
) -> None:
    """Read back every record, chain, index and blob of a node, and say what is damaged.

    Of a running node; or of the data DIRECTORY of a stopped one, which stays as it is. Of a running
    node, the state is compared with the log as well. It mends itself: damaged blobs are fetched
    again from peers, and a state that is not what the log says is made again. Where its log is
    damaged, the node stops after the verification; its next start fetches what was lost.

    Exits with 1 where something is damaged.

    \b
    samebox verify --config nodes.yaml --node a
    samebox verify data/a
    """
    if directory is None:
        with connected(site()) as node:
            steps = node.call(Verify(shard, rate << 20))
            damaged = shown(verified_of(steps), json=json)
    else:
        from samebox.io.stopped import verified_directory
        from storage import DirectoryLocked, StorageError

        try:
            damaged = shown(verified_directory(directory, shard), json=json)
        except DirectoryLocked as error:
            raise Refused(
                f"{error}, or let the node that runs do it:\n  {online(directory)}"
            ) from None
        except StorageError as error:
            raise Refused(str(error)) from None
    if damaged:
        raise Damaged(f"{plural(damaged, 'place')} damaged; see above")


def online(directory: Path) -> str:
    """The command that verifies the node which works on `directory`."""
    from samebox.io.store import identity_owner

    try:
        owner = identity_owner(directory)
    except ValueError:  # unreadable: the verification says how, once the node has stopped
        owner = None
    config = click.get_current_context().params["config"] or NODE_LIST
    node = "NAME" if owner is None else owner[1]
    return shlex.join(["samebox", "verify", "--config", str(config), "--node", node])


def verified_of(steps: Iterator[object]) -> Iterator[Verified]:
    for step in steps:
        assert isinstance(step, Verified), f"a verification is answered by {step}"
        yield step


def shown(steps: Iterator[Verified], *, json: bool) -> int:
    """Prints every flaw when it is found, and a line for each shard; how many are damage."""
    damaged = 0
    with progress("verifying", PERMILLE) as advance:
        for step in steps:
            for flaw in step.flaws:
                show_flaw(step.shard, flaw, json=json)
            advance(PERMILLE * step.bytes // max(1, step.bytes_total))
            if step.ended:
                damaged += step.damaged
                show_end(step, json=json)
    return damaged


def show_flaw(shard: str, flaw: Flaw, *, json: bool) -> None:
    records = [f"{actor.hex()}:{first}-{last}" for actor, first, last in flaw.records]
    blob = None if flaw.blob is None else flaw.blob.hex()
    if json:
        say_json(
            shard=shard,
            file=flaw.file or None,
            damage=flaw.what,
            records=records,
            blob=blob,
            spare=flaw.spare,
        )
        return
    kind = "spare copy damaged" if flaw.spare else "DAMAGED"
    say(f"{kind}: shard {shard}: {flaw.file or 'the log'}: {flaw.what}")
    if records:
        say(f"  records {', '.join(records)}")
    if blob is not None:
        say(f"  blob {blob}")


def show_end(end: Verified, *, json: bool) -> None:
    if json:
        say_json(
            shard=end.shard,
            bytes=end.bytes,
            records=end.records,
            blobs=end.blobs,
            damaged=end.damaged,
            compared=end.operations,
            not_compared=end.not_compared or None,
        )
        return
    read = f"{plural(end.records, 'record')}, {plural(end.blobs, 'blob')}, {size_words(end.bytes)}"
    at = f"state compared with the log at {plural(end.operations, 'operation')}"
    state = f"state not compared: {end.not_compared}" if end.not_compared else at
    say(f"shard {end.shard}: {read}; {state}; {plural(end.damaged, 'place')} damaged")
