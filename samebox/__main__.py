"""The samebox command. A subcommand is imported when it is called, so that each begins at once."""

from __future__ import annotations

import importlib
from typing import Any

import click
from typing_extensions import override

COMMANDS = {
    "init": "samebox.io.commands.setup:init",
    "check-config": "samebox.io.commands.setup:check_config",
    "run": "samebox.io.commands.running:run",
    "create": "samebox.io.commands.writing:create",
    "delete": "samebox.io.commands.writing:delete",
    "append": "samebox.io.commands.writing:append",
    "copy": "samebox.io.commands.writing:copy",
    "rename": "samebox.io.commands.writing:rename",
    "store": "samebox.io.commands.writing:store",
    "expunge": "samebox.io.commands.writing:expunge",
    "ls": "samebox.io.commands.looking:ls",
    "cat": "samebox.io.commands.looking:cat",
    "status": "samebox.io.commands.standing:status",
    "wait": "samebox.io.commands.standing:wait",
    "watch": "samebox.io.commands.watching:watch",
    "import": "samebox.io.commands.importing:import_",
    "export": "samebox.io.commands.exporting:export",
    "verify": "samebox.io.commands.verifying:verify",
    "log": "samebox.io.commands.printing_log:log",
}


class Commands(click.Group):
    """Subcommands by name, in the order above."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            after = "Options of a command are typed after it, as samebox ls --node a."
            raise click.UsageError(f"{error.format_message()} {after}", ctx) from None

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        found: Any = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command), place
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="samebox", message="%(package)s %(version)s")
def main() -> None:
    """The same mailboxes and files on every node.

    Things are named BOX:PATH. mail/alice is a box, mail/alice:INBOX a mailbox in it,
    files/team:notes.txt a file. An entry, one message of a mailbox, is named by its id as
    ls --entries shows it: a1b2c3d4:17.

    Commands talk to the running node that --socket names, or --config and --node, or in the
    environment SAMEBOX_SOCKET, or SAMEBOX_CONFIG and SAMEBOX_NODE. A node list that nothing names
    is nodes.yaml in this folder.

    \b
    Exit status: 0 done, 1 refused or failed (nothing was changed), 2 wrong usage or node list,
    3 the deadline passed (the answer says what holds), 4 no node to reach, 5 the answer could not
    be written (what was done stays).

    \b
    samebox init --certificates && samebox run --config nodes.yaml --node a
    export SAMEBOX_CONFIG=nodes.yaml SAMEBOX_NODE=a
    samebox create mail/alice && samebox ls mail/alice
    """


if __name__ == "__main__":
    main(prog_name="samebox")
