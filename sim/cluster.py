"""A whole cluster in one process, without time: nodes, their logs, and the links between them.

The nodes run the product's own core over the product's own log; what moves is chosen by the
caller, one step at a time. Nothing happens by itself, so every run can be repeated exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from comm import Ack, LogBase, Range, Records, Want, packed
from crdt import (
    ACTOR_BYTES,
    Address,
    Blob,
    Clock,
    MemoryRows,
    Operation,
    Request,
    RequestId,
    Rows,
    State,
)
from samebox.events import (
    Acknowledged,
    AppendFailed,
    Arrived,
    Asked,
    Batch,
    Event,
    LinkDown,
    LinkUp,
    Notice,
    Outcome,
    Ready,
    Reborn,
    Synced,
    Tick,
    Wanted,
    WorkEvent,
)
from samebox.history import History
from samebox.making import Place
from samebox.recovery import rebuild
from samebox.replica import Replica
from storage import DiskFull, Log, MemoryDisk

CLUSTER, SHARD = "example.org", "main"
RANGE_BYTES_MAX = 4096
"""Small, so that ranges are often sent in several pieces."""


def _is_held(blob: Blob) -> bool:
    return True


class SimNode:
    """One node: its disk outlives it, all else is lost when it is killed."""

    def __init__(self, name: str, members: Sequence[str], rows: Callable[[], Rows]) -> None:
        self.name = name
        self.members = tuple(members)
        self.disk = MemoryDisk()
        self.delivered: list[Operation] = []
        self.outcomes: dict[int, Outcome] = {}
        self.notices: list[Notice] = []
        self.outbox: list[tuple[int, Ack | Want | LogBase | Range]] = []
        self._rows = rows
        self._drawn = 0
        self.start()

    def start(self) -> None:
        self.work: deque[WorkEvent] = deque()
        self.batch: Batch | None = None
        self.log, _recovery = Log.open(
            self.disk, cluster=CLUSTER, shard=SHARD, entropy=self._entropy
        )
        state = State(self._rows())
        history = History(CLUSTER, SHARD, state.rows)
        self.delivered = list(rebuild(history, state, self.log.replay))
        self.log.set_heads({actor: head.encode() for actor, head in history.heads.items()})
        own = [actor for actor, born in history.births.items() if born.node == self.name]
        place = Place(SHARD, self.name, self.members)
        actor = own[-1] if own else None
        self.replica = Replica(place, history, state, actor, _is_held, has_blob=_is_held)
        if not own:
            self.tell(Reborn(self._entropy(ACTOR_BYTES), b"", 0, "first start"))

    def _entropy(self, length: int) -> bytes:
        """Never the same twice, and the same in every run."""
        self._drawn += 1
        return sha256(f"{self.name} {self._drawn}".encode()).digest()[:length]

    def tell(self, *events: Event) -> None:
        self._do(self.replica.step(events))

    def bring(self, event: WorkEvent) -> None:
        self.work.append(event)
        self.go_on()

    def go_on(self) -> None:
        """Start a batch with all the work that waits, if none is under way."""
        if self.work and self.replica.takes_work:
            work = list(self.work)
            self.work.clear()
            self._do(self.replica.step(work))

    def sync(self) -> None:
        """The disk ends the batch under way."""
        batch, self.batch = self.batch, None
        if batch is None:
            return
        try:
            records = self.log.absent(batch.records)
            if records:
                self.log.append(records, batch.heads)
        except DiskFull as error:
            self.tell(AppendFailed(batch.number, str(error)))
        else:
            self.tell(Synced(batch.number))
        self.go_on()

    def _do(self, ready: Ready) -> None:
        self.outbox += ready.send
        self.outcomes.update(ready.replies)
        self.notices += ready.notices
        self.delivered += ready.delivered
        if ready.append is not None:
            assert self.batch is None, "two batches under way"
            self.batch = ready.append
        if ready.mint is not None:
            self.tell(Reborn(self._entropy(ACTOR_BYTES), b"", 0, ready.mint))

    def read(self, span: Range) -> Iterable[Records]:
        """The range as messages: what the sender task does."""
        first = span.first
        while first <= span.last:
            run = self.log.read(span.actor, first, span.last, max_bytes=RANGE_BYTES_MAX)
            yield from packed((record, ()) for record in run)
            first = run[-1].seq + 1


class Nodes(dict[str, SimNode]):
    """By name. Raises LookupError for a name that the cluster was not made with."""

    def __missing__(self, name: str) -> SimNode:
        raise LookupError(f"expected one of the nodes {', '.join(self)}; found {name!r}")


class SimCluster:
    """Nodes by name, and between every two at most one link, first in first out each way."""

    def __init__(self, names: Sequence[str], rows: Callable[[], Rows] = MemoryRows) -> None:
        self.names = list(names)
        self.nodes = Nodes({name: SimNode(name, names, rows) for name in names})
        self._links: dict[int, tuple[str, str]] = {}
        self._queues: dict[tuple[int, str], deque[Ack | Want | LogBase | Records]] = {}
        self._next = 0
        self._token = 0

    # --- what a caller chooses -----------------------------------------------------------------

    def ask(
        self, name: str, request: Request, *, id: RequestId | None = None, copies: int = 1
    ) -> int:
        """Hand a request to a node; its outcome will stand in `nodes[name].outcomes[token]`."""
        self._token += 1
        identity = id or RequestId(b"sim-test", self._token)
        self.nodes[name].bring(Asked(self._token, request, identity, (), copies))
        return self._token

    def sync(self, name: str) -> None:
        self.nodes[name].sync()
        self._collect()

    def connect(self, one: str, other: str) -> None:
        if self._link(one, other) is not None:
            return
        self._next += 1
        link = self._next
        self._links[link] = (one, other)
        for mine, theirs in ((one, other), (other, one)):
            self._queues[link, mine] = deque()
            clock = dict(self.nodes[theirs].replica.clock)
            self.nodes[mine].tell(LinkUp(link, theirs, clock))
        self._collect()

    def cut(self, one: str, other: str) -> None:
        link = self._link(one, other)
        if link is None:
            return
        for name in self._links.pop(link):
            del self._queues[link, name]
            self.nodes[name].tell(LinkDown(link))

    def carry(self, one: str, other: str) -> bool:
        """Bring the oldest message from `one` to `other`; whether there was any."""
        self._collect()
        link = self._link(one, other)
        if link is None or not self._queues[link, other]:
            return False
        message = self._queues[link, other].popleft()
        match message:
            case Ack():
                self.nodes[other].tell(Acknowledged(link, message))
            case Want():
                self.nodes[other].tell(Wanted(link, message))
            case LogBase():
                raise AssertionError("no log is cut here")
            case Records():
                self.nodes[other].bring(Arrived(link, message))
        self._collect()
        return True

    def tick(self, name: str) -> None:
        self.nodes[name].tell(Tick())
        self._collect()

    def kill(self, name: str) -> None:
        """The process ends at once and starts again; what was not synced is gone."""
        node = self.nodes[name]
        for _link, ends in list(self._links.items()):
            if name in ends:
                self.cut(*ends)
        node.outbox.clear()
        node.start()

    def heal(self, rounds: int = 1000) -> None:
        """Connect all, and go on until nothing moves any more.

        Raises AssertionError where the nodes do not come to rest.
        """
        for place, one in enumerate(self.names):
            for other in self.names[place + 1 :]:
                self.connect(one, other)
        quiet = 0
        for _ in range(rounds):
            quiet = 0 if self._move() else quiet + 1
            if quiet > 2:
                return
            for name in self.names:
                self.tick(name)
        raise AssertionError(f"still moving after {rounds} rounds")

    def settle(self, name: str) -> None:
        """The disk of a node ends everything under way."""
        while self.nodes[name].batch is not None:
            self.sync(name)

    def count(self, name: str, mailbox: Address) -> int:
        """How many entries a mailbox shows at a node."""
        state = self.nodes[name].replica.state
        found = state.find(mailbox)
        return 0 if found is None else state.count(found.ids)

    def check_agreement(self) -> None:
        """Raises AssertionError where two nodes show different things."""
        digests = {name: node.replica.state.digest() for name, node in self.nodes.items()}
        if len(set(digests.values())) > 1:
            views = "\n".join(f"{n}: {x.replica.state.view()}" for n, x in self.nodes.items())
            raise AssertionError(f"the nodes do not agree:\n{views}")

    def clocks(self) -> list[Clock]:
        return [node.replica.clock for node in self.nodes.values()]

    # --- the mechanics -------------------------------------------------------------------------

    def _link(self, one: str, other: str) -> int | None:
        wanted = {self.nodes[one].name, self.nodes[other].name}
        for link, ends in self._links.items():
            if wanted == set(ends):
                return link
        return None

    def _collect(self) -> None:
        for name, node in self.nodes.items():
            for link, message in node.outbox:
                if link in self._links:
                    one, other = self._links[link]
                    target = self._queues[link, other if name == one else one]
                    target.extend(node.read(message) if isinstance(message, Range) else [message])
            node.outbox.clear()

    def _move(self) -> bool:
        moved = False
        for name in self.names:
            if self.nodes[name].batch is not None:
                self.sync(name)
                moved = True
        for one in self.names:
            for other in self.names:
                while one != other and self.carry(one, other):
                    moved = True
        return moved
