"""The node list on disk, and the files that it names: read, and checked before a node runs."""

import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from samebox.config import Config, ConfigurationRefused
from samebox.errors import reason
from samebox.fields import Problem
from samebox.node_list import parse_config

CONFIG_BYTES_MAX = 1 << 20
"""A node list of ten thousand nodes fits; a file given by mistake does not."""
SOCKET_PATH_BYTES_MAX = 107
"""sun_path holds 108 bytes, the last of them zero (unix(7))."""

ReadIdentity: TypeAlias = Callable[[Path], tuple[str, str] | None]
"""From a data directory to the (cluster, node) that it belongs to; None if it is nobody's yet."""


def load_config(path: Path) -> Config:
    """Read a node list. Raises ConfigurationRefused, which holds all problems."""
    found = read_config(path)
    if isinstance(found, Config):
        return found
    raise ConfigurationRefused(found)


def read_config(path: Path) -> Config | list[Problem]:
    """Read a node list: a Config whose paths begin at the file's folder, or all problems."""
    try:
        with path.open("rb") as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        advice = "name the node list with --config, or make one with samebox init"
        return [Problem(str(path), 1, "file", "a node list", reason(error), advice)]
    if len(content) > CONFIG_BYTES_MAX:
        expected, advice = f"at most {CONFIG_BYTES_MAX} bytes", "is this the node list?"
        return [Problem(str(path), 1, "file", expected, "more", advice)]
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02x}"
        return [Problem(str(path), line, "document", "UTF-8", found, "save the file as UTF-8")]
    return parse_config(text, path)


def check(
    path: Path,
    node: str | None = None,
    *,
    read_identity: ReadIdentity | None = None,
    now: datetime | None = None,
) -> list[Problem]:
    """All problems of a node list and of the files of one node, or of all nodes, by line.

    read_identity may raise OSError or ValueError for a directory that it cannot read; without it,
    to whom a data directory belongs is not looked at.
    """
    config = read_config(path)
    if not isinstance(config, Config):
        return config
    if node is not None and node not in config.nodes:
        expected = f"one of {', '.join(config.nodes)}"
        advice = "name a node of this list with --node, or add it"
        return [Problem(str(path), config.line_of("nodes"), "nodes", expected, node, advice)]
    found = list(problems_of_files(config, node, read_identity, now or datetime.now(UTC)))
    return sorted(dict.fromkeys(found), key=lambda problem: problem.line)


def problems_of_files(
    config: Config, node: str | None, read_identity: ReadIdentity | None, now: datetime
) -> Iterator[Problem]:
    from samebox.io.credentials import credential_problems  # cryptography takes its time to load

    nodes = list(config.nodes) if node is None else [node]
    yield from credential_problems(config, nodes, now)
    for name in nodes:
        yield from socket_problems(config, name)
        yield from data_problems(config, name, read_identity)


def socket_problems(config: Config, node: str) -> Iterator[Problem]:
    path = config.paths_for(node).socket.absolute()
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_BYTES_MAX:
        expected = f"a path of at most {SOCKET_PATH_BYTES_MAX} bytes"
        found = f"{length} bytes for node {node}: {path}"
        yield problem(config, "socket", expected, found, "choose a folder higher up, as /run")
        return
    try:
        mode = path.lstat().st_mode
    except OSError:  # most often nothing is there; starting tells what else it may be
        return
    if not stat.S_ISSOCK(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "another kind of file"
        found = f"{kind} at {config.paths_for(node).socket}"
        yield problem(config, "socket", "a socket or nothing", found, "choose another path")


def data_problems(
    config: Config, node: str, read_identity: ReadIdentity | None
) -> Iterator[Problem]:
    path = config.paths_for(node).data
    stands = next(one for one in (path, *path.parents) if one.exists())
    if not stands.is_dir():
        yield problem(config, "data", "a directory", f"a file at {stands}", "choose another path")
    elif not os.access(stands, os.R_OK | os.W_OK | os.X_OK):
        expected, advice = "a directory that this user may write", f"chown {path}, or use its user"
        yield problem(config, "data", expected, f"{stands} of another user", advice)
    elif path.exists() and read_identity is not None:
        yield from owner_problems(config, node, path, read_identity)


def owner_problems(
    config: Config, node: str, path: Path, read_identity: ReadIdentity
) -> Iterator[Problem]:
    expected = f"the data directory of node {node} of {config.cluster}"
    try:
        owner = read_identity(path)
    except (OSError, ValueError) as error:
        advice = "restore it from a backup, or choose an empty directory"
        yield problem(config, "data", expected, f"{path}, unreadable: {error}", advice)
        return
    if owner is not None and owner != (config.cluster, node):
        found = f"that of node {owner[1]} of {owner[0]} at {path}"
        yield problem(config, "data", expected, found, "choose another directory")


def problem(config: Config, field: str, expected: str, found: str, advice: str) -> Problem:
    return Problem(str(config.file), config.line_of(field), field, expected, found, advice)
