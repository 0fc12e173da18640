"""Is what the users of a cluster saw causally consistent? A checker that looks from outside alone.

A history is what each session asked, and what it was shown. Every value is appended by one session
only, so each shown value tells which step made it, and the order that causality demands follows
without search (M. Ahamad et al., "Causal memory", 1995; A. Bouajjani et al., "On verifying causal
consistency", 2017: polynomial where values are unique):

    a step comes after the confirmed steps of its session before it,
    after the append of each value that it shows,
    and after the removal of a value that it ought to show and does not, if only one was asked for.

A request that was never answered may have had its effect or not: it comes after what its session
knew, and nothing comes after it but what shows it. A step that repeats a request, because no answer
came, is the same request: it is written down again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct


class Appended(Struct, frozen=True):
    """`value` into `mailbox`; `confirmed` where the session was told that it is done."""

    mailbox: str
    value: str
    confirmed: bool = True


class Removed(Struct, frozen=True):
    """`value`, which the session had been shown, from `mailbox`."""

    mailbox: str
    value: str
    confirmed: bool = True


class Shown(Struct, frozen=True):
    """All that `mailbox` showed, as often as it showed it."""

    mailbox: str
    values: tuple[str, ...]


class Settled(Struct, frozen=True):
    """As Shown, by a node that had delivered everything: whatever was confirmed has to be there."""

    mailbox: str
    values: tuple[str, ...]


Event: TypeAlias = Appended | Removed | Shown | Settled


class SessionStep(Struct, frozen=True):
    """Those of one session stand in their order; `session` of a Settled is the node's name."""

    session: str
    event: Event


class Violation(Struct, frozen=True):
    """`kind` is one of KINDS."""

    kind: str
    text: str


KINDS: Mapping[str, str] = {
    "read-your-writes": "a session does not see what it wrote",
    "monotonic-reads": "a session no longer sees what it saw, and nobody removed it",
    "monotonic-writes": "a later write of a session is seen without an earlier one",
    "writes-follow-reads": "a write is seen without what its session had seen before",
    "causal-reads": "what led to something that is seen, over several sessions, is not",
    "resurrected": "what was seen to be removed is seen again",
    "thin-air": "what nobody wrote is seen",
    "doubled": "what was written once is seen twice",
    "future": "a step is seen to come before what it depends on",
    "lost": "a confirmed write is not there in the end",
    "disagreement": "in the end, two nodes show different things",
}


def find_violations(steps: Sequence[SessionStep]) -> list[Violation]:
    """All that the rules above do not allow. Raises ValueError where values are not unique."""
    return Checker(steps).check()


class Checker:
    """Sets of values, and of steps, are the bits of integers."""

    def __init__(self, steps: Sequence[SessionStep]) -> None:
        self.steps = steps
        self.made = first_asked(steps)
        self.removals = all_asked(steps)
        self.bits = {value: 1 << place for place, value in enumerate(self.made)}
        self.values = list(self.made)
        self.in_mailbox: Counter[str] = Counter()
        for value, at in self.made.items():
            self.in_mailbox[steps[at].event.mailbox] |= self.bits[value]
        self.before = [list(found) for found in self._order()]
        self.past: list[int] = []
        self.seen: list[int] = []
        self.gone: list[int] = []

    def check(self) -> list[Violation]:
        found = [*self._at_sight(), *self._disagreements()]
        while not self._is_cyclic() and self._learn():
            pass
        if self._is_cyclic():
            text = "a step is among its own causes; its session saw what was written only later"
            return [*found, Violation("future", text)]
        for at, step in enumerate(self.steps):
            if isinstance(step.event, Shown | Settled):
                found += self._judged(at, step, step.event)
        return found

    def _order(self) -> Iterator[list[int]]:
        """The steps directly before each step."""
        last: dict[str, int] = {}
        for at, step in enumerate(self.steps):
            match step.event:
                case Settled():
                    yield []
                    continue
                case Shown(_, values):
                    causes = [self.made[value] for value in values if value in self.made]
                case _:
                    causes = []
            if step.session in last:
                causes.append(last[step.session])
            if getattr(step.event, "confirmed", True):
                last[step.session] = at
            yield causes

    def _is_cyclic(self) -> bool:
        """Leaves in `order` every step behind its causes."""
        waiting = [len(causes) for causes in self.before]
        effects: list[list[int]] = [[] for _ in self.steps]
        for at, causes in enumerate(self.before):
            for cause in causes:
                effects[cause].append(at)
        ready = deque(at for at, count in enumerate(waiting) if not count)
        self.order: list[int] = []
        while ready:
            at = ready.popleft()
            self.order.append(at)
            for effect in effects[at]:
                waiting[effect] -= 1
                if not waiting[effect]:
                    ready.append(effect)
        return len(self.order) < len(self.steps)

    def _learn(self) -> bool:
        """What is known before each step; whether a removal turned out to come before one."""
        count = len(self.steps)
        self.past, self.seen, self.gone = [0] * count, [0] * count, [0] * count
        is_news = False
        for at in self.order:
            for cause in self.before[at]:
                self.past[at] |= self.past[cause] | 1 << cause
                self.seen[at] |= self.seen[cause] | self._shows(cause)
                self.gone[at] |= self.gone[cause] | self._takes(cause)
        for at in self.order:
            for removal in self._explaining(at):
                self.before[at].append(removal)
                is_news = True
        return is_news

    def _explaining(self, at: int) -> list[int]:
        """The removals that have to come before a step, and were not known to."""
        asked = (self.removals.get(value, []) for value in self._missing(at))
        only = {removals[0] for removals in asked if len(removals) == 1}
        return sorted(r for r in only if r not in self.before[at] and not self._is_after(r, at))

    def _is_after(self, later: int, earlier: int) -> bool:
        return bool(self.past[later] >> earlier & 1)

    def _shows(self, at: int) -> int:
        """The values that whoever comes after this step has to be shown."""
        match self.steps[at].event:
            case Appended(_, value, True):
                return self.bits[value]
            case Shown(_, values):
                return self._bits(values)
            case _:
                return 0

    def _takes(self, at: int) -> int:
        """The values that whoever comes after this step must not be shown."""
        match self.steps[at].event:
            case Removed(_, value, True):
                return self.bits.get(value, 0)
            case Shown():
                return self._bits(v for v in self._missing(at) if v in self.removals)
            case _:
                return 0

    def _bits(self, values: Iterable[str]) -> int:
        found = 0
        for value in values:
            found |= self.bits.get(value, 0)
        return found

    def _missing(self, at: int) -> list[str]:
        """What a step ought to show, unless it was removed."""
        event = self.steps[at].event
        if not isinstance(event, Shown | Settled):
            return []
        seen = self._confirmed() if isinstance(event, Settled) else self.seen[at]
        absent = seen & self.in_mailbox[event.mailbox] & ~self._bits(event.values)
        return self._named(absent)

    def _named(self, bits: int) -> list[str]:
        found = []
        while bits:
            lowest = bits & -bits
            found.append(self.values[lowest.bit_length() - 1])
            bits ^= lowest
        return found

    def _confirmed(self) -> int:
        found = 0
        for at in range(len(self.steps)):
            found |= self._shows(at)
        return found

    def _removed(self) -> int:
        found = 0
        for at in range(len(self.steps)):
            found |= self._takes(at)
        return found

    # --- Judgements ------------------------------------------------------------------------------

    def _at_sight(self) -> Iterator[Violation]:
        for step in self.steps:
            if isinstance(step.event, Shown | Settled):
                where = f"session {step.session}, {step.event.mailbox}"
                for value, times in Counter(step.event.values).items():
                    at = self.made.get(value)
                    if at is None or self.steps[at].event.mailbox != step.event.mailbox:
                        yield Violation("thin-air", f"{where}: nobody appended {value}")
                    elif times > 1:
                        yield Violation("doubled", f"{where}: {value} is shown {times} times")

    def _disagreements(self) -> Iterator[Violation]:
        first: dict[str, SessionStep] = {}
        for step in self.steps:
            if isinstance(step.event, Settled):
                other = first.setdefault(step.event.mailbox, step)
                assert isinstance(other.event, Settled)
                odd = set(step.event.values) ^ set(other.event.values)
                if odd:
                    where = f"{step.event.mailbox} at {other.session} and {step.session}"
                    yield Violation("disagreement", f"{where}: only one shows {sorted(odd)}")

    def _judged(self, at: int, step: SessionStep, event: Shown | Settled) -> Iterator[Violation]:
        is_end = isinstance(event, Settled)
        where = f"session {step.session}, step {at}, {event.mailbox}"
        for value in self._missing(at):
            asked = self.removals.get(value, [])
            if all(self._is_after(removal, at) for removal in asked):
                kind = "lost" if is_end else self._kind(at, value)
                yield Violation(kind, f"{where}: {value} is not shown ({KINDS[kind]})")
        gone = self._removed() if is_end else self.gone[at]
        for value in self._named(gone & self._bits(event.values)):
            yield Violation("resurrected", f"{where}: {value} was removed, and is shown")

    def _kind(self, at: int, value: str) -> str:
        """By the shortest way from the step back to one that shows the value."""
        way = self._way_to(at, value)
        own, last = self.steps[at].session, self.steps[way[-1]]
        is_write = isinstance(last.event, Appended)
        if last.session == own:
            return "read-your-writes" if is_write else "monotonic-reads"
        others = {self.steps[place].session for place in way} - {own}
        if others == {last.session}:
            return "monotonic-writes" if is_write else "writes-follow-reads"
        return "causal-reads"

    def _way_to(self, at: int, value: str) -> list[int]:
        ways = deque([[at]])
        been = {at}
        while ways:
            way = ways.popleft()
            if len(way) > 1 and self._shows(way[-1]) & self.bits[value]:
                return way
            for cause in sorted(self.before[way[-1]], key=lambda c: self._distance(at, c)):
                if cause not in been:
                    been.add(cause)
                    ways.append([*way, cause])
        raise AssertionError(f"{value} is in the past of step {at}, and no step there shows it")

    def _distance(self, at: int, cause: int) -> int:
        """The session's own steps come first."""
        return int(self.steps[at].session != self.steps[cause].session)


def first_asked(steps: Sequence[SessionStep]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at, step in enumerate(steps):
        if isinstance(step.event, Appended):
            first = steps[found.setdefault(step.event.value, at)]
            same = (first.session, first.event.mailbox) == (step.session, step.event.mailbox)
            if not same:
                raise ValueError(
                    f"{step.event.value} is appended by {first.session} and by {step.session}; "
                    "expected every value from one session, into one mailbox"
                )
    return found


def all_asked(steps: Sequence[SessionStep]) -> dict[str, list[int]]:
    """Each removal once, at the step where its session asked for it first."""
    found: dict[str, list[int]] = {}
    for at, step in enumerate(steps):
        if isinstance(step.event, Removed):
            asked = found.setdefault(step.event.value, [])
            if all(steps[other].session != step.session for other in asked):
                asked.append(at)
    return found
