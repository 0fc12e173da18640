"""What is checked while a world runs: the promises above samebox.events.Ready, and what holds
after every fault. Every check is small and looks at what just happened; `sim.verdict` looks at
the whole when the world has come to rest.

    O1  no acknowledged operation is lost, unless every medium that its receipt names was
    O2  no dot ever has two contents
    O6  a process is up, or down with a stated reason; never hung
    O7  what waits is bounded
    O8  what happens to one node costs the others nothing
    3, 4, …   the promise of that number
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from comm import WAITING_MAX, Ack, Greeting, Message, Records, Refusal
from crdt import Actor, Blob, Dot, Operation, StateLost, covers
from samebox.events import (
    AppendFailed,
    Asked,
    Batch,
    Done,
    Event,
    Failure,
    Late,
    Notice,
    Outcome,
    Ready,
    Synced,
)
from samebox.making import blob_of
from samebox.store import Store
from sim.disk import PowerCut
from sim.world import SECOND, World
from storage import StorageError

if TYPE_CHECKING:
    from sim.host import Host
    from sim.shell import Shell

ANSWER_US = 5 * SECOND
"""In which an untroubled node answers what waits for no other node."""
CONTROL_MAX = 4096
"""Control events between two steps: far above what a second of a small world can make."""


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
    blobs_checked: dict[Actor, int] = {}


class Watch:
    """`durable` is by node what its medium must hold; `suspect` are the nodes whose medium was
    damaged, lost or put back, `troubled` those with any trouble of the disk; both for good.
    `calm_since` is when a node was last made slow."""

    def __init__(self, world: World, names: Sequence[str]) -> None:
        self.world = world
        self.durable: dict[str, dict[Actor, int]] = {}
        self.chains: dict[Actor, list[bytes]] = {}
        self.operations: dict[Dot, Operation] = {}
        self.confirmed: list[Confirmed] = []
        self.suspect: dict[str, None] = {}
        self.troubled: dict[str, None] = {}
        self.calm_since: dict[str, int] = {}
        self.outcomes: dict[str, int] = {}
        self._lives: dict[str, Life] = {}
        self._alarms: dict[str, int] = {}
        for name in names:
            self.add(name)

    def broken(self, promise: str, node: str, what: str) -> Violation:
        return Violation(self.world, promise, node, what)

    def add(self, name: str) -> None:
        self.durable[name] = {}
        self.calm_since[name] = self._alarms[name] = 0

    # --- Faults tell what they spoil --------------------------------------------------------------

    def disk_trouble(self, node: str) -> None:
        self.troubled[node] = None
        self.calm_since[node] = self.world.now

    def medium_damaged(self, node: str) -> None:
        self.disk_trouble(node)
        self.suspect[node] = None

    def medium_replaced(self, node: str) -> None:
        self.medium_damaged(node)
        self.durable[node] = {}

    def disturbed(self, node: str, until_us: int = 0) -> None:
        """Paused, slow or deaf until now, or then."""
        self.calm_since[node] = max(self.world.now, until_us, self.calm_since[node])

    # --- Lives ------------------------------------------------------------------------------------

    def opening(self, host: Host, open_it: Callable[[], Store]) -> Store:
        try:
            return open_it()
        except (StorageError, PowerCut):
            raise
        except Exception as error:
            raise self.broken("10", host.name, f"a start failed: {error!r}") from error

    def start_refused(self, host: Host, error: StorageError) -> None:
        if host.name not in self.troubled:
            raise self.broken("O6", host.name, f"start refused: {error}")
        if host.refused_starts > 200:
            raise self.broken("O6", host.name, f"refused 200 starts, at last: {error}")

    def started(self, shell: Shell) -> None:
        node, clock = shell.name, dict(shell.replica.clock)
        self._lives[node] = Life(dict(clock))
        self.calm_since[node] = self.world.now
        self._check_nothing_lost(shell, clock)
        self._register_heads(shell)
        self.durable[node] = clock
        self._check_state(shell)

    def _check_nothing_lost(self, shell: Shell, clock: dict[Actor, int]) -> None:
        node = shell.name
        lost = [
            f"{actor.hex()[:8]}:{clock.get(actor, 0) + 1}-{seq}"
            for actor, seq in self.durable[node].items()
            if clock.get(actor, 0) < seq
        ]
        if lost and node not in self.suspect:
            raise self.broken("8", node, f"synced, and gone after a start: {', '.join(lost)}")
        if lost and not any(notice.alarm for notice in shell.store.notices):
            raise self.broken("O1", node, f"lost without a word: {', '.join(lost)}")

    def _register_heads(self, shell: Shell) -> None:
        """A batch that was synced without anyone being told may show now for the first time."""
        for actor, head in shell.replica.heads.items():
            known = self.chains.setdefault(actor, [])
            first = len(known) + 1
            while first <= head.seq:
                for record in shell.store.log.read(actor, first, head.seq, max_bytes=1 << 20):
                    known.append(record.chain)
                    first = record.seq + 1
            if known[head.seq - 1] != head.chain:
                raise self.broken("O2", shell.name, f"{Dot(actor, head.seq)} has two contents")

    def stopped(self, host: Host, reason: str) -> None:
        if host.name not in self.troubled and not reason.startswith("asked"):
            raise self.broken("O6", host.name, f"stopped: {reason}")

    def ended(self, shell: Shell) -> None:
        self._lives.pop(shell.name, None)

    def noted(self, host: Host, notice: Notice) -> None:
        self._alarms[host.name] += notice.alarm

    # --- Steps of the core ------------------------------------------------------------------------

    def step(self, shell: Shell, events: Sequence[Event]) -> Ready:
        life = self._lives[shell.name]
        try:
            ready = shell.replica.step(events)
        except StateLost:
            raise
        except Exception as error:
            raise self.broken("10", shell.name, f"a step raised {error!r}") from error
        self._check_batches(shell, life, events, ready)
        self._check_delivered(shell, life, ready)
        for token, outcome in ready.replies:
            self._replied(shell, life, token, outcome)
        if not shell.replica.is_busy:
            self._check_state(shell)
            if life.delivered != shell.replica.clock:
                raise self.broken("6", shell.name, "the clock is not that of what was delivered")
        self._check_bounds(shell)
        return ready

    def _check_batches(
        self, shell: Shell, life: Life, events: Sequence[Event], ready: Ready
    ) -> None:
        for event in events:
            match event:
                case Synced(number) | AppendFailed(number, _):
                    if number != life.batch:
                        raise self.broken("2", shell.name, f"batch {number} was not under way")
                    life.batch = None
                case _:
                    pass
        if ready.append is not None:
            if life.batch is not None:
                raise self.broken("11", shell.name, "two batches are under way")
            life.batch = ready.append.number

    def _check_delivered(self, shell: Shell, life: Life, ready: Ready) -> None:
        durable = self.durable[shell.name]
        for operation in ready.delivered:
            actor, seq = operation.dot
            if seq != life.delivered.get(actor, 0) + 1:
                raise self.broken("6", shell.name, f"{operation.dot} delivered out of turn")
            for other, needed in operation.others.items():
                if life.delivered.get(other, 0) < needed:
                    cause = Dot(other, needed)
                    text = f"{operation.dot} delivered before {cause}, which it depends on"
                    raise self.broken("6", shell.name, text)
            if durable.get(actor, 0) < seq:
                raise self.broken(
                    "3", shell.name, f"{operation.dot} delivered before it was synced"
                )
            life.delivered[actor] = seq
            self.operations[operation.dot] = operation

    def _check_state(self, shell: Shell) -> None:
        replica = shell.replica
        if replica.state.clock() != replica.clock:
            raise self.broken("4", shell.name, "the state is not at the clock")
        ahead = [a for a, seq in replica.clock.items() if seq > self.durable[shell.name].get(a, 0)]
        if ahead:
            names = ", ".join(actor.hex()[:8] for actor in ahead)
            raise self.broken("4", shell.name, f"the state is ahead of the log with {names}")
        for actor, reason in replica.history.stopped.items():
            raise self.broken("10", shell.name, f"actor {actor.hex()[:8]} was stopped: {reason}")

    def _check_bounds(self, shell: Shell) -> None:
        if len(shell.incoming) > CONTROL_MAX:
            raise self.broken("O7", shell.name, f"{len(shell.incoming)} events wait for a step")
        if shell.replica.history.waiting > WAITING_MAX:
            raise self.broken("9", shell.name, "too many operations wait for others")

    # --- The disk ---------------------------------------------------------------------------------

    def appended(self, shell: Shell, batch: Batch) -> None:
        """`append` has returned: all of it has to be durable, its blobs included."""
        disk = shell.host.machine.disk
        unsynced = disk.unsynced(".segment")
        if batch.blobs and shell.name not in self.troubled:
            unsynced += disk.unsynced(".pack")
        if unsynced:
            text = f"batch {batch.number} is called synced, {', '.join(unsynced)} is not"
            raise self.broken("2", shell.name, text)
        durable = self.durable[shell.name]
        for actor, seq, chain, _ in batch.records:
            known = self.chains.setdefault(actor, [])
            if seq == len(known) + 1:
                known.append(chain)
            elif seq > len(known):
                raise self.broken("O2", shell.name, f"{Dot(actor, seq)} comes from nowhere")
            elif known[seq - 1] != chain:
                raise self.broken("O2", shell.name, f"{Dot(actor, seq)} has two contents")
            durable[actor] = max(seq, durable.get(actor, 0))
        for blob in batch.blobs:
            if not shell.store.packs.has(blob.hash):
                text = f"a blob of batch {batch.number} is not held: {blob.hash.hex()[:8]}"
                raise self.broken("12", shell.name, text)

    def blob_stored(self, shell: Shell, blob: Blob) -> None:
        if not shell.store.packs.has(blob.hash):
            raise self.broken("5", shell.name, f"blob {blob.hash.hex()[:8]} is not held")

    # --- Links ------------------------------------------------------------------------------------

    def greeting(self, shell: Shell, greeting: Greeting) -> None:
        for actor, seq, chain in greeting.histories:
            if self.durable[shell.name].get(actor, 0) < seq:
                raise self.broken("3", shell.name, f"greets with {Dot(actor, seq)}, not synced")
            if self.chains[actor][seq - 1] != chain:
                raise self.broken("O2", shell.name, f"greets with another {Dot(actor, seq)}")

    def sending(self, shell: Shell, peer: str, message: Message) -> None:
        durable = self.durable[shell.name]
        match message:
            case Records():
                last = Dot(message.actor, message.last)
                if not covers(durable, last):
                    raise self.broken("3", shell.name, f"{last} is sent before it is synced")
            case Ack():
                for actor, seq in message.clock:
                    if not covers(durable, Dot(actor, seq)):
                        text = f"{Dot(actor, seq)} is acknowledged before it is synced"
                        raise self.broken("5", shell.name, text)
                self._check_blobs(shell, message)
            case _:
                pass

    def _check_blobs(self, shell: Shell, ack: Ack) -> None:
        """What is acknowledged has its blobs here, or is listed as lacking them."""
        checked = self._lives[shell.name].blobs_checked
        if ack.more_missing or shell.name in self.suspect:
            return
        for actor, seq in ack.clock:
            for number in range(checked.get(actor, 0) + 1, seq + 1):
                dot = Dot(actor, number)
                operation = self.operations.get(dot)
                blob = None if operation is None else blob_of(operation)
                if blob is None or shell.store.packs.has(blob.hash):
                    continue
                if dot not in ack.missing:
                    raise self.broken("5", shell.name, f"{dot} is acknowledged without its blob")
            checked[actor] = seq

    def refused(self, shell: Shell, peer: str, refusal: Refusal) -> None:
        raise self.broken("O8", shell.name, f"refused {peer}: {refusal.text}")

    def broke(self, shell: Shell, reason: str) -> None:
        raise self.broken("O8", shell.name, f"a peer is said to break the protocol: {reason}")

    # --- Callers ----------------------------------------------------------------------------------

    def asked(self, shell: Shell, asked: Asked) -> None:
        self._lives[shell.name].asked[asked.token] = Waiting(asked, self.world.now)

    def withdrawn(self, shell: Shell, token: int) -> None:
        self._lives[shell.name].asked.pop(token, None)

    def unanswered(self, shell: Shell) -> list[Waiting]:
        return list(self._lives[shell.name].asked.values())

    def _replied(self, shell: Shell, life: Life, token: int, outcome: Outcome) -> None:
        kind = type(outcome).__name__
        self.outcomes[kind] = self.outcomes.get(kind, 0) + 1
        waiting = life.asked.pop(token, None)
        if waiting is None:
            return
        self.world.say(shell.name, f"request {waiting.asked.id.number}: {kind}")
        copies = waiting.asked.copies
        if copies == 1 and self.world.now - max(waiting.at_us, self._calm(shell)) > ANSWER_US:
            text = f"request {waiting.asked.id} took {(self.world.now - waiting.at_us) / SECOND} s"
            raise self.broken("O8", shell.name, text)
        match outcome:
            case Done(_, dots, nodes):
                if len(nodes) < copies:
                    raise self.broken("3", shell.name, f"{len(nodes)} copies, {copies} asked for")
                self._check_copies(shell, dots, nodes)
            case Late(_, dots, nodes):
                self._check_copies(shell, dots, nodes)
            case Failure(reason):
                if shell.name not in self.troubled:
                    raise self.broken("O6", shell.name, f"a request failed: {reason}")
            case _:
                pass

    def _calm(self, shell: Shell) -> int:
        troubled = shell.host.is_paused or shell.host.slow_us or shell.name in self.troubled
        return self.world.now if troubled else self.calm_since[shell.name]

    def _check_copies(self, shell: Shell, dots: tuple[Dot, ...], nodes: tuple[str, ...]) -> None:
        """Whoever a receipt names has it, unless its medium was damaged since it said so."""
        for node in nodes:
            for dot in dots:
                if node not in self.suspect and not covers(self.durable[node], dot):
                    text = f"told that {node} holds {dot}, which it does not"
                    raise self.broken("3", shell.name, text)
        if dots and nodes:
            self.confirmed.append(Confirmed(shell.name, dots, nodes))
