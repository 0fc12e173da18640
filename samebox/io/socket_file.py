"""A listening unix socket at a path, for its owner alone.

A file that a dead node left is replaced; one behind which someone answers is refused. Two nodes
that are started on one path at the same instant are not told apart here: the lock on the data
directory keeps one node from being started twice.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from samebox.errors import SameboxError, reason
from samebox.io.configuration import SOCKET_PATH_BYTES_MAX

BACKLOG = 64
PROBE_S = 2.0
"""A live node's kernel accepts at once, however busy the node is; unless its backlog is full."""
OWNER_ALONE = 0o600


class SocketRefused(SameboxError):
    """No socket can be made at this path."""


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening socket, non-blocking, mode 0600 from its creation on; gone at the end.

    Its folder is made, for the owner alone, if it is not there. Raises SocketRefused.
    """
    check_length(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_dead(path)
            bind(sock, path)
        except OSError as error:
            raise SocketRefused(
                f"expected to make a socket at {path}, found {reason(error)}; set another `socket` "
                "in the node list, or make its folder writable"
            ) from error
        mine = identity(path)
        try:
            sock.listen(BACKLOG)
            sock.setblocking(False)
            yield sock
        finally:
            with suppress(FileNotFoundError):
                if identity(path) == mine:
                    path.unlink()


def check_length(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_BYTES_MAX:
        raise SocketRefused(
            f"expected a socket path of at most {SOCKET_PATH_BYTES_MAX} bytes, found {length} "
            f"({path}); set a shorter `socket` in the node list"
        )


def bind(sock: socket.socket, path: Path) -> None:
    """Linux gives the file the mode of the descriptor; elsewhere it is set before anyone can
    connect, because nobody listens yet."""
    os.fchmod(sock.fileno(), OWNER_ALONE)
    sock.bind(str(path))
    os.chmod(path, OWNER_ALONE)


def remove_dead(path: Path) -> None:
    """Make room at `path`. Raises SocketRefused where it is no socket, or a live one."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketRefused(
            f"expected a socket or nothing at {path}, found another kind of file; move it away, or "
            "set another `socket` in the node list"
        )
    if answers(path):
        raise SocketRefused(
            f"expected no one at {path}, found a running node behind it; stop it first, or set "
            "another `socket` in the node list ({node} in it stands for the node's name)"
        )
    path.unlink(missing_ok=True)


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (TimeoutError, BlockingIOError):
            return True
        return True


def identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
