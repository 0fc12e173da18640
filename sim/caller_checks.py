"""Checks of what callers are told: that they are, that it is true, and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crdt import Dot, covers
from samebox import leftover
from samebox.events import Asked, Done, Failure, Late, Outcome, Refusal
from sim.book import Book, Confirmed, Life, Waiting
from sim.world import SECOND

if TYPE_CHECKING:
    from sim.host import Host
    from sim.shell import Shell

ANSWER_US = 5 * SECOND
"""In which an untroubled node answers what waits for no other node."""


class CallerChecks(Book):
    def asked(self, shell: Shell, asked: Asked, within_us: int | None) -> None:
        waiting = Waiting(asked, self.world.now, within_us)
        self.lives[shell.name].asked[asked.token] = waiting

    def withdrawn(self, shell: Shell, token: int) -> None:
        self.lives[shell.name].asked.pop(token, None)

    def unanswered(self, shell: Shell) -> list[Waiting]:
        return list(self.lives[shell.name].asked.values())

    def replied(self, shell: Shell, life: Life, token: int, outcome: Outcome) -> None:
        kind = type(outcome).__name__
        self.outcomes[kind] = self.outcomes.get(kind, 0) + 1
        waiting = life.asked.pop(token, None)
        if waiting is None:
            return
        self.world.say(shell.name, f"request {waiting.asked.id.number}: {kind}")
        self._check_time(shell, waiting)
        match outcome:
            case Done(_, dots, nodes):
                if len(nodes) < waiting.asked.copies:
                    text = f"{len(nodes)} copies, {waiting.asked.copies} asked for"
                    raise self.broken("3", shell.name, text)
                self._check_copies(shell, dots, nodes)
            case Late(_, dots, nodes):
                self._check_given_up(shell, waiting)
                self._check_copies(shell, dots, nodes)
            case leftover.TOO_LATE:
                self._check_given_up(shell, waiting)
            case Failure(reason):
                if shell.name not in self.troubled:
                    raise self.broken("O6", shell.name, f"a request failed: {reason}")
            case Refusal("bad-request", message):  # of a workload that makes none
                raise self.broken("O6", shell.name, f"nothing can be written: {message}")
            case _:
                pass

    def _check_given_up(self, shell: Shell, waiting: Waiting) -> None:
        if waiting.within_us is None or self.world.now < waiting.at_us + waiting.within_us:
            text = f"request {waiting.asked.id} was given up before its time"
            raise self.broken("7", shell.name, text)

    def _check_time(self, shell: Shell, waiting: Waiting) -> None:
        """Whatever happens to others, or to the lines between them."""
        calm_for = self.world.now - max(waiting.at_us, self._calm_since(shell.host))
        if waiting.asked.copies == 1 and calm_for > ANSWER_US:
            text = f"request {waiting.asked.id} took {(self.world.now - waiting.at_us) / SECOND} s"
            raise self.broken("O8", shell.name, text)

    def _calm_since(self, host: Host) -> int:
        troubled = host.is_paused or host.slow_us or host.name in self.troubled
        return self.world.now if troubled else self.calm_since[host.name]

    def _check_copies(self, shell: Shell, dots: tuple[Dot, ...], nodes: tuple[str, ...]) -> None:
        """Whoever a receipt names has it, unless its medium was damaged since it said so."""
        for node in nodes:
            for dot in dots:
                trusted = node not in self.suspect and node not in self.liars
                trusted = trusted and dot.actor not in self.forks
                if trusted and not covers(self.durable[node], dot):
                    text = f"told that {node} holds {dot}, which it does not"
                    raise self.broken("3", shell.name, text)
        if dots and nodes:
            self.confirmed.append(Confirmed(shell.name, dots, nodes))
