"""Snapshots, read back whole, block by block."""

from __future__ import annotations

from collections.abc import Iterator

from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed, FileMissing
from storage.files import ASIDE, parse_name, set_state
from storage.findings import Damage, Portion
from storage.snapshot import SNAPSHOT, check_snapshot, read_beginning


def check_snapshots(disk: Disk) -> Iterator[Portion]:
    """Those there are now; one that a newer one replaces meanwhile is none any more."""
    for text in disk.names():
        name = parse_name(text, kind=SNAPSHOT, states=(SNAPSHOT,))
        if name is None:
            continue
        before = 0
        try:
            for read in check_snapshot(disk, read_beginning(disk, name)):
                yield Portion(bytes=read - before)
                before = read
        except FileMissing:
            if text in disk.names():
                raise
        except (Damaged, DiskReadFailed) as error:
            what = f"the snapshot is of no use: {error}"
            yield Portion(damages=(Damage(file=text, what=what),))


def set_snapshots_aside(disk: Disk, files: list[str]) -> None:
    """Those among `files` that are snapshots. Raises `DiskError`."""
    for text in [text for text in disk.names() if text in files]:
        name = parse_name(text, kind=SNAPSHOT, states=(SNAPSHOT,))
        if name is not None:
            set_state(disk, name, state=ASIDE)
