"""When a node goes on as a new actor.

A node that lost operations which it wrote would use their dots twice; one whose data were copied
shares them with another node. A peer that holds such operations says so, in its greeting, in an
acknowledgement, or by sending them. Nothing can tell a witness from a liar before it is too late,
and a new actor costs one operation. So a peer is believed at once; and one that was believed so
often, and never sent what it spoke of, is believed no more. Whatever it says, nothing that this
node has written is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection

from crdt import Actor, Clock
from samebox.events import Asked, Doubt, Failure, LinkUp, Notice, Reborn, WorkEvent
from samebox.peers import Peers

CATCHING_UP = Failure(
    "this node began anew, and does not hold yet what all others do; ask again in some seconds, or "
    "another node"
)
CLAIMS_MAX = 4
"""New actors that one peer may cause without showing why, while this process lives. A node that is
really set back starts again, or takes its memory of this back with it."""


class Succession:
    """`reason` is why a new actor is asked for, `birth` the one that has come and is not durable.
    `actor` is always the one that this node writes as, `clock` what is durable here. `is_new`: the
    actor is one of this life of the node."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.reason: str | None = None
        self.birth: Reborn | None = None
        self._is_asked = True
        self.is_new = False
        self._notices: list[Notice] = []

    def mint(self) -> str | None:
        """Why a new actor is to be minted, once; after a tick without it, once more."""
        is_asked, self._is_asked = self._is_asked, True
        return None if is_asked else self.reason

    def tick(self) -> bool:
        """Whether a birth has come and is still to be made durable."""
        self._is_asked = False
        return self.birth is not None

    def came(self, birth: Reborn) -> None:
        self.reason, self.birth, self.is_new = None, birth, True

    def is_durable(self) -> None:
        self.birth = None

    def is_behind(self, clock: Clock) -> bool:
        """Whether what this node writes as a new actor would be taken by no one: it has to catch up
        with what the peers hold for good."""
        return self.is_new and not self._peers.takes_writes_on(clock)

    def notices(self) -> list[Notice]:
        """Since the last call."""
        notices, self._notices = self._notices, []
        return notices

    # --- What peers show -----------------------------------------------------------------------

    def greeted(self, event: LinkUp, actor: Actor | None) -> None:
        for dot in event.forked:
            if dot.actor == actor:
                self._claimed(event.link, actor, f"has another history of it, at {dot.seq}")
        for doubt in event.doubted:
            if doubt.actor == actor:
                self._claimed(event.link, actor, f"has operations of it up to {doubt.seq}")

    def acknowledged(self, link: int, actor: Actor | None, clock: Clock) -> None:
        """What the peer acknowledges of this node's actor, this node should have."""
        holding = self._peers.holding(link)
        if holding is None or actor is None or actor in holding.doubted:
            return
        seq = holding.clock.get(actor, 0)
        if seq > clock.get(actor, 0):
            holding.doubt(Doubt(actor, seq, b""))
            self._claimed(link, actor, f"has operations of it up to {seq}")

    def moved(self, actor: Actor | None, reached: Collection[Actor]) -> None:
        """This node took a snapshot over that has later operations of these actors."""
        if actor in reached and self.reason is None and self.birth is None:
            self.reason, self._is_asked = (
                "a snapshot has operations of it that it lost",
                False,
            )

    def takes(self, event: WorkEvent, actor: Actor | None, clock: Clock) -> bool:
        """Operations of this node's actor that this node does not know are taken once it writes as
        another one."""
        if isinstance(event, Asked):
            return True
        records = event.records
        if not self._peers.takes(event.link, records.actor):
            return False
        if actor is None or records.actor != actor or records.last <= clock.get(actor, 0):
            return True
        self._claimed(event.link, actor, f"sends operations of it up to {records.last}")
        return self.reason is not None or self.birth is not None

    def _claimed(self, link: int, actor: Actor, what: str) -> None:
        holding = self._peers.holding(link)
        if holding is None or self.reason is not None or self.birth is not None:
            return
        text = f"{holding.node} {what}, and this node has not ({actor.hex()[:8]})"
        if holding.claims < CLAIMS_MAX:
            holding.claims += 1
            self.reason, self._is_asked = text, False
        elif self._peers.unfit(link, actor, what):
            told = f"{text}; it has not shown what it said before, and is not believed"
            self._notices.append(Notice(told, alarm=True))
