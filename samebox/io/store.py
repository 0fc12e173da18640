"""What one shard keeps on disk, opened: the start of a shard, in the disk thread.

<data>/lock                         one process at a time
<data>/shards/<shard>/identity      who may mint dots here
<data>/shards/<shard>/log/          segments
<data>/shards/<shard>/packs/        blobs
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from crdt import ACTOR_BYTES, Actor, Blob, MemoryRows, State
from samebox.events import Batch, Notice, Reborn
from samebox.history import History
from samebox.making import Place
from samebox.recovery import rebuild
from samebox.replica import Replica
from storage import (
    Continue,
    Identity,
    Log,
    LogSize,
    NewActor,
    Packs,
    PacksSize,
    SecondCopy,
    StorageError,
    check_identity,
    continuity,
    load_identity,
    save_identity,
)
from storage.io import FileDisk

STORE_ID_BYTES = 16


class Store(Struct):
    """The open files of a shard, and the core that they gave. Used by the disk thread alone, but
    for `replica`. `birth` is set where a new actor has to be born before anything is written."""

    cluster: str
    place: Place
    key: bytes
    identity: Identity
    disk: FileDisk
    log: Log
    packs: Packs
    replica: Replica
    birth: Reborn | None
    notices: list[Notice]

    def entropy(self, length: int) -> bytes:
        return secrets.token_bytes(length)

    def append(self, batch: Batch) -> None:
        """Make a batch durable: its blobs first, one sync; then its records, one sync."""
        for blob in batch.blobs:
            self.packs.put(blob.hash, blob.data)
        self.packs.sync()
        records = self.log.absent(batch.records)
        if records:
            self.log.append(records, batch.heads)

    def mint(self, reason: str) -> Reborn:
        """A new actor, durable in the identity before it writes anything."""
        actor = self.entropy(ACTOR_BYTES)
        self.identity = replace(self.identity, actor=actor)
        save_identity(self.disk, self.identity)
        return Reborn(actor, self.key, time.time_ns() // 1_000_000, reason)

    def sizes(self) -> tuple[LogSize, PacksSize]:
        return self.log.size(), self.packs.size()

    def close(self) -> None:
        self.packs.close()
        self.log.close()
        self.disk.close()


def open_store(directory: Path, *, cluster: str, place: Place, key: bytes) -> Store:
    """Opens or makes the shard's files below the data directory, and rebuilds the core.

    Raises StorageError: another node's data, a later version's, or a disk that does not work.
    """
    root = directory / "shards" / place.shard
    for part in (root / "log", root / "packs"):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk = FileDisk(root)
    where = str(root / "identity")
    identity = load_identity(disk, where=where)
    if identity is not None:
        check_identity(identity, cluster=cluster, node=place.node, shard=place.shard, where=where)
    log, recovery = Log.open(
        FileDisk(root / "log"), cluster=cluster, shard=place.shard, entropy=os.urandom
    )
    packs, packs_recovery = Packs.open(
        FileDisk(root / "packs"), cluster=cluster, shard=place.shard, entropy=os.urandom
    )
    decision = continuity(
        identity, inode=disk.inode, second_copy=SecondCopy.NOT_CONFIGURED, recovery=recovery
    )
    identity, born_for = _next_identity(identity, decision, cluster, place, disk.inode)
    save_identity(disk, identity)
    replica = _rebuilt(cluster, place, log, identity.actor, _holder(packs))
    if replica.history.head(identity.actor).seq == 0:
        birth = Reborn(identity.actor, key, time.time_ns() // 1_000_000, born_for or "first start")
    else:
        birth = None
    problems = (*recovery.problems, *packs_recovery.problems)
    notices = [Notice(problem, alarm=True) for problem in problems]
    return Store(cluster, place, key, identity, disk, log, packs, replica, birth, notices)


def identity_owner(directory: Path) -> tuple[str, str] | None:
    """Cluster and node that a data directory belongs to; None where it is new.

    Raises ValueError where that cannot be read.
    """
    shards = directory / "shards"
    for root in sorted(shards.iterdir()) if shards.is_dir() else []:
        disk = FileDisk(root)
        try:
            identity = load_identity(disk, where=str(root / "identity"))
        except StorageError as error:
            raise ValueError(str(error)) from error
        finally:
            disk.close()
        if identity is not None:
            return identity.cluster, identity.node
    return None


def _rebuilt(
    cluster: str, place: Place, log: Log, actor: Actor, holds: Callable[[Blob], bool]
) -> Replica:
    history, state = History(cluster, place.shard), State(MemoryRows())
    for _ in rebuild(history, state, log.replay()):
        pass
    held = log.tips()
    heads = {
        name: head.encode() for name, head in history.heads.items() if head.seq == held[name].seq
    }
    log.set_heads(heads)
    own = actor if history.head(actor).seq else _last_own(history, place.node)
    return Replica(place, history, state, own, holds)


def _last_own(history: History, node: str) -> Actor | None:
    """The actor that this node wrote as last, as far as the log remembers."""
    own = [actor for actor, born in history.births.items() if born.node == node]
    return own[-1] if own else None


def _holder(packs: Packs) -> Callable[[Blob], bool]:
    def holds(blob: Blob) -> bool:
        if blob.chunks is None:
            return packs.has(blob.hash)
        if not packs.has(blob.chunks):
            return False
        listed = packs.get(blob.chunks)
        return all(packs.has(listed[at : at + 32]) for at in range(0, len(listed), 32))

    return holds


def _next_identity(
    identity: Identity | None,
    decision: Continue | NewActor,
    cluster: str,
    place: Place,
    inode: int,
) -> tuple[Identity, str]:
    """The identity of this start, and why its actor is a new one."""
    store = secrets.token_bytes(STORE_ID_BYTES) if identity is None else identity.store
    starts = 1 if identity is None else identity.starts + 1
    if isinstance(decision, NewActor):
        actor, reason = secrets.token_bytes(ACTOR_BYTES), "; ".join(decision.reasons)
    else:
        actor, reason = decision.actor, ""
    return (
        Identity(
            cluster=cluster,
            node=place.node,
            shard=place.shard,
            store=store,
            inode=inode,
            actor=actor,
            starts=starts,
        ),
        reason,
    )
