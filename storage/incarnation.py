"""Whether a start may go on minting dots as the actor of the last one: a pure decision.

The rule: the same actor goes on only where everything speaks for it. Two incarnations that mint
the same dot are the one corruption that clocks cannot see; a new actor costs 24 bytes per clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from storage.identity import Identity
from storage.recovery import Recovery


class SecondCopy(Enum):
    """Where there is no second copy to compare."""

    NOT_CONFIGURED = "not configured"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Continue:
    actor: bytes


@dataclass(frozen=True, slots=True)
class NewActor:
    """Mint an actor before any write. `reasons` are phrases for the operator; at least one."""

    reasons: tuple[str, ...]


NO_STATE: Final[Mapping[bytes, int]] = MappingProxyType({})


def continuity(
    identity: Identity | None,
    *,
    inode: int,
    second_copy: Identity | SecondCopy,
    recovery: Recovery,
    state_clock: Mapping[bytes, int] = NO_STATE,
) -> Continue | NewActor:
    """`inode` is that of the data directory now; `state_clock` what the kept state has applied."""
    if identity is None:
        return NewActor(("this data directory has no identity yet",))
    unfinished = "the start before this one did not end, and what it found is not known"
    reasons = (
        *([unfinished] if identity.is_starting else []),
        *_of_the_directory(identity, inode, second_copy),
        *_of_the_log(identity.actor, recovery, state_clock),
    )
    return NewActor(reasons) if reasons else Continue(identity.actor)


def _of_the_directory(
    identity: Identity, inode: int, second_copy: Identity | SecondCopy
) -> Iterator[str]:
    if identity.inode != inode:
        yield (
            f"the data directory is another one (inode {inode}, was {identity.inode}): "
            "a copy, or restored"
        )
    if second_copy is SecondCopy.MISSING:
        yield "the second copy of the identity is missing"
    elif isinstance(second_copy, Identity) and second_copy.store != identity.store:
        yield "the second copy of the identity is of another store"
    elif isinstance(second_copy, Identity) and second_copy != identity:
        yield (
            f"the second copy of the identity differs (start {second_copy.starts}, here "
            f"{identity.starts}): the data directory was put back as it was before"
        )


def _of_the_log(
    actor: bytes, recovery: Recovery, state_clock: Mapping[bytes, int]
) -> Iterator[str]:
    if recovery.cut is not None:
        yield f"{recovery.cut.size} bytes of a torn tail were cut from {recovery.cut.name}"
    for missing in recovery.missing:
        if missing.actor == actor:
            yield f"own records {missing.first} to {missing.last} are missing"
    if recovery.unidentified:
        yield f"records that nothing names were lost in {', '.join(recovery.unidentified)}"
    ends = {a: tip.seq for a, tip in recovery.tips.items()}
    behind = [a for a, seq in state_clock.items() if seq > ends.get(a, 0)]
    if behind:
        names = ", ".join(a.hex()[:8] for a in sorted(behind))
        yield f"the state has records of {names} that the log has not"
