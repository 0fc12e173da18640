"""What one peer has, and what it is to be sent next.

The simple rule: send what this node's clock has and the peer's has not. Three things make it
economical. What was sent is not sent again on this connection unless the peer asks. Operations of
other actors than this node's own wait until the direct path had time to bring them. And no more
is under way than a window, so that a slow peer neither costs memory nor gets more than it can
take; every actor has an equal share of it, because a peer cannot acknowledge one actor's
operations while they wait for another's.

What the peer asks for is sent at once, past the window: it may be all that the rest waits for.
One Progress serves one connection; after a loss, a new handshake makes a new one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from crdt import Actor, includes

WINDOW_RECORDS = 16_384
"""A round trip of 0.3 s at 50,000 operations per second; four of them fit into a peer's buffer
of waiting operations."""
WINDOW_BYTES = 8 << 20
ASSUMED_BYTES = 1024
"""Of a record with what travels beside it, until the first ones were sent."""
TURN_RECORDS = 256
"""Actors take turns of so many records: what is sent early needs little of what is sent late."""
ANSWER_RECORDS_MAX = 4096
"""Sent at once for one want, window or not; the peer asks on."""
ACTORS_MAX = 10_000
"""Actors that a peer may name as held; more than a handshake names. Others are not remembered."""
WANTS_MAX = 1024
"""Actors asked for and not answered yet; beyond, a want is dropped, and asked again."""


NOTHING: Final[Mapping[Actor, int]] = MappingProxyType({})


class Range(NamedTuple):
    """Operations `first` to `last` of `actor`."""

    actor: Actor
    first: int
    last: int

    @property
    def records(self) -> int:
        return self.last - self.first + 1


class _Asked(NamedTuple):
    """The last want for an actor, and how often it came."""

    first: int
    times: int


class Progress:
    """`eager` are the actors whose operations are sent at once: those of this node itself."""

    def __init__(
        self,
        eager: Iterable[Actor],
        their_clock: Mapping[Actor, int],
        *,
        window_records: int = WINDOW_RECORDS,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._eager = dict.fromkeys(eager)
        self._clock = dict(their_clock)
        self._window_records = window_records
        self._window_bytes = window_bytes
        self._average_bytes = ASSUMED_BYTES
        self._sent: dict[Actor, int] = {}
        self._in_flight: dict[Actor, int] = {}
        self._due: dict[Actor, int] = {}
        self._seen: Mapping[Actor, int] | None = None
        self._wants: dict[Actor, Range] = {}
        self._asked: dict[Actor, _Asked] = {}
        self._passed = NOTHING
        self._is_cut_off = False
        self.missing: tuple[tuple[Actor, int], ...] = ()
        self.more_missing = False

    @property
    def clock(self) -> Mapping[Actor, int]:
        """What the peer says it holds durably. A live view."""
        return self._clock

    @property
    def in_flight(self) -> int:
        """Records sent and not acknowledged."""
        return sum(self._in_flight.values())

    @property
    def has_in_flight(self) -> bool:
        return bool(self._in_flight)

    @property
    def in_flight_bytes(self) -> int:
        """An estimate: records in flight by the recent average size."""
        return self.in_flight * self._average_bytes

    def lag(self, clock: Mapping[Actor, int]) -> int:
        """Operations of `clock` that the peer does not hold durably."""
        return sum(max(0, seq - self._clock.get(actor, 0)) for actor, seq in clock.items())

    def acknowledged(
        self,
        clock_changes: Iterable[tuple[Actor, int]],
        missing: Sequence[tuple[Actor, int]] = (),
        *,
        more_missing: bool = False,
    ) -> None:
        """Merges by maximum. `missing` lists operations whose blobs the peer does not hold."""
        for actor, seq in clock_changes:
            known = self._clock.get(actor)
            if known is None and len(self._clock) >= ACTORS_MAX:
                continue
            if seq > (known or 0):
                self._clock[actor] = seq
                self._asked.pop(actor, None)
                self._count(actor)
        self.missing = tuple(missing)
        self.more_missing = more_missing

    def wanted(self, actor: Actor, first: int, last: int) -> None:
        """The peer asked. What it repeats without having got on is answered the 1st, 2nd, 4th,
        8th, … time: the answer may be on its way still."""
        asked = self._asked.get(actor)
        if asked is None and len(self._asked) >= WANTS_MAX:
            return
        times = 1 if asked is None or asked.first != first else asked.times + 1
        self._asked[actor] = _Asked(first, times)
        if actor in self._wants or not times & (times - 1):
            self._wants[actor] = Range(actor, first, last)

    def sent_bytes(self, span: Range, length: int) -> None:
        """The records of `span` had so many bytes, with what travelled beside them."""
        size = max(1, length // span.records)
        self._average_bytes = max(1, (3 * self._average_bytes + size) // 4)

    def send_eagerly(self, actor: Actor) -> None:
        """This node writes as `actor` from now on."""
        self._eager[actor] = None

    def next_ranges(
        self,
        clock: Mapping[Actor, int],
        *,
        forward: bool = False,
        base: Mapping[Actor, int] = NOTHING,
    ) -> list[Range]:
        """What to send now of all that is durable here, `clock`; it counts as sent.

        `forward` is set at every tick. What was durable here at the tick before and has reached
        the peer by no other way is due then, whoever made it. At the first call all is due.
        What is at or below `base` cannot be sent: a peer that lacks some of it is sent nothing.
        Once it has that, all else is due again: of what counts as sent, some may have been cut off.
        Cost: proportional to the actors that lack something; at a tick, to all actors.
        """
        if base is not self._passed:
            if not includes(self._clock, base):
                self._is_cut_off = True
                return []
            self._passed = base
            if self._is_cut_off:
                self._begin_again()
        if forward or self._seen is None:
            self._fall_due(clock if self._seen is None else self._seen)
            self._seen = dict(clock)
        ranges = list(self._answers(clock, base)) if self._wants else []
        lacking = self._lacking(clock)
        if lacking:
            ranges += self._fill_window(lacking)
        return ranges

    def _begin_again(self) -> None:
        self._is_cut_off, self._seen = False, None
        self._sent.clear()
        self._in_flight.clear()

    # --- What is lacking ---------------------------------------------------------------------

    def _reached(self, actor: Actor) -> int:
        """The last seq that the peer has, or that is under way to it."""
        return max(self._sent.get(actor, 0), self._clock.get(actor, 0))

    def _fall_due(self, clock: Mapping[Actor, int]) -> None:
        for actor, seq in clock.items():
            if seq > self._reached(actor):
                self._due[actor] = max(seq, self._due.get(actor, 0))

    def _lacking(self, clock: Mapping[Actor, int]) -> dict[Actor, int]:
        """Actor -> the last seq to send."""
        lacking: dict[Actor, int] = {}
        for actor in self._eager:
            seq = clock.get(actor, 0)
            if seq > self._reached(actor):
                lacking[actor] = seq
        for actor, seq in list(self._due.items()) if self._due else ():
            if seq <= self._reached(actor):
                del self._due[actor]
            elif actor not in lacking:
                lacking[actor] = min(seq, clock.get(actor, 0))
        return lacking

    # --- What is sent --------------------------------------------------------------------------

    def _answers(self, clock: Mapping[Actor, int], base: Mapping[Actor, int]) -> Iterator[Range]:
        """Send from where the peer asked, once more if need be; what is over becomes due."""
        for actor, want in list(self._wants.items()):
            last = min(want.last, clock.get(actor, 0))
            first = max(want.first, base.get(actor, 0) + 1)
            if first > last:
                continue
            del self._wants[actor]
            self._due[actor] = max(last, self._due.get(actor, 0))
            yield self._send(actor, first, min(last, first + ANSWER_RECORDS_MAX - 1))

    def _fill_window(self, lacking: Mapping[Actor, int]) -> list[Range]:
        """An actor that comes late gets its share though others have filled theirs: all together
        stay below the window times 1 + ln(number of actors)."""
        sharing = lacking.keys() | self._in_flight.keys() if self._in_flight else lacking
        share = max(1, self._window() // len(sharing))
        ranges: list[Range] = []
        turns = deque(lacking.items())
        while turns:
            actor, last = turns.popleft()
            allowed = share - self._in_flight.get(actor, 0)
            if allowed <= 0:
                continue
            if turns:
                allowed = min(allowed, TURN_RECORDS)
            reached = self._reached(actor)
            span = self._send(actor, reached + 1, min(last, reached + allowed))
            if span.last < last:
                turns.append((actor, last))
            ranges.append(span)
        return ranges

    def _window(self) -> int:
        """In records: at least one, or nothing would move."""
        return max(1, min(self._window_records, self._window_bytes // self._average_bytes))

    def _send(self, actor: Actor, first: int, last: int) -> Range:
        self._sent[actor] = last
        self._count(actor)
        return Range(actor, first, last)

    def _count(self, actor: Actor) -> None:
        count = self._sent.get(actor, 0) - self._clock.get(actor, 0)
        if count > 0:
            self._in_flight[actor] = count
        else:
            self._in_flight.pop(actor, None)
