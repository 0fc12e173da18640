"""A node that finds its log damaged while it runs says so and stops; its next start mends it."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path
from shutil import rmtree

import pytest
import trio

from certs import make_certificates
from crdt import Address, Create, State
from samebox.events import Done, Notice
from samebox.io.node import NodeStopped, open_node


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


PLACES = ["Work", "Play", "Old", "New"]


def made(directory: Path) -> Path:
    ports = [free_port(), free_port()]
    make_certificates(directory / "certs", "example.org", {"a": [], "b": []})
    (directory / "nodes.yaml").write_text(
        "cluster: example.org\nnodes:\n"
        f'  a: {{address: "127.0.0.1:{ports[0]}"}}\n  b: {{address: "127.0.0.1:{ports[1]}"}}\n'
        "data: data/{node}\nsocket: run/{node}.sock\n"
    )
    return directory / "nodes.yaml"


async def test_a_segment_that_does_not_read_back_for_a_peer_stops_the_node_with_the_reason(
    tmp_path: Path,
) -> None:
    nodes = made(tmp_path)
    async with open_node(nodes, "a") as a:
        for path in ("", *PLACES):
            outcome = await a.ask(Create(Address("mail/ann", path)))
            assert isinstance(outcome, Done)
    with pytest.raises(NodeStopped) as stopped:
        async with open_node(nodes, "a"):
            (segment,) = (tmp_path / "data/a/shards/main/log").glob("*.segment")
            content = bytearray(segment.read_bytes())
            content[content.index(b"Play")] ^= 1
            segment.write_bytes(content)
            with trio.fail_after(20):
                async with open_node(nodes, "b"):
                    await trio.sleep_forever()
    assert "open it again" in str(stopped.value)


async def test_a_state_that_cannot_be_read_is_made_again_while_the_node_runs(
    tmp_path: Path,
) -> None:
    """Whoever reads it: here a program that asks what is there. It is told when that is known."""
    nodes = made(tmp_path)
    async with open_node(nodes, "a") as a:
        for path in ("", *PLACES):
            await a.ask(Create(Address("mail/ann", path)))
    spoil_rows(tmp_path / "data/a/shards/main/state/rows.db", b"Play")
    told: list[Notice] = []
    with trio.fail_after(20):
        async with open_node(nodes, "a", log=told.append) as a:
            shard = a.shards["main"]
            await shard.look(State.view)
            assert await shard.look(shows_play)
            assert isinstance(await a.ask(Create(Address("mail/ann", "More"))), Done)
    alarms = [notice.text for notice in told if notice.alarm]
    assert any("does not match its checksum" in text for text in alarms), alarms


def spoil_rows(database: Path, text: bytes) -> None:
    """Rows with this text in their value come back with a bit that is another."""
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = connection.execute("SELECT k, v FROM rows").fetchall()
        spoilt = [(v.replace(text, bytes([text[0] ^ 1]) + text[1:]), k) for k, v in rows]
        assert any(text in v for _, v in rows)
        connection.executemany("UPDATE rows SET v = ? WHERE k = ?", spoilt)


def shows_play(state: State) -> bool:
    return state.find(Address("mail/ann", "Play")) is not None


async def test_what_the_log_holds_behind_what_a_peer_brings_again_shows_without_a_start(
    tmp_path: Path,
) -> None:
    """Nobody else holds it, for it was written while the peer was away."""
    nodes = made(tmp_path)
    with trio.fail_after(30):
        async with open_node(nodes, "a") as a:
            async with open_node(nodes, "b"):
                for path in ("", "Play"):
                    outcome = await a.ask(Create(Address("mail/ann", path)))
                    assert isinstance(outcome, Done)
                    await a.wait(outcome.receipt, copies=2)
            assert isinstance(await a.ask(Create(Address("mail/ann", "Old"))), Done)
        (segment,) = (tmp_path / "data/a/shards/main/log").glob("*.segment")
        content = bytearray(segment.read_bytes())
        content[content.index(b"Play")] ^= 1
        segment.write_bytes(content)
        rmtree(tmp_path / "data/a/shards/main/state")
        async with open_node(nodes, "a") as a:
            box = a.box("mail/ann")
            assert await box.find("Old") is None, "it waits for what is missing"
            async with open_node(nodes, "b"), aclosing(box.changes({})) as changes:
                async for _ in changes:
                    if await box.find("Old") is not None:
                        break
            assert await box.find("Play") is not None
