"""The program's side of the control protocol, blocking, over a plain socket.

Neither trio nor cryptography is imported: a command has to begin at once. While it writes, a
connection also reads, so that two full buffers never wait for each other; what it then holds are
the replies to its own calls.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from samebox.control import (
    PROTOCOL,
    Body,
    Call,
    Command,
    FromNode,
    Greeting,
    Problem,
    ProtocolError,
    Reply,
    frame,
    from_node,
    joined,
)
from samebox.errors import SameboxError

CONNECT_S: Final = 10.0
"""A busy node greets late; one that takes longer is stuck."""
READ_BYTES: Final = 256 << 10
WRITTEN_BYTES: Final = 64 << 10
"""Of calls handed in, before the socket is asked to take them: a third of what it has room for."""
UNSENT_BYTES_MAX: Final = 1 << 20
"""Of calls handed in: what a program makes of mail in 10 ms. So long a busy node reads nothing,
and then they are ready."""


class NotReachable(SameboxError):
    """No node answers at this socket; nothing was asked."""


class NodeGone(SameboxError):
    """The connection ended before the answer: what was asked may or may not have been done."""


class NodeRefused(SameboxError):
    """The node answered with a problem; nothing was changed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.code = problem.code


class Connection:
    """A conversation with the node behind a socket. Raises NotReachable, NodeRefused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames = from_node()
        self._waiting = bytearray()
        self._number = 0
        self._timeout_s: float | None = CONNECT_S
        self._socket = connect(path)
        try:
            self.greeting = self._greeted()
        except BaseException:
            self._socket.close()
            raise
        self._timeout_s = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def call(self, command: Command, content: Iterable[bytes] | None = None) -> Iterator[Body]:
        """Ask one thing and give what comes back. Raises NodeRefused, NodeGone.

        No other call may be under way, and none may be made before this one is at its end.
        """
        return self._bodies(self.send(command, content))

    def send(self, command: Command, content: Iterable[bytes] | None = None) -> int:
        """Make a call and do not wait: `receive` gives the replies to all calls.

        Returns the call's number. At most `greeting.calls` may be under way.
        """
        number = self.hand_in(command, content)
        self._write_waiting()
        return number

    def hand_in(self, command: Command, content: Iterable[bytes] | None = None) -> int:
        """As `send`, for one of many calls: it is written as the node takes it, at the latest when
        `receive` waits for the node. Waits itself only where UNSENT_BYTES_MAX are not written."""
        self._number += 1
        self._add(frame(Call(self._number, command)))
        for piece in () if content is None else joined(content):
            self._add(frame(piece))
        return self._number

    def receive(self) -> Reply:
        """The next reply to any call. Raises NodeRefused where the node ends the conversation."""
        message = self._next()
        match message:
            case Reply():
                return message
            case Problem():
                raise NodeRefused(message)
            case Greeting():
                raise ProtocolError("expected a reply, found another greeting")

    def _bodies(self, number: int) -> Iterator[Body]:
        while True:
            reply = self.receive()
            if reply.call != number:
                raise ProtocolError(f"expected replies to call {number}, found {reply.call}")
            if isinstance(reply.body, Problem):
                raise NodeRefused(reply.body)
            if reply.body is not None:
                yield reply.body
            if not reply.more:
                return

    def _greeted(self) -> Greeting:
        try:
            message = self._next()
        except (TimeoutError, NodeGone) as error:
            raise NotReachable(
                f"expected a greeting at {self._path}, found none: {error}"
            ) from None
        match message:
            case Greeting(protocol=protocol) if protocol != PROTOCOL:
                raise NotReachable(
                    f"expected protocol {PROTOCOL} at {self._path}, found {protocol}; use the "
                    "samebox of the version that the node runs, or restart the node"
                )
            case Greeting():
                return message
            case Problem():
                raise NodeRefused(message)
            case Reply():
                raise ProtocolError(f"expected a greeting at {self._path}, found a reply")

    def _next(self) -> FromNode:
        while (message := self._frames.next()) is None:
            if self._waiting:
                self._exchange()
            else:
                self._wait(writing=False)
                self._read()
        return message

    def _wait(self, *, writing: bool) -> tuple[bool, bool]:
        """Until the node sends something or, with `writing`, takes something: whether it does the
        one, and the other. Raises TimeoutError.

        The socket itself has no timeout: with one, a call that is not to wait would wait, too.
        """
        both = [self._socket]
        readable, writable, _ = select.select(both, both if writing else [], [], self._timeout_s)
        if not readable and not writable:
            raise TimeoutError(f"nothing came for {self._timeout_s:.0f} s")
        return bool(readable), bool(writable)

    def _read(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            raise NodeGone(f"the node behind {self._path} ended the connection")
        self._frames.feed(data)

    def _add(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= WRITTEN_BYTES:
            self._write_now()
        while len(self._waiting) >= UNSENT_BYTES_MAX:
            self._exchange()

    def _write_waiting(self) -> None:
        while self._waiting:
            self._exchange()

    def _exchange(self) -> None:
        """Read what the node sends and write what it takes, waiting until it does either."""
        readable, writable = self._wait(writing=True)
        if readable:
            self._read_while_writing()
        if writable:
            self._write_some()

    def _write_now(self) -> None:
        """The same without waiting. A socket that has room is asked for it: it would be said to be
        writable only once most of what it holds was taken."""
        if self._is_readable():
            self._read_while_writing()
        self._write_some()

    def _is_readable(self) -> bool:
        return bool(select.select([self._socket], [], [], 0)[0])

    def _write_some(self) -> None:
        try:
            sent = self._socket.send(self._waiting, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            while self._is_readable():  # what it said since it was last looked for
                self._read_while_writing()
            self._last_words()
            raise NodeGone(f"the node behind {self._path} ended the connection") from None
        del self._waiting[:sent]

    def _read_while_writing(self) -> None:
        try:
            self._read()
        except NodeGone:
            self._last_words()
            raise

    def _last_words(self) -> None:
        """A node that cuts a program off says why; replies that came before it are lost."""
        for message in self._frames:
            if isinstance(message, Problem):
                raise NodeRefused(message)


def connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(CONNECT_S)
    try:
        sock.connect(str(path))
    except FileNotFoundError:
        found = "nothing there"
    except ConnectionRefusedError:
        found = "the socket of a node that is not running"
        if not path.is_socket():
            kind = "a folder" if path.is_dir() else "a file"
            found = f"{kind}; --socket takes what `socket` in the node list says"
    except PermissionError:
        found = "one that belongs to another user; become the user whom the node runs as"
    except OSError as error:
        found = str(error)
    else:
        sock.settimeout(None)
        return sock
    sock.close()
    raise NotReachable(f"expected the socket of a running node at {path}, found {found}")
