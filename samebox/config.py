"""What a node list says, as values: the cluster, its nodes, its shards, where files lie.

Paths are relative to the node list, and {node} in a path stands for the node's name. Everything
but the cluster's name and its nodes has a default.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field
from typing_extensions import override

from samebox.errors import SameboxError
from samebox.fields import Problem

MAIN = "main"
"""The shard that exists where the node list names none."""


class ConfigurationRefused(SameboxError):
    """A node list that no node can run with; one line per problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Address(Struct, frozen=True, order=True):
    """Where a node listens, and its peers dial it: a host name or IP address, a TCP port."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Node(Struct, frozen=True):
    address: Address


class Tls(Struct, frozen=True):
    """Paths of PEM files, as written: relative, and with {node}."""

    ca: str = "certs/ca.pem"
    certificate: str = "certs/{node}.pem"
    key: str = "certs/{node}.key"


class Shard(Struct, frozen=True):
    """The members of a shard, in the order of the file."""

    nodes: tuple[str, ...]


class Limbo(Struct, frozen=True):
    """At how much that is kept because it is not stable `status` raises an alarm. Whatever these
    say, nothing is forgotten before it is stable."""

    age_days: int = 7
    size_mib: int = 1024


class Retained(Struct, frozen=True):
    """So much log is kept for members that are away; what a quorum of the members holds goes
    beyond, and they get a snapshot when they return."""

    size_mib: int = 4096


class Paths(Struct, frozen=True):
    """One node's files and directories; relative only where the path of the node list was."""

    ca: Path
    certificate: Path
    key: Path
    data: Path
    socket: Path


class Config(Struct, frozen=True):
    """A node list without problems. `copies` is the level at which writes are confirmed when the
    caller names none: how many members hold them, synced, this node included.
    """

    file: Path
    cluster: str
    nodes: Mapping[str, Node]
    shards: Mapping[str, Shard]
    tls: Tls = Tls()
    data: str = "data/{node}"
    socket: str = "run/{node}.sock"
    copies: int = 1
    limbo: Limbo = Limbo()
    log: Retained = Retained()
    lines: Mapping[str, int] = field(default_factory=dict)

    def paths_for(self, node: str) -> Paths:
        """Where a node's files lie. Raises KeyError for a node that is not in the list."""
        self.nodes[node]

        def place(written: str) -> Path:
            return self.file.parent / written.replace("{node}", node)

        tls = self.tls
        return Paths(
            ca=place(tls.ca),
            certificate=place(tls.certificate),
            key=place(tls.key),
            data=place(self.data),
            socket=place(self.socket),
        )

    def shards_of(self, node: str) -> tuple[str, ...]:
        """The shards that a node is a member of, by name."""
        return tuple(sorted(name for name, shard in self.shards.items() if node in shard.nodes))

    def line_of(self, name: str) -> int:
        """Where a field such as `tls.key` stands, or the field around it; 1 for a default."""
        while name and name not in self.lines:
            name = name.rpartition(".")[0]
        return self.lines.get(name, 1)
