"""The file of the control socket: whose it is, and what may be in its way."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from samebox.control import Boxes
from samebox.io.configuration import SOCKET_PATH_BYTES_MAX
from samebox.io.control_server import serve_control
from samebox.io.socket_file import SocketRefused
from tests.cli.fake import CLUSTER, FakeNode
from tests.cli.talk import serving


async def test_the_socket_is_for_its_owner_alone_and_goes_with_the_node(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert stat.S_IMODE(served.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(served.path.parent.stat().st_mode) == 0o700
    assert not served.path.exists()


async def test_the_socket_of_a_dead_node_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "run" / "a.sock"))
    async with serving(tmp_path) as served, served.talk() as talk:
        assert await talk.ask(Boxes()) == []


async def test_a_live_node_keeps_its_socket(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with pytest.raises(SocketRefused, match="a running node"):
            await serve_control(FakeNode(), served.path, cluster=CLUSTER)
        async with served.talk() as talk:
            assert await talk.ask(Boxes()) == []


async def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    path.write_text("precious")
    with pytest.raises(SocketRefused, match="another kind of file"):
        await serve_control(FakeNode(), path, cluster=CLUSTER)
    assert path.read_text() == "precious"


async def test_a_path_that_is_too_long_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / ("x" * SOCKET_PATH_BYTES_MAX)
    with pytest.raises(SocketRefused, match="set a shorter `socket`"):
        await serve_control(FakeNode(), path, cluster=CLUSTER)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SocketRefused, match="writable"):
        await serve_control(FakeNode(), tmp_path / "file" / "a.sock", cluster=CLUSTER)
