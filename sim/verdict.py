"""What is demanded once the faults are over: all come to rest, agree, and find it all again.

O1  no acknowledged operation is lost, unless every medium that its receipt names was
O3  after healing, all replicas converge within a bound
O4, O5  all show what the meaning of the operations says, no more and no less
O7  where logs are cut, no more is left of one than what came last
8   a crash after that changes nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from crdt import Actor, Blob, Dot, MemoryRows, Operation, State, View, covers
from samebox.history import History
from samebox.recovery import rebuild
from samebox.snapshotting import sound
from samebox.stability import reason_of
from sim.book import Violation
from sim.forks import Operator
from sim.host import Host
from sim.machine import LOG
from sim.shell import Shell
from sim.watch import ASKED, Watch
from sim.world import MILLISECOND, SECOND, World
from storage import DiskError, LogDamaged, StorageError

CONVERGENCE_US = 180 * SECOND
"""A start again, the longest back-off (30 s), silence (20 s) and a dial in vain (10 s), thrice."""
ALARMED_US = 60 * SECOND
"""Until an operator puts back what he took away: by then all get what they can without that."""
NEVER_US = 1 << 60
STARTS_MAX = 2
"""A spoilt identity ends a start, until somebody takes the file away."""
LOOK_US = 250 * MILLISECOND
CUTTING_US = 30 * SECOND
"""Until two snapshots were made and the log was cut, some times over."""
SEGMENTS_LEFT = 2

Oracle: TypeAlias = Callable[[Iterable[Operation]], View]
"""The view that a set of operations has, by the letter of docs/semantics.md."""


class Verdict:
    def __init__(self, world: World, hosts: Mapping[str, Host], watch: Watch) -> None:
        self._world = world
        self._hosts = hosts
        self._watch = watch
        self._operator = Operator(world, hosts, watch)

    def shells(self) -> list[Shell]:
        return [host.shell for host in self._hosts.values() if host.shell is not None]

    # --- O3 --------------------------------------------------------------------------------------

    def come_to_rest(self) -> int:
        """Go on until all agree; how long that took, in microseconds."""
        began = self._world.now
        rested_since: int | None = None
        while rested_since is None or self._world.now - rested_since < SECOND:
            self._start_again_who_stopped_an_actor()
            if self._world.now - began > ALARMED_US:
                self._put_back_what_no_snapshot_stands_for()
            is_ended = self._operator.end_forks(began)
            self._world.run(self._world.now + LOOK_US)
            if not is_ended or not self._is_at_rest():
                rested_since = None
            elif rested_since is None:
                rested_since = self._world.now
                for shell in self.shells():
                    shell.look(State.digest)
            if self._world.now - began > CONVERGENCE_US:
                raise Violation(self._world, "O3", self._odd_one(), self._difference())
        return rested_since - began

    def _start_again_who_stopped_an_actor(self) -> None:
        """What an operator does who reads the alarm: what was garbled is asked for again."""
        for shell in self.shells():
            if any(actor not in self._watch.forks for actor in shell.replica.history.stopped):
                shell.host.stop(f"{ASKED} to: actors are stopped")

    def _put_back_what_no_snapshot_stands_for(self) -> None:
        """What an operator does who took the first files of a log away and reads the alarm. The
        kept state tells what they held; beside an operation of a later version no snapshot is made
        of it, for whoever lacks that."""
        for shell in self.shells():
            if not (shell.store.wants_snapshot and shell.look(_has_unknown)):
                continue
            names = _taken_from_the_beginning(shell)
            if names:
                shell.host.stop(f"{ASKED} to: files of its log are put back")
                for name in names:
                    shell.host.machine.disk.put_back(name)

    def _is_at_rest(self) -> bool:
        shells = self.shells()
        if len(shells) < len(self._hosts) or any(shell.replica.is_busy for shell in shells):
            return False
        if any(self._is_slow_yet(shell) for shell in shells):
            return False
        clocks = [shell.replica.clock for shell in shells]
        return all(clock == clocks[0] for clock in clocks) and not self._lacking(shells)

    def _is_slow_yet(self, shell: Shell) -> bool:
        """A job that its disk began while it was slow takes as long as it was to: callers wait for
        it, and what they ask for is still to come."""
        return self._world.now < self._watch.calm_since[shell.name]

    def _lacking(self, shells: list[Shell]) -> list[str]:
        """Blobs that one node lacks and another one could give."""
        return [
            f"{shell.name} lacks {blob.hash.hex()[:8]}"
            for shell in shells
            for blob in shell.replica.missing.blobs()
            if any(other.store.packs.has(blob.hash) for other in shells)
        ]

    def _odd_one(self) -> str:
        down = [host.name for host in self._hosts.values() if not host.is_up]
        return down[0] if down else "all"

    def _difference(self) -> str:
        clocks = {
            shell.name: {actor.hex()[:8]: seq for actor, seq in sorted(shell.replica.clock.items())}
            for shell in self.shells()
        }
        lacking = self._lacking(self.shells())
        links = {shell.name: shell.links.connected() for shell in self.shells()}
        return f"no rest: clocks {clocks}, links {links}, {lacking}"

    # --- the whole --------------------------------------------------------------------------------

    def judge(self, oracle: Oracle | None) -> bytes:
        """Raises Violation; returns the digest of what all of them show."""
        self._check_all_answered()
        digest = self._agreed_digest()
        self._check_confirmed()
        self._check_blobs()
        if oracle is not None:
            self._check_meaning(oracle)
        self._check_bounded()
        self._check_restart(digest)
        return digest

    def _check_all_answered(self) -> None:
        for shell in self.shells():
            for waiting in self._watch.unanswered(shell):
                if waiting.asked.copies == 1:
                    text = f"request {waiting.asked.id} of {waiting.at_us / SECOND} s hangs"
                    raise Violation(self._world, "O6", shell.name, text)

    def _agreed_digest(self) -> bytes:
        shells = self.shells()
        digests = {shell.name: shell.replica.state.digest() for shell in shells}
        first = next(iter(digests.values()))
        for name, digest in digests.items():
            if digest != first:
                raise Violation(self._world, "O3", name, "equal clocks, different views")
        return first

    def _check_confirmed(self) -> None:
        clock = self.shells()[0].replica.clock
        lost_or_never_there = {**self._watch.suspect, **self._watch.liars}
        for told in self._watch.confirmed:
            for dot in told.dots:
                excused = all(node in lost_or_never_there for node in told.nodes)
                excused = excused or dot.actor in self._watch.forks
                if not covers(clock, dot) and not excused:
                    text = f"{dot} was confirmed as held by {', '.join(told.nodes)}; it is gone"
                    raise Violation(self._world, "O1", told.node, text)

    def _check_blobs(self) -> None:
        for shell in self.shells():
            missing = {blob.hash for blob in shell.replica.missing.blobs()}
            for blob, user in shell.look(lambda state: list(state.blobs())) or ():
                if any(blob.hash in dropped for dropped in self._watch.dropped.values()):
                    continue
                if blob.hash not in missing:
                    self._check_blob(shell, blob, user)
                elif not self._watch.suspect:
                    text = f"the blob of {user} is nowhere"
                    raise Violation(self._world, "O1", shell.name, text)

    def _check_blob(self, shell: Shell, blob: Blob, user: Dot) -> None:
        try:
            shell.store.packs.get(blob.hash)
        except StorageError as error:
            if shell.name not in self._watch.suspect:
                text = f"the blob of {user} is said to be here: {error}"
                raise Violation(self._world, "5", shell.name, text) from error

    def check_any_meaning(self, oracle: Oracle) -> None:
        """On the way: some node shows what it has delivered so far."""
        idle = [shell for shell in self.shells() if not shell.replica.is_busy]
        if idle:
            shell = self._world.random.choice(idle)
            held = self._known(shell.replica.clock)
            shown = shell.look(State.view)
            if held is not None and shown not in (None, oracle(held)):
                raise Violation(self._world, "O4, O5", shell.name, "shows what nobody did")

    def _check_meaning(self, oracle: Oracle) -> None:
        """At the first node whose log reads: damage that came last shows when it is read at all."""
        for shell in self.shells():
            try:
                held = self._held(shell)
            except (LogDamaged, DiskError) as error:
                if shell.name not in self._watch.suspect:
                    raise Violation(self._world, "8", shell.name, str(error)) from error
                continue
            if held is not None and shell.replica.state.view() != oracle(held):
                text = "the view is not what the operations mean"
                raise Violation(self._world, "O4, O5", shell.name, text)
            return

    def _held(self, shell: Shell) -> list[Operation] | None:
        """None where some were synced, no life lasted to say so, and the log has cut them off. Of a
        segment that is marked as damaged, only a start says what it has lost since. Raises
        LogDamaged."""
        clock = shell.replica.clock
        known = self._known(clock)
        if known is not None or shell.store.log.is_cut:
            return known
        held = self._read_again(shell)
        if len(held) < sum(clock.values()):
            raise LogDamaged("it does not hold all that is shown")
        return held

    def _known(self, clock: Mapping[Actor, int]) -> list[Operation] | None:
        """What the watch has seen of a clock. None where that is not all, or where two may write as
        one actor: then it may have seen one history of it, and the nodes agree upon the other."""
        if self._watch.forks.keys() & clock.keys():
            return None
        held = [op for dot, op in self._watch.operations.items() if covers(clock, dot)]
        return held if len(held) == sum(clock.values()) else None

    def _check_bounded(self) -> None:
        """All hold all. So whatever the log was, its last two segments are left."""
        if not any(host.habits.log_bytes_max is not None for host in self._hosts.values()):
            return
        self._world.run(self._world.now + CUTTING_US)
        for shell in self.shells():
            peers = shell.replica.peers
            if any(reason_of(one, peers.strangers) for one in peers.holdings):
                continue
            if shell.look(_has_unknown) or shell.store.log.missing():
                continue
            left = len(shell.store.log.segments())
            if left > SEGMENTS_LEFT:
                text = f"{left} segments are left of a log that all members hold"
                raise Violation(self._world, "O7", shell.name, text)

    def _read_again(self, shell: Shell) -> list[Operation]:
        state = State(MemoryRows())
        history = History(shell.store.cluster, shell.store.place.shard, state.rows)
        return list(rebuild(history, state, shell.store.log.replay))

    def _check_restart(self, digest: bytes) -> None:
        """Power fails everywhere, and every node finds on its own disk all that it held."""
        clock = dict(self.shells()[0].replica.clock)
        for host in self._hosts.values():
            host.lose_power(NEVER_US)
        for host in self._hosts.values():
            for _ in range(STARTS_MAX):
                host.start()
            if host.shell is None:
                raise Violation(self._world, "8", host.name, "does not start again")
            if host.name in self._watch.suspect:
                continue
            if host.shell.replica.clock != clock:
                raise Violation(self._world, "8", host.name, "the clock of a restart is another")
            if self._digest_of_restart(host) != digest:
                raise Violation(self._world, "8", host.name, "the view of a restart is another")

    def _digest_of_restart(self, host: Host) -> bytes | None:
        """A state that the power cut spoilt shows when it is read; the start after that makes it
        again."""
        for _ in range(STARTS_MAX):
            host.start()
            digest = None if host.shell is None else host.shell.look(State.digest)
            if digest is not None:
                return digest
            host.stop(f"{ASKED} to: its state was spoilt")
        return None


def _has_unknown(state: State) -> bool:
    return state.has_unknown


def _taken_from_the_beginning(shell: Shell) -> list[str]:
    """Files that lay right before those of the log, where no snapshot stands for what they held."""
    store, taken = shell.store, shell.host.machine.disk.taken
    try:
        if not taken or not store.log.is_cut or sound(store.log, store.disks.log):
            return []
    except StorageError:
        return []  # its node meets that, too
    name, found = store.log.segments()[0].name._replace(state="segment"), list[str]()
    while (text := LOG + (name := name._replace(number=name.number - 1)).text) in taken:
        found.append(text)
    return found
