"""What is known of a world while it runs: what every node has to hold, what was said, what was
spoiled. The checks in sim.disk_checks, sim.link_checks and sim.caller_checks read and write it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from crdt import Actor, Dot, Operation
from samebox.events import Asked
from sim.last_batches import LastBatches
from sim.world import SECOND, World


class Violation(Exception):
    """A promise was broken: which, where, when."""

    def __init__(self, world: World, promise: str, node: str, what: str) -> None:
        at = f"step {world.step}, {world.now / SECOND:.6f} s"
        super().__init__(f"{promise} broken at {node}, {at}: {what}")
        self.promise = promise
        self.node = node
        self.what = what


class Waiting(Struct):
    asked: Asked
    at_us: int
    within_us: int | None


class Confirmed(Struct, frozen=True):
    """What a caller was told."""

    node: str
    dots: tuple[Dot, ...]
    nodes: tuple[str, ...]


class Life(Struct):
    """What is watched of one process. `delivered` is the clock of what its core said it did."""

    delivered: dict[Actor, int]
    asked: dict[int, Waiting] = {}
    batch: int | None = None
    dropped: list[int] = []
    blobs_checked: dict[Actor, int] = {}


class Book:
    """`durable` is by node what its medium must hold, `last_batches` what was written to it last;
    `chains` and `contents` what every dot names, by actor; `made_for` the dots of a request.
    `dropped` are by node the blobs that its state named no more when they went with a compaction:
    an older image of the state may name them again.
    `suspect` are the nodes whose medium was spoiled, with how often; `troubled` those with any
    trouble of the disk; both for good. `alarmed` are those of which a start has told an alarm, be
    it one that did not end, since the last one that did.
    `unfolded` counts states made again because an operation lacked what was forgotten, `adoptions`
    snapshots of peers that were taken over.
    With `lists_differ`, members were taken off some lists and not off others.
    `calm_since` is when a node was last made slow. Once bytes were `garbled`, actors may stop; on
    the word of `liars` nothing is to be built. `forks` are the actors as which two processes may
    write, each with the node whose history of it stays."""

    def __init__(self, world: World, names: Sequence[str]) -> None:
        self.world = world
        self.durable: dict[str, dict[Actor, int]] = {}
        self.last_batches: dict[str, LastBatches] = {}
        self.chains: dict[Actor, list[bytes]] = {}
        self.contents: dict[Actor, list[bytes]] = {}
        self.operations: dict[Dot, Operation] = {}
        self.made_for: dict[tuple[bytes, int, int], list[Dot]] = {}
        self.dropped: dict[str, dict[bytes, None]] = {}
        self.confirmed: list[Confirmed] = []
        self.suspect: dict[str, int] = {}
        self.troubled: dict[str, None] = {}
        self.alarmed: dict[str, None] = {}
        self.calm_since: dict[str, int] = {}
        self.outcomes: dict[str, int] = {}
        self.garbled = False
        self.lists_differ = False
        self.unfolded = 0
        self.adoptions = 0
        self.liars: dict[str, None] = {}
        self.forks: dict[Actor, str] = {}
        self.fork_is_told = False
        self.lives: dict[str, Life] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        self.durable[name] = {}
        self.last_batches[name] = LastBatches()
        self.dropped[name] = {}
        self.calm_since[name] = 0

    def broken(self, promise: str, node: str, what: str) -> Violation:
        return Violation(self.world, promise, node, what)

    # --- Faults tell what they spoil -----------------------------------------------------------

    def disk_trouble(self, node: str) -> None:
        self.troubled[node] = None
        self.calm_since[node] = self.world.now

    def medium_damaged(self, node: str) -> None:
        self.disk_trouble(node)
        self.suspect[node] = self.suspect.get(node, 0) + 1

    def medium_replaced(self, node: str) -> None:
        self.medium_damaged(node)
        self.suspect[node] += 1
        self.durable[node] = {}
        self.last_batches[node] = LastBatches()

    def lies(self, node: str) -> None:
        self.liars[node] = None
        self.garbled = True

    def disturbed(self, node: str, until_us: int = 0) -> None:
        """Paused, slow or deaf until now, or then."""
        self.calm_since[node] = max(self.world.now, until_us, self.calm_since[node])
