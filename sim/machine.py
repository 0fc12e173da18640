"""A machine: its disk, in three directories, and the power that can be cut."""

from __future__ import annotations

from copy import deepcopy

from samebox.store import Disks
from sim.disk import Directory, SimulatedDisk
from sim.pages import Draw

ROOT, LOG, PACKS = "", "log/", "packs/"


class Machine:
    """What outlives a process. `inode` changes with the medium, as that of a directory does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disk = SimulatedDisk()
        self.inode = 1

    def disks(self) -> Disks:
        disk = self.disk
        directories = (Directory(disk, ROOT), Directory(disk, LOG), Directory(disk, PACKS))
        return Disks(*directories, self.inode, f"/{self.name}")

    def replace_disk(self, disk: SimulatedDisk) -> None:
        """Another medium, empty or with what an older copy holds."""
        self.disk = disk
        self.inode += 1

    def copy_of_disk(self, draw: Draw) -> SimulatedDisk:
        """What a snapshot takes while the node writes, as a power cut would leave it."""
        copy = deepcopy(self.disk)
        copy.lose_power(draw)
        copy.heal()
        return copy

    def cut_power(self, draw: Draw) -> None:
        self.disk.lose_power(draw)

    def remove(self, name: str) -> None:
        """An operator takes a file away."""
        self.disk.forget(name)

    def contents(self, prefix: str) -> list[bytes]:
        """Of all files of a directory."""
        disk = self.disk
        names = [name for name in disk.names() if name.startswith(prefix)]
        return [disk.content(name, 0, disk.size(name)) for name in names]
