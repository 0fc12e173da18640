"""Options that many commands share: which node, how sure, in which form."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource
from typing_extensions import override

from crdt import Address, Dot, RequestId, flag_problem
from samebox import spelling
from samebox.control import Copies, ProtocolError
from samebox.io.commands.showing import Ended, hint
from samebox.io.control_client import Connection, NodeGone, NodeRefused, NotReachable

if TYPE_CHECKING:
    from samebox.config import Config

REFUSED = 1
USAGE = 2
DEADLINE = 3
NOT_REACHABLE = 4

NODE_LIST = Path("nodes.yaml")
"""As samebox init calls it."""

F = TypeVar("F", bound=Callable[..., Any])


class Site(NamedTuple):
    """Where a node is reached, and the command that starts it."""

    socket: Path
    start: str


class Asking(NamedTuple):
    """How a write is confirmed and answered."""

    copies: Copies
    timeout_s: float | None
    id: RequestId
    json: bool


class Refused(Ended):
    """The node, or this command, does not do it; nothing was changed."""

    exit_code = REFUSED


class Misused(Ended):
    """The command cannot be what was meant, or its node list has problems."""

    exit_code = USAGE


class DeadlinePassed(Ended):
    """What was asked is done, and held by fewer than asked for."""

    exit_code = DEADLINE


class NotReached(Ended):
    """There was no node; or it went away, or was waited for no longer, before it answered."""

    exit_code = NOT_REACHABLE


# --- Which node -------------------------------------------------------------------------------


def at_node(command: F) -> F:
    """Gives the command a `site`."""

    @maybe_at_node
    @wraps(command)
    def with_site(*args: object, site: Callable[[], Site], **rest: object) -> object:
        return command(*args, site=site(), **rest)

    return with_site  # type: ignore[return-value]


def maybe_at_node(command: F) -> F:
    """Gives the command a `site` to call where it needs one."""

    @click.option(
        "--socket",
        type=click.Path(path_type=Path),
        envvar="SAMEBOX_SOCKET",
        help="The node's socket.  [env: SAMEBOX_SOCKET]",
    )
    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar="SAMEBOX_CONFIG",
        help="Or the node list, which says where it is.  [env: SAMEBOX_CONFIG; default: nodes.yaml "
        "of this folder]",
    )
    @click.option(
        "--node",
        envvar="SAMEBOX_NODE",
        help="With --config: which of its nodes.  [env: SAMEBOX_NODE]",
    )
    @wraps(command)
    def with_site(
        *args: object, socket: Path | None, config: Path | None, node: str | None, **rest: object
    ) -> object:
        return command(*args, site=lambda: site_of(socket, config, node), **rest)

    return with_site  # type: ignore[return-value]


def site_of(socket: Path | None, config: Path | None, node: str | None) -> Site:
    """What was typed goes before what the environment says."""
    if socket is not None and not (environment("socket") and typed("config", "node")):
        return Site(socket, "samebox run --config nodes.yaml --node NAME")
    if config is None and not NODE_LIST.exists():
        raise click.UsageError(
            "expected a node: --socket PATH, or --config nodes.yaml --node NAME (or SAMEBOX_SOCKET,"
            f" SAMEBOX_CONFIG and SAMEBOX_NODE in the environment), or {NODE_LIST} in this folder"
        )
    found, name = configured(config or NODE_LIST, node)
    start = shlex.join(["samebox", "run", "--config", str(found.file), "--node", name])
    return Site(found.paths_for(name).socket, start)


def environment(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.ENVIRONMENT


def typed(*names: str) -> bool:
    context = click.get_current_context()
    return any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names)


def configured(config: Path, node: str | None) -> tuple[Config, str]:
    """A node list, and the node of it that is meant: one alone need not be named."""
    from samebox.config import ConfigurationRefused
    from samebox.io.configuration import load_config

    try:
        found = load_config(config)
    except ConfigurationRefused as error:
        raise Misused(str(error)) from None
    if node is None and len(found.nodes) == 1:
        node = next(iter(found.nodes))
    if node is None or node not in found.nodes:
        names = ", ".join(found.nodes)
        given = "none" if node is None else repr(node)
        raise click.UsageError(f"expected --node, one of {names} in {config}; found {given}")
    return found, node


@contextmanager
def connected(site: Site) -> Iterator[Connection]:
    """A conversation with the node; its errors end the command with their exit code."""
    try:
        with Connection(site.socket) as node:
            yield node
    except NotReachable as error:
        raise NotReached(f"{error}\nstart it: {site.start}") from None
    except (NodeGone, ProtocolError) as error:
        raise NotReached(str(error)) from None
    except NodeRefused as error:
        raise Refused(str(error)) from None


# --- How sure, and in which form ----------------------------------------------------------------


class Spelt(click.ParamType[Any]):
    """An option or argument in one of the forms of samebox.spelling."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self._read = read

    @override
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        if not isinstance(value, str):
            return value
        try:
            return self._read(utf_8(value))
        except spelling.Misspelt as error:
            self.fail(str(error), param, ctx)


def utf_8(text: str) -> str:
    """What was typed in another encoding can neither be sent nor kept."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise spelling.Misspelt(f"expected text in UTF-8, found {os.fsencode(text)!r}") from None
    return text


def copies_of(text: str) -> Copies:
    if text == "all":
        return "all"
    if re.fullmatch("[0-9]{1,10}", text) and 0 < int(text) < 2**31:
        return int(text)
    raise spelling.Misspelt(f"expected a number from 1, or all; found {text!r}")


def address_of(text: str) -> Address:
    found = Address.parse(text)
    if not found.box:
        raise spelling.Misspelt(f"expected BOX or BOX:PATH, as mail/alice:Work; found {text!r}")
    return found


class Seconds(click.FloatRange):
    """Click takes what is no number at all for one, and calls the others floats."""

    name = "number of seconds"

    @override
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = float(super().convert(value, param, ctx))
        if isnan(found):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return found


ADDRESS = Spelt("BOX:PATH", address_of)


def flag_of(text: str) -> str:
    """Somebody may mean it, so a flag that lacks its backslash is noted, not refused."""
    if "\\" not in text and flag_problem(f"\\{text}") is None:
        hint(f"note: {text} is a flag of your own; mail programs set '\\{text}'")
    return text


BOX = Spelt("BOX", utf_8)
SHARD = Spelt("SHARD", utf_8)
FLAG = Spelt("FLAG", flag_of)
ENTRY = Spelt("ID", spelling.entry)
RECEIPT = Spelt("RECEIPT", spelling.shard_clock)


def with_copies(command: F) -> F:
    """Gives the command `copies` and `timeout_s`."""
    command = click.option(
        "--copies",
        type=Spelt("K|all", copies_of),
        metavar="K|all",
        help="Answer when so many members hold it durably, this node included.  "
        "[default: what the node list says]",
    )(command)
    return click.option(
        "--timeout",
        "timeout_s",
        type=Seconds(min=0),
        metavar="SECONDS",
        help=f"Answer after this time with what holds by then, and exit with {DEADLINE}.",
    )(command)


as_json = click.option(
    "--json", "json", is_flag=True, help="One JSON object a line, in a shape that stays."
)
only_entries = click.option(
    "--entry",
    "entries",
    type=ENTRY,
    multiple=True,
    help="An entry of the mailbox, as ls --entries shows it; may be repeated.",
)


def confirmed(command: F) -> F:
    """Gives the command an `asking`."""

    @with_copies
    @click.option(
        "--request-id",
        type=Spelt("ID", spelling.request_id),
        help="Name the request (16 hex digits): repeated under its name it is done once.",
    )
    @as_json
    @wraps(command)
    def with_asking(
        *args: object,
        copies: Copies,
        timeout_s: float | None,
        request_id: RequestId | None,
        json: bool,
        **rest: object,
    ) -> object:
        id = request_id or RequestId(os.urandom(spelling.CLIENT_BYTES), 1)
        return command(*args, asking=Asking(copies, timeout_s, id, json), **rest)

    return with_asking  # type: ignore[return-value]


def dots(entries: tuple[Dot, ...]) -> tuple[Dot, ...] | None:
    """None where the command named no entry."""
    return entries or None
