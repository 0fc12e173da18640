"""One node in this process and peers in the hand of a test, on real TLS: what a member may hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import trio
import trio.testing

from certs import make_node_certificate, read_certificate
from comm import (
    Ack,
    BlobBytes,
    Greeting,
    LinkLost,
    Message,
    NoBlob,
    Records,
    WantBlob,
    decode,
    encode,
    encode_frame,
)
from comm.io import Connection, Local, dial, load_contexts
from comm.io.tls_stream import TlsStream
from crdt import Actor
from samebox import Address, Create, Done, Shard, open_node
from samebox.events import Acknowledged, Carried, Event, Notice
from samebox.io import renewal
from samebox.io import shard as running_shard
from samebox.io.links import LinkPort
from samebox.io.node import Node
from samebox.testing import local_node_list

WAIT_S = 20.0
NO_TICK_S = 3600.0
B: Actor = b"b" * 16


class Scene:
    def __init__(self, node: Node, folder: Path, log: list[str]) -> None:
        self.node = node
        self.log = log
        self.opened: list[Connection] = []
        self._folder = folder

    async def dial(self, peer: str, purpose: str, life: bytes = b"1") -> Connection:
        """As `peer`, to the node a."""
        config = self.node.config
        certs = self._folder / "certs"
        contexts = load_contexts(certs / "ca.pem", certs / f"{peer}.pem", certs / f"{peer}.key")
        address = config.nodes["a"].address
        greeting = Greeting(config.cluster, "main", peer, purpose, incarnation=life)
        local = Local(greeting, tuple(config.nodes), {})
        opened = await dial(address.host, address.port, contexts, lambda: local, expected="a")
        self.opened.append(opened)
        return opened

    def remade(self) -> Path:
        """A folder for certificates of the same authority."""
        folder = self._folder / "remade"
        folder.mkdir()
        for name in ("ca.pem", "ca.key"):
            (folder / name).write_bytes((self._folder / "certs" / name).read_bytes())
        return folder

    def put_in_place(self, name: str) -> None:
        for end in ("key", "pem"):
            made = self._folder / "remade" / f"{name}.{end}"
            made.rename(self._folder / "certs" / made.name)

    def links_up(self) -> int:
        (status,) = self.node.shards["main"].status().peers
        return status.connected


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Scene]:
    """Node a of a and b; b does not run, and nobody listens at its address."""
    log: list[str] = []

    def note(notice: Notice) -> None:
        log.append(notice.text)

    with trio.fail_after(WAIT_S):
        async with open_node(local_node_list(folder, ["a", "b"]), "a", log=note) as node:
            scene = Scene(node, folder, log)
            yield scene
            for connection in scene.opened:
                await connection.frames.close()


async def is_closed(connection: Connection) -> bool:
    """By the other end; what it says before does not matter."""
    with pytest.raises(LinkLost):
        while True:
            await connection.frames.receive_frame(within_s=WAIT_S)
    return True


async def asked(connection: Connection, hash_: bytes) -> object:
    await connection.frames.send_frames(encode_frame(encode(WantBlob(hash_))), within_s=WAIT_S)
    return await heard(connection)


async def test_a_member_holds_one_connection_for_blobs_the_newest(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        absent = sha256(b"absent").digest()
        earlier = [await scene.dial("b", "blobs")]
        for _ in range(5):
            newest = await scene.dial("b", "blobs")
            assert await asked(newest, absent) == NoBlob(absent)
            assert await is_closed(earlier[-1])
            earlier.append(newest)
        data = b"held"
        scene.node.shards["main"].contents.remember([Carried(sha256(data).digest(), data)])
        found = await asked(earlier[-1], sha256(data).digest())
        assert found == BlobBytes(sha256(data).digest(), data)


async def test_what_a_free_connection_takes_needs_no_sender_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records and their acknowledgement leave with the step that made them durable."""

    async def never(self: LinkPort) -> list[Message]:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(LinkPort, "next", never)
    node_list = local_node_list(tmp_path, ["a", "b"])
    with trio.fail_after(WAIT_S):
        async with open_node(node_list, "a") as a, open_node(node_list, "b"):
            outcome = await a.ask(Create(Address("mail/alice")), copies=2)
    assert isinstance(outcome, Done) and outcome.nodes == ("a", "b")


async def test_an_acknowledgement_that_nobody_waits_for_has_no_step_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time: it comes with the next one, also if that is for nobody."""
    steps: list[Ack] = []
    all_came, tell_now = trio.Event(), Shard.tell_now

    def noted(self: Shard, event: Event) -> None:
        tell_now(self, event)
        if isinstance(event, Acknowledged):
            steps.append(event.ack)
            if len(steps) == 3:
                all_came.set()

    monkeypatch.setattr(Shard, "tell_now", noted)
    monkeypatch.setattr(running_shard, "TICK_S", NO_TICK_S)
    async with running(tmp_path) as scene:
        b = await scene.dial("b", "operations")
        shard = scene.node.shards["main"]
        while not isinstance(sent := await heard(b), Records):
            pass
        (link,) = shard.replica.peers.links
        assert shard.replica.awaits(link)
        held = Ack([(sent.actor, sent.last)])  # what was sent to it is waited for
        acks = [Ack([(B, seq)]) for seq in range(1, 5)]
        for ack in (held, *acks):
            await b.frames.send_frames(encode_frame(encode(ack)), within_s=WAIT_S)
        await all_came.wait()
        assert steps == [held, acks[1], acks[3]] and not shard.replica.awaits(link)
        assert shard.replica.peers.holdings[0].clock == {sent.actor: sent.last, B: 4}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shard.wait, {B: 5})
            await trio.testing.wait_all_tasks_blocked()
            assert shard.replica.awaits(link)
            nursery.cancel_scope.cancel()


async def heard(connection: Connection) -> object:
    return decode(await connection.frames.receive_frame(within_s=WAIT_S))


async def test_a_member_holds_one_link_the_newest_and_its_flapping_floods_no_log(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as scene:
        earlier = await scene.dial("b", "operations")
        for _ in range(40):
            newest = await scene.dial("b", "operations")
            assert await is_closed(earlier)
            earlier = newest
        assert scene.links_up() == 1
        lines = [line for line in scene.log if "connected" in line]
        assert len(lines) < 45, "80 links began or ended"


async def test_the_log_tells_a_connection_that_was_replaced_from_a_node_that_stops(
    tmp_path: Path,
) -> None:
    """Two that start at once dial each other: one of the two connections goes, and no node is."""
    async with running(tmp_path) as scene:
        earlier = await scene.dial("b", "operations")
        newer = await scene.dial("b", "operations")
        assert await is_closed(earlier)
        scene.opened.remove(newer)
    await newer.frames.close()
    assert [line for line in scene.log if "replaced" in line or "disconnected" in line] == [
        "peer b: a newer connection replaced that dialed by b",
        "peer b: disconnected: this node stops",
    ]


def shown(connection: Connection) -> bytes:
    """The certificate of the other end."""
    secure = connection.frames._stream
    assert isinstance(secure, TlsStream)
    der = secure._tls.getpeercert(binary_form=True)
    assert isinstance(der, bytes)
    return der


async def test_a_renewed_certificate_is_shown_without_a_restart_and_the_actor_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "LOOK_EVERY_S", 0.01)
    async with running(tmp_path) as scene:
        shard = scene.node.shards["main"]
        before, actor = await scene.dial("b", "blobs"), shard.status().actor
        make_node_certificate(scene.remade(), scene.node.config.cluster, "a")
        scene.put_in_place("a")
        while shown(again := await scene.dial("b", "blobs")) == shown(before):
            await again.frames.close()
        assert shard.status().actor == actor
        certificate = (tmp_path / "certs" / "a.pem").read_bytes()
        assert shard.store.key == read_certificate(certificate).fingerprint
