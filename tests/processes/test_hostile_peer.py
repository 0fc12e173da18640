"""A peer that reads nothing, sends garbage, is no member, or claims to be another.

Node c is killed, and somebody with a certificate stands in its place. What has to hold: the nodes
a and b confirm writes with two copies in bounded time, their memory stays flat, and their log says
why somebody was turned away.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import pytest

from certs import credential, make_node_certificate
from comm import Hello, Refusal, Welcome, encode_frame
from comm.header import encode_header
from samebox.testing import LocalCluster, SteadyWriter, until
from tests.processes.account import assert_confirmed_once, make_mailbox
from tests.processes.impostor import LOOPBACK, Listening, Spoken, dial, secured

pytestmark = pytest.mark.slow

WRITES = 200
LARGE = 32 << 10
LARGE_WRITES = 2000
"""64 MiB in all: what a node would hold that kept them for a peer that does not read."""
WARM_UP = 300
GROWTH_BYTES_MAX = 32 << 20
"""Half of it. Frames, windows and the allocator take part of that; so do 2,000 entries."""
ATTEMPTS = 60
IDLE = 200


class Scene:
    """Nodes a and b, what they log from now on, and a mailbox of their own to write to."""

    def __init__(self, cluster: LocalCluster, name: str) -> None:
        self.cluster = cluster
        self.certs = cluster.folder / "certs"
        self.port = cluster.ports["a"]
        self.target = make_mailbox(cluster, name)
        with cluster.talk("a") as a:
            self.shard = a.status().status.shard
        self._log = cluster.nodes["a"].log
        self._log_bytes = self._log.stat().st_size

    def hello(self, node: str = "c", actor: bytes | None = None) -> Hello:
        return Hello(self.cluster.name, self.shard, node, "operations", actor=actor)

    def dial_a(self, name: str = "c") -> Spoken:
        return dial(self.port, credential(self.certs, name), credential(self.certs).certificate)

    def resident_bytes(self, name: str = "a") -> int:
        status = Path(f"/proc/{self.cluster.nodes[name].pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None, status
        return int(found[1]) * 1024

    def write(self, count: int = WRITES, size: int = 300) -> SteadyWriter:
        """That they are confirmed with two copies in time is the claim."""
        with SteadyWriter(self.cluster.nodes["a"], self.target, copies=2, size=size) as writer:
            writer.wait_confirmed(count)
        return writer

    def wait_logged(self, *words: str) -> None:
        """One line of a's log has all these words."""

        def logged() -> bool | None:
            lines = self._log.read_bytes()[self._log_bytes :].decode().splitlines()
            return any(all(word in line for word in words) for line in lines) or None

        shown = self.cluster.nodes["a"].last_lines
        until(logged, 20, lambda: f"{words} in the log of a\n{shown()}")


@pytest.fixture(scope="module")
def running() -> Iterator[LocalCluster]:
    with tempfile.TemporaryDirectory(prefix="samebox-") as folder:
        with LocalCluster(Path(folder)) as cluster:
            yield cluster


@pytest.fixture
def scene(running: LocalCluster, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Without c, until the test ends; then c comes back, and all three agree."""
    running.kill("c")
    yield Scene(running, request.node.name)
    running.start("c")
    running.agree()
    print(running.logs())


def test_a_peer_that_never_reads_costs_the_others_no_time_and_a_node_no_memory(
    scene: Scene,
) -> None:
    theirs = credential(scene.certs, "c"), credential(scene.certs).certificate
    told = scene.hello()
    welcome = Welcome(told.cluster, told.shard, told.node, told.purpose)

    def greet_and_fall_silent(plain: socket.socket) -> Spoken:
        spoken = secured(plain, *theirs)
        spoken.greet(welcome)
        return spoken

    with ExitStack() as held:
        held.enter_context(Listening(scene.cluster.ports["c"], greet_and_fall_silent))
        dialed = held.enter_context(scene.dial_a())
        dialed.skip_header()
        dialed.greet(told)
        assert isinstance(dialed.hear(), Welcome)

        scene.write(WARM_UP, LARGE)
        before = {name: scene.resident_bytes(name) for name in "ab"}
        writer = scene.write(LARGE_WRITES, LARGE)
        for name in "ab":
            growth = scene.resident_bytes(name) - before[name]
            print(f"node {name} grew by {growth >> 20} MiB")
            assert growth < GROWTH_BYTES_MAX, f"{name} grew by {growth >> 20} MiB"
    assert_confirmed_once(scene.cluster, [writer], names="ab")


def test_connections_that_never_begin_to_talk_are_given_up(scene: Scene) -> None:
    before = scene.resident_bytes("a")
    with ExitStack() as held:
        held.enter_context(Listening(scene.cluster.ports["c"], lambda plain: plain))
        for _ in range(IDLE):
            held.enter_context(socket.create_connection((LOOPBACK, scene.port)))
        scene.write()
        scene.wait_logged("closed", "handshakes are under way")
        assert scene.resident_bytes("a") - before < GROWTH_BYTES_MAX


def plain_garbage(scene: Scene, random: Random) -> None:
    with socket.create_connection((LOOPBACK, scene.port)) as plain:
        with suppress(ConnectionError):  # it may be closed at the first bytes
            plain.sendall(random.randbytes(3000))


def http(scene: Scene, random: Random) -> None:
    with socket.create_connection((LOOPBACK, scene.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def garbage_for_a_header(scene: Scene, random: Random) -> None:
    with scene.dial_a() as spoken:
        spoken.send(random.randbytes(300))
        assert spoken_to_the_end(spoken)


def a_length_out_of_range(scene: Scene, random: Random) -> None:
    with scene.dial_a() as spoken:
        spoken.send(encode_header() + (1 << 31).to_bytes(4, "big") + random.randbytes(300))
        assert spoken_to_the_end(spoken)


def garbage_for_a_greeting(scene: Scene, random: Random) -> None:
    with scene.dial_a() as spoken:
        spoken.send(encode_header() + encode_frame(random.randbytes(300)))
        assert spoken_to_the_end(spoken)


def garbage_on_a_link(scene: Scene, random: Random) -> None:
    with scene.dial_a() as spoken:
        spoken.skip_header()
        spoken.greet(scene.hello())
        assert isinstance(spoken.hear(), Welcome)
        spoken.send(encode_frame(b"\xc1" + random.randbytes(300)))  # no message begins so
        assert spoken.is_closed_by_peer()


def spoken_to_the_end(spoken: Spoken) -> bool:
    """The node closes. A header comes first where none was skipped, which is no frame."""
    try:
        spoken.skip_header()
        return spoken.is_closed_by_peer()
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (plain_garbage, "TLS"),
        (http, "TLS"),
        (garbage_for_a_header, "expected the header"),
        (a_length_out_of_range, "expected a frame"),
        (garbage_for_a_greeting, "expected"),
        (garbage_on_a_link, "expected"),
    ],
)
def test_garbage_ends_its_own_connection_and_nothing_else(
    scene: Scene, behave: Callable[[Scene, Random], None], reason: str
) -> None:
    random = Random(7)
    for _ in range(5):
        behave(scene, random)
    before = scene.resident_bytes("a")
    for _ in range(ATTEMPTS):
        behave(scene, random)
    scene.write()
    scene.wait_logged(reason)
    assert scene.resident_bytes("a") - before < GROWTH_BYTES_MAX


def test_a_certificate_of_no_member_is_refused_with_the_reason(scene: Scene) -> None:
    make_node_certificate(scene.cluster.folder / "certs", scene.cluster.name, "mallory")
    with scene.dial_a("mallory") as spoken:
        spoken.skip_header()
        spoken.greet(scene.hello("mallory"))
        refusal = spoken.hear()
        assert isinstance(refusal, Refusal), refusal
        assert refusal.code == "not-a-member"
        assert spoken.is_closed_by_peer()
    scene.wait_logged("mallory", "no member")
    scene.write()


@pytest.mark.parametrize("victim", ["a", "b"])
def test_a_member_that_claims_the_actor_of_another_is_refused_with_the_reason(
    scene: Scene, victim: str
) -> None:
    with scene.cluster.talk(victim) as talk:
        actor = talk.status().status.actor
    with scene.dial_a() as spoken:
        spoken.skip_header()
        spoken.greet(scene.hello(actor=actor))
        refusal = spoken.hear()
        assert isinstance(refusal, Refusal), refusal
        assert refusal.code == "actor"
        assert spoken.is_closed_by_peer()
    scene.wait_logged("claims the actor of", victim)
    scene.write()


def test_a_member_under_another_name_is_refused_with_the_reason(scene: Scene) -> None:
    with scene.dial_a("c") as spoken:
        spoken.skip_header()
        spoken.greet(scene.hello("b"))
        refusal = spoken.hear()
        assert isinstance(refusal, Refusal), refusal
        assert refusal.code == "certificate"
    scene.wait_logged("certificate")
    scene.write()


def test_descriptors_are_given_back(scene: Scene) -> None:
    def held() -> int:
        return len(os.listdir(f"/proc/{scene.cluster.nodes['a'].pid}/fd"))

    plain_garbage(scene, Random(1))
    before = held()
    for number in range(ATTEMPTS):
        plain_garbage(scene, Random(number))
    until(lambda: True if held() <= before + 2 else None, 20, lambda: f"{before} descriptors")
