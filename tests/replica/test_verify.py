"""A node reads back all that it keeps while it works, and mends what it can from its peers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from crdt import Address, Append, Blob, Create
from samebox.__main__ import main
from samebox.events import Done, Receipt
from samebox.io.node import Node, NodeStopped, open_node
from samebox.state_check import Compared
from samebox.testing import local_node_list
from samebox.verifying import Findings

FAST = 1 << 30
WAIT_S = 30.0
LETTER = b"a long letter " * 10_000


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def append(node: Node, data: bytes, *, copies: int = 1) -> Blob:
    shard = await node.shard_of("mail")
    await shard.ask(Create(Address("mail")))
    blob, carried = await shard.put(pieces(data))
    request = Append(Address("mail", "INBOX"), blob)
    outcome = await shard.ask(request, carried=carried, copies=copies)
    assert isinstance(outcome, Done)
    return blob


async def verify(node: Node) -> Findings:
    return [found async for found in (await node.shard_of("mail")).verify(FAST)][-1]


def spoil(directory: Path, kind: str, inside: bytes) -> None:
    for path in directory.glob(f"**/*.{kind}"):
        content = bytearray(path.read_bytes())
        if inside in content:
            content[content.index(inside) + 5] ^= 1
            path.write_bytes(content)
            return
    raise AssertionError(f"no {kind} holds it")


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


async def test_a_healthy_node_is_read_whole_and_stays_as_it_is(tmp_path: Path) -> None:
    nodes = local_node_list(tmp_path, ["a"])
    async with open_node(nodes, "a") as node:
        await append(node, LETTER)
        await verify(node)  # which has all rows of the state written
        before = contents(tmp_path)
        found = await verify(node)
        assert (found.records, found.blobs, found.damages) == (3, 1, [])
        assert found.compared == Compared(3)
        assert len(LETTER) < found.bytes <= found.total
        assert contents(tmp_path) == before
    before = contents(tmp_path)
    done = CliRunner().invoke(main, ["verify", str(node.config.paths_for("a").data)])
    assert (done.exit_code, "3 records, 1 blob" in done.output) == (0, True), done.output
    assert "state not compared: only a running node does that; 0 places damaged" in done.output
    assert contents(tmp_path) == before


async def test_a_damaged_blob_is_fetched_again_from_a_peer(tmp_path: Path) -> None:
    nodes = local_node_list(tmp_path, ["a", "b"])
    with trio.fail_after(WAIT_S):
        async with open_node(nodes, "a") as a, open_node(nodes, "b") as b:
            blob = await append(a, LETTER, copies=2)
            spoil(a.config.paths_for("a").data, "pack", LETTER[:500])
            (damage,) = (await verify(a)).damages
            assert damage.blob == blob.hash
            read = [piece async for piece in (await a.shard_of("mail")).read(blob)]
            assert b"".join(read) == LETTER
            assert (await verify(a)).damages == []
            assert (await verify(b)).damages == []


async def test_after_the_start_that_mends_a_damaged_log_nothing_is_damaged(tmp_path: Path) -> None:
    nodes = local_node_list(tmp_path, ["a", "b"])
    with trio.fail_after(WAIT_S):
        async with open_node(nodes, "b") as b:
            async with open_node(nodes, "a") as a:
                for name in ("one", "two", "three"):
                    outcome = await a.ask(Create(Address(name)), copies=2)
                    assert isinstance(outcome, Done)
            data = a.config.paths_for("a").data
            spoil(data, "segment", b"\xa3two")
            done = CliRunner().invoke(main, ["verify", str(data)])
            assert (done.exit_code, "DAMAGED" in done.output) == (1, True), done.output
            (data / "shards/main/state/rows.db").unlink()  # so that the start reads all of the log
            async with open_node(nodes, "a") as a:
                everything = Receipt("main", (await b.shard_of("one")).clock)
                assert isinstance(await a.wait(everything), Done)
                assert (await verify(a)).damages == []


async def test_damage_that_comes_while_a_node_runs_stops_it_once_all_is_told(
    tmp_path: Path,
) -> None:
    nodes = local_node_list(tmp_path, ["a"])
    found: list[Findings] = []
    with trio.fail_after(WAIT_S), pytest.raises(NodeStopped, match="no frame of type 1"):
        async with open_node(nodes, "a") as node:
            await node.ask(Create(Address("one")))
            spoil(node.config.paths_for("a").data, "segment", b"\xa3one")
            async for step in (await node.shard_of("one")).verify(FAST):
                found.append(step)
            await trio.sleep_forever()
    assert [damage.file for damage in found[-1].damages] == ["log-0000000001.segment"]


async def test_a_directory_in_use_or_without_data_is_refused(tmp_path: Path) -> None:
    nodes = local_node_list(tmp_path, ["a"])
    async with open_node(nodes, "a") as node:
        data = node.config.paths_for("a").data
        done = CliRunner().invoke(main, ["verify", str(data)])
        assert done.exit_code == 1
        assert "works on this data directory; stop it first, or let the node" in done.output
        assert done.output.endswith("\n  samebox verify --config nodes.yaml --node a\n")
    done = CliRunner().invoke(main, ["verify", str(tmp_path), "--shard", "none"])
    assert (done.exit_code, "found none" in done.output) == (1, True), done.output
