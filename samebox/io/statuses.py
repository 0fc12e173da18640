"""What a running shard says of itself."""

from __future__ import annotations

import trio

from samebox.config import Limbo
from samebox.io.refusals import Refusals
from samebox.io.standing import Standings
from samebox.io.store import Store
from samebox.limbo import Waited, limbo_status
from samebox.replica import Replica
from samebox.status import ShardStatus


class Statuses:
    """`sizes` are looked at in the disk thread, now and then."""

    def __init__(
        self, store: Store, standings: Standings, bounds: Limbo, refusals: Refusals
    ) -> None:
        self.sizes = store.sizes()
        self._store = store
        self._standings = standings
        self._bounds = bounds
        self._refusals = refusals
        self._waited = Waited()

    def look(self, replica: Replica) -> float:
        """How long the oldest of what is not stable has waited; to be asked from time to time."""
        stable = replica.forgetting.stability.clock
        return self._waited.look(replica.clock, stable, trio.current_time())

    def of(self, replica: Replica) -> ShardStatus:
        log, packs = self.sizes
        in_log = sum(replica.clock.values()) - sum(replica.peers.base.values())
        average = log.bytes // in_log if in_log > 0 else 0
        return ShardStatus(
            replica.place.shard,
            replica.place.node,
            replica.actor,
            dict(replica.clock),
            log.bytes,
            log.segments,
            packs.bytes,
            packs.blobs,
            replica.history.waiting,
            len(replica.missing),
            replica.stopped(),
            self._standings.status(replica.peers, replica.clock, average),
            limbo_status(replica, self.look(replica), average, self._bounds),
            "; ".join(filter(None, (self._refusals.trouble, self._store.keeper.trouble))),
        )
