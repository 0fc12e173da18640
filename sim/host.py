"""A node over all its lives: the machine that stays, the process that comes and goes.

A process that died, or ended with a reason, is started again after a while, as a supervisor does
it; so is one whose start was refused. What a message tells an operator to do, the host does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from comm import Message, Records
from crdt import Actor, Rows
from samebox.events import Notice
from samebox.image import Image, MemoryImage
from samebox.keeping import Keeper, Kept, Unkept
from samebox.limits import Limits
from samebox.making import Place
from samebox.store import Surroundings, open_store
from samebox.write_back import Bounds
from sim.disk import PowerCut
from sim.liar import flipped, spoken
from sim.losable_rows import LosableRows
from sim.machine import Machine
from sim.network import Network
from sim.shell import Shell
from sim.state_medium import KeptImage, SimulatedImages
from sim.watch import ASKED, Watch
from sim.world import MILLISECOND, SECOND, Action, World
from storage import Damaged, StorageError

CLUSTER, SHARD = "example.org", "main"
BEGINNING_MS = 1_700_000_000_000
TURN_US_MIN = 20
AGAIN_US = SECOND
"""After a stop or a refused start, until the supervisor starts the node again."""


class Habits(Struct, frozen=True):
    """What differs between the worlds of two seeds without being a fault. Without `bounds` the rows
    of a state end with the process. With `upkeep` nodes make snapshots and verify; with
    `log_bytes_max` they cut their logs, too, which are kept so long for those who are away."""

    limits: Limits
    message_bytes: int
    buffer_bytes: int
    job_us: int
    turn_us: int
    compacts_us: int
    bounds: Bounds | None
    upkeep: bool = False
    log_bytes_max: int | None = None


class Host:
    def __init__(
        self,
        world: World,
        network: Network,
        watch: Watch,
        name: str,
        habits: Habits,
        table: Callable[[], Image] = MemoryImage,
    ) -> None:
        """`table` makes that in which an image of the state lies while a process lives. `members`,
        until somebody changes it, are all: its own node list, read at each start."""
        self.world = world
        self.network = network
        self.watch = watch
        self.name = name
        self.node = network.nodes[name]
        self.members: Sequence[str] = network.names
        self.machine = Machine(name)
        self.shell: Shell | None = None
        self.message_bytes = habits.message_bytes
        self.is_paused = False
        self.is_deaf = False
        self.is_set_back = False
        self.copy: Host | None = None
        self.dies_in = 0
        self.dies_in_start = 0
        self.garbles = 0
        self.lies = 0
        self.novelties = 0
        self.actor_at_start: Actor | None = None
        self.slow_us = 0
        self.clock_offset_ms = 0
        self.starts = 0
        self.refused_starts = 0
        self.habits = habits
        self._state: SimulatedImages | LosableRows | None = None
        self._table = table
        self._start_is_due = False
        self._is_retired = False

    # --- Life ------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        return self.shell is not None

    def start(self) -> None:
        """A refused start is tried again later."""
        if self.shell is not None or self._is_retired:
            return
        self._start_is_due = False
        self.network.is_off.pop(self.name, None)
        around = Surroundings(
            self.world.random.randbytes,
            self.wall_clock_ms,
            self._keeper(),
            self.habits.limits,
            self._note_start,
        )
        place = Place(SHARD, self.node, tuple(self.members))
        self._die_in_start()
        try:
            store = self.watch.opening(
                self,
                lambda: open_store(
                    self.machine.disks(), around, cluster=CLUSTER, place=place, key=b""
                ),
            )
        except StorageError as error:
            self._refuse(error)
        except PowerCut:
            self.lose_power()
        else:
            self.starts += 1
            self.refused_starts = 0
            self.world.say(self.name, f"started, start {self.starts}")
            self.shell = Shell(self, store)
            self.actor_at_start = store.replica.actor
            self.watch.started(self.shell)
            if self.shell is not None:
                self.shell.begin()

    def _die_in_start(self) -> None:
        """Or soon after it, where it does not do as much."""
        at, self.dies_in_start = self.dies_in_start, 0
        if at:
            self.machine.disk.crash_at = self.machine.disk.operations + at

    def _keeper(self) -> Keeper:
        bounds = self.habits.bounds
        if bounds is None:
            return Unkept(self._make_rows)
        self._state = SimulatedImages(self.machine.state, self._write_later, self._table)
        return Kept(self._state, bounds)

    def _make_rows(self) -> Rows:
        self._state = LosableRows()
        return self._state

    def _write_later(self, written: Action) -> None:
        self.world.later(self.job_us(), written)

    def fail_state(self, fails_in: int | None) -> None:
        """After so many more readings or writings of it; or never."""
        match self._state:
            case LosableRows() as rows:
                rows.fails_in = fails_in
            case SimulatedImages(image=KeptImage() as image):
                image.fails_in = fails_in
            case _:
                pass

    def _refuse(self, error: StorageError) -> None:
        self.refused_starts += 1
        self.world.say(self.name, f"start refused: {type(error).__name__}: {error}")
        self.machine.state.end_process(self.world.random.randrange)
        self.watch.start_refused(self, error)
        if isinstance(error, Damaged) and "identity" in str(error):
            self.machine.remove("identity")
        self.start_later(AGAIN_US)

    def start_later(self, delay_us: int) -> None:
        if not self._start_is_due:
            self._start_is_due = True
            self.world.later(delay_us, self._start_if_due)

    def _start_if_due(self) -> None:
        if self._start_is_due:
            self.start()

    def kill(self, again_us: int) -> None:
        """The process ends at once; its system goes on, closes its connections, keeps its cache."""
        if self.shell is not None:
            self.world.say(self.name, "killed")
            self.shell.do_part_of_a_job()
            self._end()
        self.start_later(again_us)

    def kill_at_work(self) -> None:
        """In the middle of what it does: killed, or without power."""
        if self.world.chance(2):
            self.kill(AGAIN_US)
        else:
            self.lose_power()

    def lose_power(self, again_us: int = AGAIN_US) -> None:
        """The machine is off: peers hear nothing at all, and of unsynced writes any part stays."""
        self.world.say(self.name, "power lost")
        if self.shell is not None and not self.machine.disk.is_crashed:
            self.shell.do_part_of_a_job()
        if self.machine.cut_power(self.world.random.randrange):
            self.world.say(self.name, "the state is spoilt")
            self.watch.disk_trouble(self.name)
        self.network.is_off[self.name] = None
        for side in self.network.sides_of(self.name):
            side.vanish()
        self._end()
        self.start_later(again_us)

    def stop(self, reason: str, again_us: int = AGAIN_US) -> None:
        """The process ends by itself and says why, as after SIGTERM."""
        if self.shell is None:
            return
        self.world.say(self.name, f"stops: {reason}")
        self.watch.stopped(self, reason)
        try:
            self.shell.store.close()
        except StorageError as error:
            self.world.say(self.name, f"could not close: {error}")
        except PowerCut:
            self.lose_power()
            return
        self._end()
        self.start_later(again_us)

    def _end(self) -> None:
        shell, self.shell = self.shell, None
        self.machine.end_process(self.world.random.randrange)
        self.is_paused = False
        self.dies_in = 0
        self.network.unlisten(self.name)
        if shell is not None:
            shell.die()
            self.watch.ended(shell)
        for side in self.network.sides_of(self.name):
            side.close()

    def retire(self) -> None:
        """Never to be started again."""
        self.kill(AGAIN_US)
        self._is_retired = True

    def pause(self) -> None:
        self.is_paused = self.shell is not None

    def go_on(self) -> None:
        self.is_paused = False
        if self.shell is not None:
            self.shell.go_on()

    def slow_by(self, slow_us: int) -> None:
        """From the next job on: one that is under way takes as long as it was to."""
        self.watch.disturbed(self.name, self.world.now + self.slow_us)
        self.slow_us = slow_us

    def listen_again(self) -> None:
        """No longer deaf: take what has come meanwhile."""
        self.is_deaf = False
        if self.shell is not None:
            self.shell.links.have_room()

    def heal(self) -> None:
        """No fault acts any more; damage that was done stays."""
        self.machine.disk.heal()
        self.slow_by(0)
        self.clock_offset_ms = 0
        self.garbles = self.dies_in = self.dies_in_start = self.novelties = 0
        if self.lies:
            self.stop_lying()
        self.fail_state(None)
        if self.shell is not None:
            self.shell.scarcity.left = None
        self.listen_again()
        self.go_on()
        self.start()

    def stop_lying(self) -> None:
        """It is mended and started again: what it has claimed ends with its connections."""
        self.lies = 0
        self.stop(f"{ASKED} to: it lied")

    def spoken(self, message: Message) -> list[Message]:
        """What goes out where its process says `message`."""
        if self.lies:
            self.lies -= 1
            said = spoken(message, self.world.random, cluster=CLUSTER, shard=SHARD)
            self.world.say(self.name, f"lies: {type(message).__name__}, {len(said)} messages")
            if not self.lies:
                self.world.later(MILLISECOND, self.stop_lying)
            return said
        if self.garbles and isinstance(message, Records):
            self.garbles -= 1
            self.world.say(self.name, f"garbles {message.actor.hex()[:8]} from {message.first}")
            return [flipped(message, self.world.random)]
        return [message]

    def may_write(self) -> bool:
        return not self._must_be_told() and not self._is_behind_its_copy()

    def _must_be_told(self) -> bool:
        """Not as the actor as which it wrote what it has lost, until a peer has shown it that."""
        if self.is_set_back and self.shell is not None:
            replica, actor = self.shell.replica, self.actor_at_start
            self.is_set_back = replica.actor == actor and not any(
                actor is not None and held.clock.get(actor, 0) > replica.clock.get(actor, 0)
                for held in replica.peers.holdings
            )
        return self.is_set_back

    def _is_behind_its_copy(self) -> bool:
        """Where logs are cut, nothing beside a running copy, nor without what that may have said
        it holds: both have one name, and the others forget for it."""
        if self.copy is None or self.shell is None or self.habits.log_bytes_max is None:
            return False
        if not self.copy._is_retired:
            return True
        durable, clock = self.watch.durable, self.shell.replica.clock
        others = [durable[name] for name in self.network.names if name != self.name]
        return any(
            clock.get(actor, 0) < min(seq, max(held.get(actor, 0) for held in others))
            for actor, seq in durable[self.copy.name].items()
        )

    # --- What the process asks of its machine -----------------------------------------------------

    def job_us(self) -> int:
        """How long the next job of the disk takes."""
        return self.world.between(50, self.habits.job_us) + self.slow_us

    def turn_us(self) -> int:
        """How long its process waits for the next turn of its loop."""
        return TURN_US_MIN + self.world.below(self.habits.turn_us - TURN_US_MIN)

    def wall_clock_ms(self) -> int:
        return BEGINNING_MS + self.world.now // MILLISECOND + self.clock_offset_ms

    def _note_start(self, notice: Notice) -> None:
        self.note(notice)
        if notice.alarm:
            self.watch.alarmed[self.name] = None

    def note(self, notice: Notice) -> None:
        self.watch.fork_is_told |= notice.alarm and "histor" in notice.text
        self.world.say(self.name, f"{'ALARM' if notice.alarm else 'note'}: {notice.text}")
