"""watch: changes as they become visible."""

from __future__ import annotations

from contextlib import suppress

import click

from crdt import Actor, Address
from samebox import spelling
from samebox.changes import Change
from samebox.control import Watch, Watched
from samebox.io.commands.looking import boxes
from samebox.io.commands.options import (
    BOX,
    RECEIPT,
    SHARD,
    Site,
    as_json,
    at_node,
    connected,
)
from samebox.io.commands.showing import hint, say, say_json, when


@click.command(short_help="Show changes as they become visible.")
@click.argument("box", type=BOX, required=False)
@click.option("--since", type=RECEIPT, help="Go on behind this cursor, without loss or repetition.")
@click.option("--shard", type=SHARD, help="Changes of one shard alone.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many changes.")
@as_json
@at_node
def watch(
    *,
    box: str | None,
    since: tuple[str, dict[Actor, int]] | None,
    shard: str | None,
    count: int | None,
    json: bool,
    site: Site,
) -> None:
    """Show changes as they become visible at a node, of all boxes or of BOX, until interrupted.

    With --json every change has a cursor, which --since takes, also after a restart and at
    another node. With BOX, changes to what shows nowhere any more are shown too.

    \b
    samebox watch mail/alice
    samebox watch --json --since main@0f…=17
    """
    if since is not None:
        if shard not in (None, since[0]):
            raise click.UsageError(f"expected a cursor of shard {shard}, found one of {since[0]}")
        shard = since[0]
    if box is not None and ":" in box:
        found = Address.parse(box)
        raise click.UsageError(f"expected a box, found a place in one; watch {found.box}")
    with suppress(KeyboardInterrupt), connected(site) as node:
        if box is not None and box not in [listed.node.name for listed in boxes(node)]:
            hint(f"there is no box {box} yet; its changes are shown once there is one")
        elif since is None and not json:
            first = f"{shard or 'main'}@"
            hint(f"waiting for changes; --since {first} begins with the first, Ctrl-C ends it")
        command = Watch(shard, box, None if since is None else since[1])
        for seen, body in enumerate(node.call(command), 1):
            assert isinstance(body, Watched), f"a watch is answered by {body}"
            show_change(body.shard, body.change, json=json)
            if seen == count:
                return


def show_change(shard: str, change: Change, *, json: bool) -> None:
    entries = [spelling.shown_entry(dot) for dot in change.entries]
    if json:
        say_json(
            cursor=spelling.shown_shard_clock(shard, change.cursor),
            operation=str(change.dot),
            kind=change.kind,
            box=change.box,
            path=change.path,
            entries=entries,
            flags=list(change.flags),
            text=change.text,
            time_ms=change.time_ms,
            principal=change.principal,
        )
        return
    where = "(not shown)" if change.box is None else str(Address(change.box, change.path or ""))
    words = [when(change.time_ms), change.kind, where, *entries, *change.flags, change.text]
    say("  ".join(word for word in words if word))
