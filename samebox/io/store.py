"""A shard's files below the data directory, opened: the start of a shard, in the disk thread.

<data>/lock                         one process at a time
<data>/shards/<shard>/identity      who may mint dots here
<data>/shards/<shard>/log/          segments
<data>/shards/<shard>/packs/        blobs
<data>/shards/<shard>/state/        the rows of the state
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from samebox import store
from samebox.events import Notice
from samebox.io.sqlite_image import SqliteImages
from samebox.keeping import Kept
from samebox.making import Place
from samebox.store import Disks, Surroundings
from samebox.store import Store as Store
from storage import StorageError, load_identity
from storage.io import FileDisk


def open_store(
    directory: Path,
    tell: Callable[[Notice], None],
    *,
    cluster: str,
    place: Place,
    key: bytes,
) -> Store:
    """See samebox.store.open_store; the directories are made where they are missing."""
    root = directory / "shards" / place.shard
    for part in (root / "log", root / "packs", root / "state"):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk = FileDisk(root)
    disks = Disks(disk, FileDisk(root / "log"), FileDisk(root / "packs"), disk.inode, str(root))
    around = Surroundings(os.urandom, _now_ms, Kept(SqliteImages(root / "state")), tell=tell)
    try:
        return store.open_store(disks, around, cluster=cluster, place=place, key=key)
    except BaseException:
        disks.close()
        raise


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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
