"""The faults: each with a name, the numbers of docs/faults.md that it shows, and how often it is
drawn. A fault looks for where it can strike, strikes, and sets its own end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from sim.disk_faults import DISK_FAULTS
from sim.fault import Fault, Setting
from sim.forks import FORK_FAULTS
from sim.network_faults import NETWORK_FAULTS
from sim.process_faults import PROCESS_FAULTS
from sim.world import SECOND

FAULTS: tuple[Fault, ...] = (
    *NETWORK_FAULTS,
    *PROCESS_FAULTS,
    *DISK_FAULTS,
    *FORK_FAULTS,
)
CALM_ONE_IN = 12
FAULTS_MAX = 12
"""In one world: more of them leave nothing to stand on."""


class Struck(Struct, frozen=True):
    fault: Fault
    where: str


class Fate:
    """Draws which kinds of fault this world knows, how many strike, and when."""

    def __init__(self, setting: Setting, faults: Sequence[Fault] = FAULTS) -> None:
        random = setting.world.random
        self.setting = setting
        self.drawn: list[Fault] = []
        self.struck: list[Struck] = []
        known = [fault for fault in faults if random.randrange(3)] or list(faults)
        self._known = known
        is_calm = setting.world.chance(CALM_ONE_IN) or not faults
        self._count = 0 if is_calm else random.randrange(1, FAULTS_MAX + 1)

    def begin(self, duration_us: int) -> None:
        random = self.setting.world.random
        weights = [fault.weight for fault in self._known]
        for _ in range(self._count):
            (fault,) = random.choices(self._known, weights)
            self.drawn.append(fault)
            self.setting.world.later(random.randrange(SECOND, duration_us), self._strike(fault))

    def _strike(self, fault: Fault) -> Callable[[], None]:
        def strike() -> None:
            where = fault.strike(self.setting)
            if where is not None:
                self.setting.world.say("!", f"{fault.name} ({fault.text}): {where}")
                self.struck.append(Struck(fault, where))

        return strike
