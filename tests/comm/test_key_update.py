"""TLS keys change while a connection is in use, as its peer may ask at any time."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from certs import Credential, credential, make_certificates
from comm.io import accepted, load_contexts
from tests.comm.test_tls_stream import heard
from tests.comm.wires import CLUSTER


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
async def test_keys_are_updated_when_the_peer_asks_for_it(tmp_path: Path) -> None:
    """A line "K" makes `openssl s_client` update its keys, and ask for an update of the other's."""
    make_certificates(tmp_path, CLUSTER, {"a": (), "b": ()})
    mine, theirs = credential(tmp_path, "b"), credential(tmp_path, "a")
    contexts = load_contexts(credential(tmp_path).certificate, mine.certificate, mine.key)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, client_of(listener, theirs) as client:
        end = await accepted(await listener.accept(), contexts, within_s=10)
        for number in range(3):
            said = b"round %d\n" % number
            await client.say(said)
            assert await heard(end, len(said)) == said
            end.send_nowait(said.upper())
            await end.flush()
            await client.until(said.upper())
            if number:
                assert b"Handshake [length 0005], KeyUpdate" in client.heard
            await client.say(b"K\n")
            await client.until(b"KEYUPDATE")
        await end.aclose()


class Client:
    """`openssl s_client`, which tells of every message."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.heard = b""
        """What it has told since it was last asked for something."""

    async def say(self, data: bytes) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send_all(data)

    async def until(self, word: bytes) -> None:
        assert self._process.stdout is not None
        self.heard = b""
        while word not in self.heard:
            more = await self._process.stdout.receive_some()
            assert more, f"expected {word!r} from openssl, found {self.heard!r} and its end"
            self.heard += more


@asynccontextmanager
async def client_of(listener: trio.SocketListener, credential: Credential) -> AsyncIterator[Client]:
    port = listener.socket.getsockname()[1]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-msg"]
    command += ["-cert", str(credential.certificate), "-key", str(credential.key)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    piped = partial(trio.run_process, command, check=False, **pipes)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            yield Client(await nursery.start(piped))
            nursery.cancel_scope.cancel()
