"""The seam: what goes into the core of a shard, and the work that comes out of it.

    replica.step(events) -> Ready

The shell gives what happened; the core answers with what to do. Nothing else crosses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from msgspec import Struct
from typing_extensions import override

from comm import Ack, LogBase, Range, Records, Want
from crdt import Actor, Blob, Dot, Operation, Record, Request, RequestId
from samebox.spelling import shown_shard_clock


class Carried(NamedTuple):
    """The bytes of a small blob that travel beside an operation; `hash` is what they hash to."""

    hash: bytes
    data: bytes


# --- Events: what happened -----------------------------------------------------------------


class Reborn(Struct, frozen=True):
    """A new actor was minted, and is durable in the identity of this node: at the first start, or
    because continuity could not be proved, or for Ready.mint. It is born before anything else is
    written."""

    actor: Actor
    key: bytes
    time_ms: int
    reason: str


class Asked(Struct, frozen=True, gc=False):
    """A request from a local channel. `token` names the caller; `copies` is how many members
    have to hold it, and its blobs where that is more than one, before the caller is told; it is
    synced here then. The bytes of its blobs are either in `carried` or already in the packs."""

    token: int
    request: Request
    id: RequestId
    carried: tuple[Carried, ...] = ()
    copies: int = 1
    principal: str = ""
    time_ms: int = 0


class WaitAsked(Struct, frozen=True):
    """Tell `token` when `copies` members hold all of `clock` and its blobs, and its operations are
    synced here: for one copy, that is enough."""

    token: int
    clock: Mapping[Actor, int]
    copies: int = 1


class Abandoned(Struct, frozen=True):
    """The caller's deadline has passed, or it is gone: it is told what holds by now."""

    token: int


class Doubt(NamedTuple):
    """A peer holds `actor` up to `seq`, with this chain; this node does not."""

    actor: Actor
    seq: int
    chain: bytes


class LinkUp(Struct, frozen=True):
    """The handshake with `peer` is done; `clock` and `missing` are what it says it holds.

    `forked` lists the actors of which the peer has another history. `doubted` is where the peer is
    with actors of this node of which it has later operations: what this node has written may be
    another history. `same_members` is false where the two work with different member lists.
    """

    link: int
    peer: str
    clock: Mapping[Actor, int]
    missing: tuple[Dot, ...] = ()
    more_missing: bool = False
    forked: tuple[Dot, ...] = ()
    doubted: tuple[Doubt, ...] = ()
    same_members: bool = True


class LinkDown(Struct, frozen=True):
    link: int


OWN_LOG = 0
"""No link has this number."""


class Arrived(Struct, frozen=True, gc=False):
    """Operations from a peer, with the small blobs that travel beside them; or from `OWN_LOG`."""

    link: int
    records: Records


class Acknowledged(Struct, frozen=True, gc=False):
    link: int
    ack: Ack


class Wanted(Struct, frozen=True):
    link: int
    want: Want


class PeerLogBegins(Struct, frozen=True):
    """The peer cannot send operations up to `base`, and takes none that was made without what it
    has `folded`: see LogBase."""

    link: int
    base: Mapping[Actor, int]
    folded: Mapping[Actor, int] = {}


class RangeSent(Struct, frozen=True):
    """The shell has written these many bytes of a range; it counts against the link's window."""

    link: int
    range: Range
    length: int


class Synced(Struct, frozen=True):
    """Batch `number` and its blobs are durable."""

    number: int


class AppendFailed(Struct, frozen=True):
    """Nothing of batch `number` is in the log, nor ever will be. `forked` is a record in it of
    another history than the log has, if that is why; those of its actor up to `sound` may join what
    the log has. Otherwise the disk has refused it, and the shell says so to the operator.
    """

    number: int
    reason: str
    forked: Dot | None = None
    sound: int = 0


class LogBegins(Struct, frozen=True):
    """The first records of the log went: of each actor, those up to `base` cannot all be read any
    more. What was `folded` in every snapshot that is kept is forgotten for good."""

    base: Mapping[Actor, int]
    folded: Mapping[Actor, int]


class BlobStored(Struct, frozen=True):
    """The blob is durable here, all its chunks included."""

    hash: bytes


class Tick(Struct, frozen=True):
    """Time goes by: what was not answered is asked again, and operations that no direct path has
    brought are forwarded."""


WorkEvent: TypeAlias = Asked | Arrived
"""What may make operations. The shell hands these in only while no batch is under way."""

Event: TypeAlias = (
    WorkEvent
    | Reborn
    | WaitAsked
    | Abandoned
    | LinkUp
    | LinkDown
    | Acknowledged
    | Wanted
    | RangeSent
    | Synced
    | AppendFailed
    | BlobStored
    | LogBegins
    | PeerLogBegins
    | Tick
)


# --- Outcomes: what a caller is told ---------------------------------------------------------
#
# As text they are for people: ids as everywhere, and a receipt as `samebox wait` takes it.

SHOWN_MAX = 5
"""Operations that an outcome names one by one."""


class Receipt(Struct, frozen=True, gc=False):
    """Names what was done: any node that holds `clock` of `shard` shows it."""

    shard: str
    clock: Mapping[Actor, int]

    @override
    def __str__(self) -> str:
        return shown_shard_clock(self.shard, self.clock)


class Done(Struct, frozen=True, gc=False):
    """`dots` are the operations of the request; `nodes` the members known to hold them."""

    receipt: Receipt
    dots: tuple[Dot, ...]
    nodes: tuple[str, ...]

    @override
    def __str__(self) -> str:
        return f"done{_named(self.dots)}, held by {', '.join(self.nodes)}"


class Late(Struct, frozen=True, gc=False):
    """The deadline passed first. What `nodes` hold stays; nothing is undone."""

    receipt: Receipt
    dots: tuple[Dot, ...]
    nodes: tuple[str, ...]

    @override
    def __str__(self) -> str:
        held = ", ".join(self.nodes) or "no node that this one knows of"
        return f"late{_named(self.dots)}, held by {held} when the deadline passed"


class Refusal(Struct, frozen=True, gc=False):
    """The request cannot be done as asked; nothing has changed."""

    code: str
    message: str

    @override
    def __str__(self) -> str:
        return f"refused ({self.code}): {self.message}"


class Failure(Struct, frozen=True, gc=False):
    """This node could not do it now (disk full, say); nothing has changed; try again later."""

    reason: str

    @override
    def __str__(self) -> str:
        return f"failed, nothing was changed: {self.reason}"


Outcome: TypeAlias = Done | Late | Refusal | Failure


def _named(dots: tuple[Dot, ...]) -> str:
    if len(dots) > SHOWN_MAX:
        return f": {len(dots)} operations"
    return f": {', '.join(map(str, dots))}" if dots else ""


# --- Ready: the work that follows --------------------------------------------------------------


class Notice(Struct, frozen=True):
    """A line for the log; `alarm` where an operator has to look."""

    text: str
    alarm: bool = False


class Batch(Struct, frozen=True):
    """Records to append in this order, after `blobs` are in the packs: one sync for each.

    `heads` gives, for every actor in the batch, its encoded head after its last record. `unread` is
    what may be taken of the own log then: the first of it that is held comes back, as from a peer.
    """

    number: int
    records: list[Record]
    heads: dict[Actor, bytes]
    blobs: list[Carried]
    unread: list[Range] = []


class Ready(Struct):
    """The work that follows a step. What holds of it, whatever the faults:

    1. `step` depends on the replica and the events alone.
    2. `append` is to be written in order; `Synced(number)` is reported after the sync, in order,
       never early.
    3. Nothing leaves the node, and no caller is told Done, before the operation it speaks of is
       synced here: `send` and `replies` speak of synced operations only.
    4. The state shown to readers never runs ahead of the synced log; the effect of an operation
       and the clock advance in one transaction.
    5. `send` may be lost, doubled or delayed. An acknowledgement names only what is synced, and
       lists the operations whose blobs are not held.
    6. Delivery is causal and exactly once per dot, also across a crash at any instant.
    7. A tick may come late; it changes latency, never an outcome.
    8. A crash loses only what was not synced. Recovery replays the log.
    9. Every buffer has a bound. At the bound local work waits, or is refused at once where what
       it waits for is another member; remote work is dropped and asked for again.
    10. No record of a peer can end the process: every well-formed operation has a defined effect;
       one that is ill-formed is not taken, whoever sends it; its actor waits there, and nothing
       else does.
    11. At most one batch is between `append` and `Synced`; no WorkEvent is given meanwhile, nor
       between `mint`, the reason for which a new actor is asked for, and its Reborn. It is asked
       for at every tick until it comes: the shell mints one at a time. On
       AppendFailed the core is back at the last sync: no dot was used, callers get the error,
       operations of others are asked for again.
    12. Per batch, blobs are written and synced before the log. `send` holds small messages, and
       ranges that the shell reads from the log. `unread` is at a tick, where no batch is under way,
       what it is in a batch.
    13. A state that cannot be read raises StateLost; nothing else of the world crosses `step`. The
       shell then waits for the disk, makes history and state again from the log, and hands them to
       `restored`, whose Ready goes on where that of the step ended. Where that raises StateLost,
       the same is done again.
    """

    append: Batch | None = None
    mint: str | None = None
    send: list[tuple[int, Ack | Want | LogBase | Range]] = []
    replies: list[tuple[int, Outcome]] = []
    fetch: list[Blob] = []
    unread: list[Range] = []
    notices: list[Notice] = []
    delivered: list[Operation] = []
