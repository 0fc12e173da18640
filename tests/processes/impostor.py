"""Peers that behave as no node does, over real connections, with whatever certificate they have."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from certs import Credential
from comm import FrameReader, Greeting, Message, NeedMore, Unknown, decode, encode, encode_frame
from comm.header import HEADER_BYTES, encode_header

LOOPBACK = "127.0.0.1"
WAIT_S = 20.0
READ_BYTES = 16 << 10


class Spoken:
    """A TLS connection on which frames are read and written, if its user wants to."""

    def __init__(self, secure: ssl.SSLSocket) -> None:
        self._secure = secure
        self._frames = FrameReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._secure.close()

    def send(self, data: bytes) -> None:
        self._secure.sendall(data)

    def say(self, message: Message) -> None:
        self.send(encode_frame(encode(message)))

    def greet(self, greeting: Greeting) -> None:
        self.send(encode_header())
        self.say(greeting)

    def skip_header(self) -> None:
        """Raises ConnectionError where the node closes instead."""
        left = HEADER_BYTES
        while left:
            data = self._secure.recv(left)
            if not data:
                raise ConnectionError("closed before a header")
            left -= len(data)

    def hear(self) -> Message | Unknown | None:
        """The next message; None where the other side has closed."""
        while isinstance(frame := self._frames.next_frame(), NeedMore):
            try:
                data = self._secure.recv(READ_BYTES)
            except (ssl.SSLEOFError, ConnectionError):
                data = b""
            if not data:
                return None
            self._frames.feed(data)
        return decode(frame)

    def is_closed_by_peer(self) -> bool:
        """Waits for it; what is said before does not matter. TimeoutError after WAIT_S."""
        while self.hear() is not None:
            pass
        return True


def dial(port: int, credential: Credential, authority: Path) -> Spoken:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _load(context, credential, authority)
    plain = socket.create_connection((LOOPBACK, port), WAIT_S)
    try:
        return Spoken(context.wrap_socket(plain))
    except OSError:
        plain.close()
        raise


class Listening:
    """Takes connections at a node's own port, in its place; each goes to `behave` and stays open
    until the block is left."""

    def __init__(
        self, port: int, behave: Callable[[socket.socket], socket.socket | Spoken]
    ) -> None:
        self.taken = 0
        self._behave = behave
        self._kept: list[socket.socket | Spoken] = []
        self._listener = socket.create_server((LOOPBACK, port))
        self._thread = threading.Thread(target=self._accept, name=f"impostor at {port}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_S)
        self._listener.close()
        for kept in self._kept:
            kept.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(WAIT_S)
            try:
                self._kept.append(self._behave(plain))
                self.taken += 1
            except OSError:
                plain.close()  # the dialer gave up, as it may


def secured(plain: socket.socket, credential: Credential, authority: Path) -> Spoken:
    """The accepting side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    _load(context, credential, authority)
    return Spoken(context.wrap_socket(plain, server_side=True))


def _load(context: ssl.SSLContext, credential: Credential, authority: Path) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(authority)
    context.load_cert_chain(credential.certificate, credential.key)
