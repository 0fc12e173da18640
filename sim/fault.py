"""What every fault is, and what it may lay hands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from sim.host import Host
from sim.network import Network
from sim.watch import Watch
from sim.world import World


class Setting(Struct, frozen=True):
    """`is_cruel` where several media are damaged."""

    world: World
    network: Network
    hosts: Mapping[str, Host]
    watch: Watch
    clones: list[Host]
    is_cruel: bool

    def any_name(self) -> str:
        return self.world.random.choice(tuple(self.hosts))

    def any_host(self) -> Host:
        return self.hosts[self.any_name()]

    def any_running(self) -> Host | None:
        running = [host for host in self.hosts.values() if host.is_up and not host.is_paused]
        return self.world.random.choice(running) if running else None

    def any_doomed(self) -> Host:
        """Whose medium may be damaged: media die alone, but in cruel worlds."""
        suspects = [name for name in self.watch.suspect if name in self.hosts]
        if self.is_cruel or not suspects:
            return self.any_host()
        return self.hosts[suspects[0]]

    def any_pair(self) -> tuple[str, str]:
        one, other = self.world.random.sample(tuple(self.hosts), 2)
        return one, other


class Fault(Struct, frozen=True):
    """`strike` says where it struck, or None where it found no place to."""

    name: str
    numbers: tuple[str, ...]
    weight: int
    strike: Callable[[Setting], str | None]

    @property
    def text(self) -> str:
        return ", ".join(self.numbers)
