"""Two nodes on real disks, with real TLS, of which one was set back and wrote meanwhile."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import trio

from comm import Greeting
from crdt import Actor, Address, Create
from samebox import open_node
from samebox.events import Done
from samebox.io import links
from samebox.io.node import Node
from samebox.meeting import greeting_of
from samebox.replica import Replica
from samebox.testing import local_node_list

WAIT_S = 30.0


async def create(node: Node, name: str, *, copies: int = 1) -> None:
    assert isinstance(await node.ask(Create(Address(name)), copies=copies), Done)


async def set_back(node_list: Path) -> Actor:
    """Node b has the data of a while ago, and a has what b wrote since; who b writes as."""
    data, backup = node_list.parent / "data" / "b", node_list.parent / "backup"
    async with open_node(node_list, "a"):
        async with open_node(node_list, "b") as b:
            await create(b, "first", copies=2)
        shutil.copytree(data, backup)
        async with open_node(node_list, "b") as b:
            for name in ("second", "third"):
                await create(b, name, copies=2)
            actor = b.shards["main"].replica.actor
    for part in backup.rglob("*"):
        if part.is_file():
            (data / part.relative_to(backup)).write_bytes(part.read_bytes())
    for part in list(data.rglob("*")):
        if part.is_file() and not (backup / part.relative_to(data)).exists():
            part.unlink()
    assert actor is not None
    return actor


@pytest.fixture
def node_list(tmp_path: Path) -> Path:
    return local_node_list(tmp_path, ["a", "b"])


@pytest.fixture
def deaf_list(node_list: Path) -> Path:
    """The same for a, which reaches b nowhere: b alone dials."""
    path = node_list.with_name("deaf.yaml")
    path.write_text(re.sub(r"(b: \{address: \"127\.0\.0\.1):\d+", r"\1:1", node_list.read_text()))
    return path


async def test_what_was_written_between_greeting_and_answer_is_judged_when_they_greet_once_more(
    node_list: Path, deaf_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer has the longer history, and can compare at the places alone that it is told."""
    actor = await set_back(node_list)
    greeted: list[Greeting] = []

    def greeting(replica: Replica, cluster: str, purpose: str, life: bytes) -> Greeting:
        """At first what b said before it wrote."""
        if replica.place.node == "b" and purpose == "operations" and greeted:
            return greeted.pop()
        return greeting_of(replica, cluster, purpose, life)

    with trio.fail_after(WAIT_S):
        async with open_node(node_list, "b") as b:
            shard = b.shards["main"]
            assert shard.replica.actor == actor
            before = greeting_of(shard.replica, b.config.cluster, "operations", shard.store.life)
            await create(b, "alone")
            assert shard.replica.actor == actor
            greeted.append(before)
            monkeypatch.setattr(links, "greeting_of", greeting)
            async with open_node(deaf_list, "a") as a:
                while actor not in a.shards["main"].replica.stopped():  # noqa: ASYNC110
                    await trio.sleep(0.02)
            assert not greeted, "b has said it"
            assert shard.replica.actor != actor
