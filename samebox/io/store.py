"""A shard's files below the data directory, opened: the start of a shard, in the disk thread.

<data>/lock                         one process at a time
<data>/shards/<shard>/identity      who may mint dots here
<data>/shards/<shard>/log/          segments
<data>/shards/<shard>/packs/        blobs
<data>/shards/<shard>/state/        the rows of the state
<data>/shards/<shard>/compared/     those of a second one, while a verification compares them
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from samebox import store
from samebox.events import Notice
from samebox.io.scratch import Scratch
from samebox.io.sqlite_image import SqliteImages
from samebox.keeping import Keeper, Kept
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
    keeper: Keeper | None = None,
) -> Store:
    """See samebox.store.open_store; the directories are made where they are missing."""
    root = shard_folder(directory, place.shard)
    for part in (root / "log", root / "packs", root / "state"):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    keeper = keeper or kept_in(directory, place.shard)
    disk = FileDisk(root)
    disks = Disks(disk, FileDisk(root / "log"), FileDisk(root / "packs"), disk.inode, str(root))
    scratch = Scratch(root / "compared", root / "state")
    scratch.drop()
    around = Surroundings(os.urandom, _now_ms, keeper, tell=tell, scratch=scratch)
    try:
        return store.open_store(disks, around, cluster=cluster, place=place, key=key)
    except BaseException:
        disks.close()
        keeper.close(is_whole=False)
        raise


def kept_in(directory: Path, shard: str) -> Keeper:
    """Who keeps the rows of a shard; whoever opens it may give up through that."""
    return Kept(SqliteImages(shard_folder(directory, shard) / "state"))


def shard_folder(directory: Path, shard: str) -> Path:
    return directory / "shards" / shard


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
