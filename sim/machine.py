"""A machine: its disk, in three directories, and the power that can be cut."""

from __future__ import annotations

from copy import deepcopy

from msgspec import Struct

from samebox.store import Disks
from sim.disk import Directory, SimulatedDisk
from sim.pages import Draw
from sim.state_medium import Medium

ROOT, LOG, PACKS = "", "log/", "packs/"


class Copy(Struct, frozen=True):
    """What a backup or a snapshot of a machine holds."""

    disk: SimulatedDisk
    state: Medium


class Machine:
    """What outlives a process. `inode` changes with the medium, as that of a directory does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disk = SimulatedDisk()
        self.state = Medium()
        self.inode = 1

    def disks(self) -> Disks:
        disk = self.disk
        directories = (Directory(disk, ROOT), Directory(disk, LOG), Directory(disk, PACKS))
        return Disks(*directories, self.inode, f"/{self.name}")

    def replace_disk(self, disk: SimulatedDisk, state: Medium | None = None) -> None:
        """Another medium, empty or with what an older copy holds. The state that was there stays
        where there is no other: its folder may lie elsewhere."""
        self.disk = disk
        self.state = state or self.state
        self.inode += 1

    def become(self, copy: Copy) -> None:
        """A machine that is put back as a whole, and nothing in it shows that."""
        self.disk, self.state = copy.disk, copy.state

    def copy(self, draw: Draw) -> Copy:
        """What a snapshot takes while the node writes, as a power cut would leave it."""
        disk = deepcopy(self.disk)
        disk.lose_power(draw)
        disk.heal()
        return Copy(disk, self.state.copy(draw))

    def end_process(self, draw: Draw) -> None:
        self.disk.end_process()
        self.state.end_process(draw)

    def cut_power(self, draw: Draw) -> bool:
        """Whether the state was spoilt."""
        self.disk.lose_power(draw)
        return self.state.lose_power(draw)

    def remove(self, name: str) -> None:
        """An operator takes a file away."""
        self.disk.forget(name)

    def contents(self, prefix: str) -> dict[str, bytes]:
        """Of all files of a directory."""
        disk = self.disk
        names = [name for name in disk.names() if name.startswith(prefix)]
        return {name: disk.content(name, 0, disk.size(name)) for name in names}
