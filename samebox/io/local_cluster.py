"""A cluster on this machine, for trying things out: real processes, real disks, lines to cut.

    with LocalCluster(folder, ["a", "b", "c"]) as cluster:
        with cluster.talk("a") as a:
            a.ask(Create(Address("mail/alice")), copies=2)
        cluster.cut("a", "b")
        cluster.nodes["c"].kill()
        …
        print(cluster.agree().digest.hex())

Every node is a process of its own with a certificate, a data directory and a node list. The lists
differ in the addresses alone: each names its own port, and for its peers the lines to them.
All waits are bounded, and say what they waited for and what the nodes logged.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from msgspec import Struct

from certs import make_certificates
from crdt import Actor
from samebox.errors import SameboxError
from samebox.io.control_client import NotReachable
from samebox.io.conversation import Conversation
from samebox.io.lines import LOOPBACK, Lines, Weather
from samebox.spelling import plural
from samebox.status import ShardStatus

CLUSTER = "local.example.org"
START_S = 30.0
"""From the start of a process to its answer; a second where the machine is idle."""
STOP_S = 20.0
AGREE_S = 60.0
POLL_S = 0.02
PORTS = range(21_000, 31_000)
"""Below those that systems give to outgoing connections, so that a dead node's stays free."""
LOG_LINES_SHOWN = 30

T = TypeVar("T")


class ClusterFailed(SameboxError):
    """Something that was waited for did not happen; the message shows what the nodes logged."""


class Agreed(Struct, frozen=True):
    """What all nodes hold: the same operations and, as the digest says, the same view."""

    clock: Mapping[Actor, int]
    digest: bytes


class LocalNode:
    """One node: its files stay, its processes come and go."""

    def __init__(self, name: str, folder: Path, node_list: Path) -> None:
        self.name = name
        self.node_list = node_list
        self.data = folder / "data" / name
        self.socket = folder / "run" / f"{name}.sock"
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running process, if there is one."""
        return self._process.pid if self.is_running and self._process is not None else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; `wait_started` waits until it answers."""
        assert not self.is_running, f"node {self.name} is running already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command("run", "--config", str(self.node_list), "--node", self.name),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_started(self, *, seconds: float = START_S) -> None:
        def answers() -> bool | None:
            if not self.is_running:
                raise ClusterFailed(f"node {self.name} ended at its start\n{self.last_lines()}")
            try:
                with self.talk():
                    return True
            except NotReachable:
                return None

        until(answers, seconds, lambda: f"node {self.name} to answer\n{self.last_lines()}")

    def talk(self, *, timeout_s: float = 30.0) -> Conversation:
        return Conversation(self.socket, timeout_s=timeout_s)

    def kill(self) -> None:
        """As kill -9 does: nothing is written, flushed or said any more."""
        self._end(signal.SIGKILL, STOP_S)

    def stop(self, *, by: signal.Signals = signal.SIGTERM, seconds: float = STOP_S) -> int:
        """End the process cleanly; its exit status."""
        return self._end(by, seconds)

    def wait_ended(self, *, seconds: float = STOP_S) -> int:
        """The exit status of a process that ends by itself."""
        assert self._process is not None, f"node {self.name} was never started"
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ClusterFailed(
                f"expected node {self.name} to end within {seconds:.0f} s, found it running\n"
                f"{self.last_lines()}"
            ) from None

    def last_lines(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = text.splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join(f"  {self.name}| {line}" for line in lines)

    def _end(self, by: signal.Signals, seconds: float) -> int:
        assert self._process is not None, f"node {self.name} was never started"
        self._process.send_signal(by)
        return self.wait_ended(seconds=seconds)


class LocalCluster:
    """Running while in its block; at the end every process has ended, whatever happened."""

    def __init__(
        self, folder: Path, names: Sequence[str] = ("a", "b", "c"), *, copies: int = 1
    ) -> None:
        """`copies` is the level at which writes are confirmed when a program names none."""
        self.name = CLUSTER
        self.folder = folder.absolute()
        self.names = tuple(names)
        self.ports = free_ports(self.names)
        self.lines = Lines(self.ports)
        self._copies = copies
        self._left = ExitStack()
        self.nodes = {
            name: LocalNode(name, self.folder, self.folder / f"nodes-{name}.yaml")
            for name in self.names
        }

    def __enter__(self) -> Self:
        with ExitStack() as left:
            left.enter_context(self.lines)
            make_certificates(self.folder / "certs", CLUSTER, {name: [] for name in self.names})
            for node in self.nodes.values():
                node.node_list.write_text(self.node_list(node.name))
                left.callback(end_at_once, node)
            self.start(*self.names)
            self._left = left.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.close()

    def node_list(self, of: str) -> str:
        """What node `of` is given: its own port, and the lines to its peers."""
        lines = {name: self.lines.port(of, name) for name in self.names if name != of}
        return node_list_text({**self.ports, **lines}, copies=self._copies)

    def talk(self, name: str, *, timeout_s: float = 30.0) -> Conversation:
        return self.nodes[name].talk(timeout_s=timeout_s)

    def start(self, *names: str) -> None:
        """Start these at once, and wait until all of them answer."""
        for name in names:
            self.nodes[name].start()
        for name in names:
            self.nodes[name].wait_started()

    def kill(self, *names: str) -> None:
        """All of them as good as at once."""
        for name in names:
            pid = self.nodes[name].pid
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        for name in names:
            self.nodes[name].wait_ended()

    def cut(self, one: str, *others: str) -> None:
        """The lines from `one` to the others; to all where none is named."""
        for other in others or self._peers(one):
            self.lines.cut(one, other)

    def set_weather(self, one: str, other: str, weather: Weather) -> None:
        """Delay, slow down or damage what goes between two nodes, either way, until `heal`."""
        self.lines.set_weather(one, other, weather)
        self.lines.set_weather(other, one, weather)

    def heal(self) -> None:
        for one in self.names:
            for other in self._peers(one):
                self.lines.heal(one, other)

    def agree(self, *names: str, seconds: float = AGREE_S) -> Agreed:
        """Wait until these (all where none is named) hold the same operations and all contents.

        Raises ClusterFailed where that takes too long, or where their digests differ then.
        """
        asked = names or self.names
        with self.talking(*asked) as talks:

            def agreed() -> Agreed | None:
                found = [one.status().status for one in talks]
                if not at_rest(found):
                    return None
                shown = [one.status(digest=True) for one in talks]
                if not at_rest([one.status for one in shown]):
                    return None
                if len({one.digest for one in shown}) > 1:
                    lines = [f"{n}: {s.digest.hex()}" for n, s in zip(asked, shown, strict=True)]
                    raise ClusterFailed("digests differ at equal clocks: " + ", ".join(lines))
                return Agreed(shown[0].status.clock, shown[0].digest)

            return until(agreed, seconds, lambda: self._disagreement(asked, talks))

    @contextmanager
    def talking(self, *names: str) -> Iterator[list[Conversation]]:
        with ExitStack() as left:
            yield [left.enter_context(self.talk(name)) for name in names]

    def command(
        self, name: str, *words: str, seconds: float = 60.0, fails: int = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `samebox words…` against node `name`. Raises ClusterFailed at another exit status."""
        run = subprocess.run(
            command(*words),
            env=environment()
            | {"SAMEBOX_CONFIG": str(self.nodes[name].node_list), "SAMEBOX_NODE": name},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
        if run.returncode != fails:
            said = (run.stdout[-2000:] + run.stderr[-2000:]).decode(errors="replace")
            raise ClusterFailed(
                f"samebox {' '.join(words)}: expected exit status {fails}, found {run.returncode}\n"
                f"{self.nodes[name].last_lines()}\n{said}"
            )
        return run

    def logs(self) -> str:
        """The last lines of every node, for people."""
        return "\n".join(node.last_lines() for node in self.nodes.values())

    def _peers(self, name: str) -> list[str]:
        return [other for other in self.names if other != name]

    def _disagreement(self, names: Sequence[str], talks: Sequence[Conversation]) -> str:
        said = [f"nodes {', '.join(names)} to agree"]
        for name, talk in zip(names, talks, strict=True):
            status = talk.status().status
            down = [f"{p.name}: {p.reason_down}" for p in status.peers if not p.connected]
            clock = {actor.hex()[:8]: seq for actor, seq in sorted(status.clock.items())}
            said.append(
                f"  {name}: clock {clock}, {plural(status.waiting, 'operation')} waiting, "
                f"{status.missing} contents missing, links down: {'; '.join(down) or 'none'}"
            )
        return "\n".join([*said, self.logs()])


def at_rest(statuses: Sequence[ShardStatus]) -> bool:
    """All hold the same operations, and the contents of all of them."""
    same = all(dict(one.clock) == dict(statuses[0].clock) for one in statuses)
    return same and not any(one.waiting or one.missing for one in statuses)


def until(probe: Callable[[], T | None], seconds: float, wanted: Callable[[], str]) -> T:
    """The first answer of `probe` that is not None. Raises ClusterFailed after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise ClusterFailed(f"waited {seconds:.0f} s in vain for {wanted()}")
        time.sleep(POLL_S)


def command(*words: str) -> list[str]:
    """The command line `samebox words…` of this installation."""
    return [sys.executable, "-m", "samebox", *words]


def environment() -> dict[str, str]:
    """A process started with it imports from where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def local_node_list(folder: Path, names: Sequence[str] = ("a", "b", "c")) -> Path:
    """A node list for nodes on this machine, with certificates and free ports, in `folder`."""
    make_certificates(folder / "certs", CLUSTER, {name: [] for name in names})
    path = folder / "nodes.yaml"
    path.write_text(node_list_text(free_ports(names)))
    return path


def node_list_text(ports: Mapping[str, int], *, copies: int = 1) -> str:
    nodes = "".join(f'  {name}: {{address: "{LOOPBACK}:{port}"}}\n' for name, port in ports.items())
    return f"cluster: {CLUSTER}\nnodes:\n{nodes}copies: {copies}\n"


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """A port on loopback for each name, free at this time."""
    found: dict[str, int] = {}
    start = PORTS[os.getpid() * 7 % len(PORTS)]
    for port in [*range(start, PORTS.stop), *range(PORTS.start, start)]:
        if len(found) == len(names):
            break
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            found[names[len(found)]] = port
    if len(found) < len(names):
        raise ClusterFailed(f"expected {len(names)} free ports in {PORTS}, found {len(found)}")
    return found


def end_at_once(node: LocalNode) -> None:
    if node.is_running:
        node.kill()
