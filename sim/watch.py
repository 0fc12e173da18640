"""What is checked while a world runs: the promises above samebox.events.Ready, and what holds
after every fault. Every check is small and looks at what just happened; `sim.verdict` looks at
the whole when the world has come to rest.

    O1  no acknowledged operation is lost, unless every medium that its receipt names was
    O2  no dot ever has two contents
    O6  a process is up, or down with a stated reason; never hung
    O7  what waits is bounded
    O8  what happens to one node costs the others nothing
    3, 4, …   the promise of that number
    R9  nothing is forgotten that an operation needs, unless a member lost what it held
    R10 a repeated request has one effect
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from comm import WAITING_MAX
from crdt import Dot, Operation, State, StateLost
from samebox.events import AppendFailed, Event, LogBegins, Ready, Synced
from samebox.forgetting import ForgotTooMuch
from samebox.retention import is_quorum
from samebox.starting import Restored
from sim.book import Life
from sim.caller_checks import CallerChecks
from sim.disk_checks import DiskChecks
from sim.link_checks import LinkChecks
from sim.scarcity import OutOfMemory

if TYPE_CHECKING:
    from sim.host import Host
    from sim.shell import Shell

CONTROL_MAX = 4096
"""Control events between two steps: far above what a second of a small world can make."""
BATCH_ENDS = (Synced, AppendFailed)
ASKED = "asked"
"""What the reason of a stop begins with that somebody asked for."""


class Watch(DiskChecks, LinkChecks, CallerChecks):
    # --- Lives ---------------------------------------------------------------------------------

    def started(self, shell: Shell) -> None:
        self.lives[shell.name] = Life(dict(shell.replica.clock))
        self.calm_since[shell.name] = self.world.now
        self.check_start(shell)
        self._check_state(shell)

    def stopped(self, host: Host, reason: str) -> None:
        if reason.startswith(ForgotTooMuch.__name__):
            return  # looked at in `step`
        if host.name not in self.troubled and not reason.startswith(ASKED):
            raise self.broken("O6", host.name, f"stopped: {reason}")

    def ended(self, shell: Shell) -> None:
        self.lives.pop(shell.name, None)

    # --- Steps of the core ---------------------------------------------------------------------

    def step(self, shell: Shell, events: Sequence[Event]) -> Ready:
        life = self.lives[shell.name]
        try:
            ready = shell.replica.step(events)
        except ForgotTooMuch as error:
            self._forgot(shell, error)
            raise
        except StateLost as error:
            if shell.name not in self.troubled:
                text = f"a state that nothing happened to is lost: {error}"
                raise self.broken("13", shell.name, text) from error
            raise
        except OutOfMemory:
            raise
        except Exception as error:
            raise self.broken("10", shell.name, f"a step raised {error!r}") from error
        has_ended = self._check_batches(shell, life, events, ready)
        for operation in ready.delivered:
            self._check_delivered(shell, life, operation)
        for token, outcome in ready.replies:
            self.replied(shell, life, token, outcome)
        if has_ended and not shell.replica.is_busy:
            self._check_state(shell)
            if life.delivered != shell.replica.clock:
                raise self.broken("6", shell.name, "the clock is not that of what was delivered")
        self._check_stopped(shell)
        self._check_bounds(shell)
        return ready

    def restored(self, shell: Shell, made: Restored) -> Ready:
        """The batch that was under way has ended without a word."""
        life = self.lives[shell.name]
        if life.batch is not None:
            life.dropped.append(life.batch)
        life.batch = None
        if made.is_moved:
            self.last_batches[shell.name].goes_on(shell.store.log)
        self.found_behind_holes(shell, [operation.dot for operation in made.beyond])
        ready = self._gone_on(shell, made)
        if ready.append is not None:
            life.batch = ready.append.number
        for operation in ready.delivered:
            self._check_delivered(shell, life, operation)
        for token, outcome in ready.replies:
            self.replied(shell, life, token, outcome)
        if not shell.replica.is_busy:
            self._check_state(shell)
        return ready

    def adopted(self, shell: Shell, made: Restored) -> Ready:
        """A snapshot of a peer was taken over: nothing that was here is gone."""
        life, clock = self.lives[shell.name], dict(made.history.clock)
        durable = self.durable[shell.name]
        gone = [Dot(a, seq) for a, seq in durable.items() if clock.get(a, 0) < seq]
        if gone:
            names = ", ".join(map(str, gone))
            raise self.broken("O1", shell.name, f"gone with a snapshot of a peer: {names}")
        for actor, head in made.history.heads.items():
            if actor in self.forks:
                continue
            if self.chains[actor][head.seq - 1] != head.chain:
                text = f"{Dot(actor, head.seq)} of a snapshot has two contents"
                raise self.broken("O2", shell.name, text)
        durable.update(clock)
        self.last_batches[shell.name].goes_on(shell.store.log)
        life.delivered = dict(clock)
        self.adoptions += 1
        ready = self._gone_on(shell, made)
        if ready.append is not None:
            life.batch = ready.append.number
        for token, outcome in ready.replies:
            self.replied(shell, life, token, outcome)
        if not shell.replica.is_busy:
            self._check_state(shell)
        return ready

    def _gone_on(self, shell: Shell, made: Restored) -> Ready:
        try:
            return shell.replica.restored(made)
        except ForgotTooMuch as error:
            self._forgot(shell, error)
            raise

    def _forgot(self, shell: Shell, error: ForgotTooMuch) -> None:
        if not self.suspect and not self.liars and not self.lists_differ:
            text = f"what was forgotten is needed, and no member went back: {error}"
            raise self.broken("R9", shell.name, text) from error
        self.unfolded += 1

    def not_adopted(self, shell: Shell, why: str) -> None:
        """Some need a person: where a member went back, or lists differed. Else none does."""
        may_need = self.suspect or self.lists_differ
        if "move its data directory away" in why and not may_need:
            raise self.broken("O3", shell.name, f"a snapshot is refused: {why}")

    def untrue(self, shell: Shell, what: str) -> None:
        """A state was compared with the log."""
        if shell.name not in self.troubled:
            raise self.broken("4", shell.name, f"a state shows what the log does not say: {what}")

    def cut(self, shell: Shell, begins: LogBegins, *, is_over: bool) -> None:
        """What went, every other member has, or a quorum where the log was too long."""
        nodes = shell.store.place.members
        if self.suspect or self.liars:
            return
        held = {name: self.durable[name] for name in nodes}
        for actor, seq in begins.base.items():
            having = [name for name in nodes if held[name].get(actor, 0) >= seq]
            if len(having) < len(nodes) and not (is_over and is_quorum(having, nodes)):
                text = f"{Dot(actor, seq)} went, and only {', '.join(having)} have it"
                raise self.broken("R9", shell.name, text)

    def _check_batches(
        self, shell: Shell, life: Life, events: Sequence[Event], ready: Ready
    ) -> bool:
        """Whether one of the events ends a batch."""
        ended = [event.number for event in events if isinstance(event, BATCH_ENDS)]
        for number in ended:
            if number in life.dropped:
                life.dropped.remove(number)
            elif number != life.batch:
                raise self.broken("2", shell.name, f"batch {number} was not under way")
            else:
                life.batch = None
        if ready.append is not None:
            if life.batch is not None:
                raise self.broken("11", shell.name, "two batches are under way")
            life.batch = ready.append.number
        return bool(ended)

    def _check_delivered(self, shell: Shell, life: Life, operation: Operation) -> None:
        actor, seq = operation.dot
        if seq != life.delivered.get(actor, 0) + 1:
            raise self.broken("6", shell.name, f"{operation.dot} delivered out of turn")
        delivered = life.delivered
        for other, needed in operation.others.items():
            if delivered.get(other, 0) < needed:
                cause = Dot(other, needed)
                text = f"{operation.dot} delivered before {cause}, which it depends on"
                raise self.broken("6", shell.name, text)
        if operation.lamport > seq + sum(operation.others.values()):
            text = f"{operation.dot} has Lamport time {operation.lamport}, more than came before it"
            raise self.broken("10", shell.name, text)
        if self.durable[shell.name].get(actor, 0) < seq:
            text = f"{operation.dot} is called delivered before it is synced"
            raise self.broken("3", shell.name, text)
        life.delivered[actor] = seq
        if operation.dot not in self.operations and actor not in self.forks:
            self.operations[operation.dot] = operation
            self._check_repetition(shell, operation)

    def _check_repetition(self, shell: Shell, operation: Operation) -> None:
        """Whoever has seen an operation of a request makes none for it again, but for one that is
        so old that it may be forgotten."""
        if operation.issue is None:
            return
        client, number, part, _ = operation.issue
        made = self.made_for.setdefault((client, number, part), [])
        kept = shell.host.habits.limits.kept_requests
        for dot in made:
            if operation.saw(dot) and _behind(operation, self.operations[dot]) <= kept:
                text = f"{operation.dot} was made for the same request as {dot}, which it saw"
                raise self.broken("R10", shell.name, text)
        made.append(operation.dot)

    def _check_state(self, shell: Shell) -> None:
        replica = shell.replica
        clock = shell.look(State.clock)
        if clock is None:
            return
        if clock != replica.clock:
            raise self.broken("4", shell.name, "the state is not at the clock")
        durable = self.durable[shell.name]
        ahead = [actor for actor, seq in replica.clock.items() if seq > durable.get(actor, 0)]
        if ahead:
            names = ", ".join(actor.hex()[:8] for actor in ahead)
            raise self.broken("4", shell.name, f"the state is ahead of the log with {names}")

    def _check_stopped(self, shell: Shell) -> None:
        peers, history = shell.replica.peers, shell.replica.history
        is_any = history.stopped or any(link.unfit for link in peers.links.values())
        is_any = is_any or any(holding.forked for holding in peers.holdings)
        if is_any and not self.garbled and not self.forks:
            stopped = shell.replica.stopped()
            (actor, reason), *_ = stopped.items()
            raise self.broken("10", shell.name, f"actor {actor.hex()[:8]} was stopped: {reason}")

    def _check_bounds(self, shell: Shell) -> None:
        if len(shell.incoming) > CONTROL_MAX:
            raise self.broken("O7", shell.name, f"{len(shell.incoming)} events wait for a step")
        if shell.replica.history.waiting > WAITING_MAX:
            raise self.broken("9", shell.name, "too many operations wait for others")


def _behind(later: Operation, earlier: Operation) -> int:
    """How many operations more the later one has seen."""
    return sum(later.context().values()) - sum(earlier.context().values())
