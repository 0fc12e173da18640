"""How much is kept because it is not stable, since when and because of whom.

An operator decides what follows: to wait for a silent member, or to take it off the node list.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crdt import Actor, Clock, StateLost, includes
from samebox.config import Limbo
from samebox.replica import Replica
from samebox.spelling import plural
from samebox.stability import held_back, lacking
from samebox.status import LimboStatus

DAY_S, MIB = 86_400, 1 << 20
LATER_VERSION = "an operation of a later version is here: upgrade this node"
LOST = "the state is lost, and is made again"
NEXT_START = "The next start tries again; nothing is lost meanwhile, and disk use grows"
FORKED = f"an actor has or had two histories (docs/forks.md). {NEXT_START}"
FOLDED_FURTHER = (
    "a member holds less than it did when something was forgotten last, or has not said yet what "
    "it holds since this node was started"
)


class Waited(Struct):
    """Since when something waits: `marked` was held here at `since_s`, and is not stable yet."""

    marked: Mapping[Actor, int] = {}
    since_s: float = 0.0

    def look(self, durable: Clock, stable: Clock, now_s: float) -> float:
        """To be called from time to time; how long the oldest has waited, or longer."""
        if includes(stable, self.marked):
            self.marked, self.since_s = dict(durable), now_s
        return 0.0 if includes(stable, durable) else now_s - self.since_s


def limbo_status(
    replica: Replica, seconds: float, average_bytes: int, bounds: Limbo
) -> LimboStatus:
    stable = replica.forgetting.stability.clock
    operations = lacking(stable, replica.clock)
    size = operations * average_bytes
    removals, blocked = _removals(replica, stable)
    return LimboStatus(
        dict(stable),
        operations,
        size,
        seconds,
        removals,
        held_back(replica.clock, replica.peers.holdings, replica.peers.strangers),
        blocked,
        tuple(_alarms(seconds if operations else 0.0, size, bounds)),
    )


def _removals(replica: Replica, stable: Clock) -> tuple[int, str]:
    """How many rows of removals wait, and what they wait for beside the clock. Who asks while the
    state is made again is told so: all else of a status does not need it."""
    state = replica.state
    try:
        waiting = state.rows.notes.rows_waiting()
    except StateLost:
        return 0, LOST
    if replica.forgetting.has_ended:
        return waiting, f"{replica.forgetting.failures[-1]}; report it. {NEXT_START}"
    if replica.forgetting.is_forked:
        return waiting, FORKED
    if state.has_unknown:
        return waiting, LATER_VERSION
    return waiting, "" if includes(stable, state.folded) else FOLDED_FURTHER


def _alarms(seconds: float, size: int, bounds: Limbo) -> list[str]:
    alarms: list[str] = []
    if seconds > bounds.age_days * DAY_S:
        alarms.append(f"operations have waited over {plural(bounds.age_days, 'day')} to be stable")
    if size > bounds.size_mib * MIB:
        alarms.append(f"over {bounds.size_mib} MiB of operations wait to be stable")
    return alarms
