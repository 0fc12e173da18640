"""The verification of a data directory that no node works on. It stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from samebox.control import Verified
from samebox.verifying import Findings, check_stopped, pages
from storage import Damaged, FileMissing, load_identity
from storage.io import LOCK_NAME, DirectoryLock, FileDisk

SHOW_BYTES = 4 << 20
"""Progress is told so often, and when something was found."""


def verified_directory(directory: Path, shard: str | None) -> Iterator[Verified]:
    """Shard by shard. Raises StorageError; DirectoryLocked while a node works on it."""
    roots = sorted(path for path in (directory / "shards").glob("*") if path.is_dir())
    chosen = [root for root in roots if shard in (None, root.name)]
    if not chosen:
        what = "a shard" if shard is None else f"the shard {shard}"
        raise FileMissing(
            f"{directory}: expected a data directory with {what}, found none; name the one that "
            "`data` in the node list says, as data/a, or none to verify the running node"
        )
    lock = DirectoryLock.acquire(directory) if (directory / LOCK_NAME).exists() else None
    try:
        for root in chosen:
            yield from _verified(root)
    finally:
        if lock is not None:
            lock.release()


def _verified(root: Path) -> Iterator[Verified]:
    disks = [FileDisk(path) for path in (root, root / "log", root / "packs")]
    try:
        where = str(root / "identity")
        identity = load_identity(disks[0], where=where)
        if identity is None:
            raise Damaged(f"{where}: is missing; without it nothing says whose data this is")
        total = sum(disk.size(name) for disk in disks[1:] for name in disk.names())
        found, told, shown = Findings(total=total), 0, 0
        steps = check_stopped(disks[1], disks[2], cluster=identity.cluster, shard=identity.shard)
        for portion in steps:
            found.add(portion)
            if portion.damages or found.bytes - shown >= SHOW_BYTES:
                yield from pages(root.name, found, told)
                told, shown = len(found.damages), found.bytes
        found.has_ended = True
        yield from pages(root.name, found, told)
    finally:
        for disk in disks:
            disk.close()
