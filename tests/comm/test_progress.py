"""A peer is sent what it lacks: own operations at once, others' late, nothing twice unasked,
within its window, and never nothing while something is lacking."""

from collections.abc import Mapping
from random import Random

import pytest
from typing_extensions import override

from comm import Progress, Range
from comm.progress import ACTORS_MAX, ANSWER_RECORDS_MAX, NOTHING, TURN_RECORDS, WANTS_MAX
from crdt import Actor
from tests.comm.phrases import A, B, C, actor


def started(
    clock: dict[Actor, int], *, eager: tuple[Actor, ...] = (A,), window: int = 1000
) -> Progress:
    """The peer holds `clock`, and so does this node, which has looked once."""
    progress = Progress(eager, clock, window_records=window)
    assert progress.next_ranges(clock) == []
    return progress


def test_at_the_start_all_that_is_lacking_is_due_whoever_made_it() -> None:
    progress = Progress({A}, {A: 2, C: 9})
    ranges = progress.next_ranges({A: 5, B: 3, C: 9})
    assert sorted(ranges) == sorted([Range(A, 3, 5), Range(B, 1, 3)])
    assert progress.next_ranges({A: 5, B: 3, C: 9}) == []


def test_own_operations_go_at_once_and_once() -> None:
    progress = started({A: 1})
    assert progress.next_ranges({A: 4}) == [Range(A, 2, 4)]
    assert progress.next_ranges({A: 6}) == [Range(A, 5, 6)]
    assert progress.next_ranges({A: 6}, forward=True) == []


def test_operations_of_others_wait_for_the_second_tick() -> None:
    progress = started({})
    assert progress.next_ranges({B: 2}) == []
    assert progress.next_ranges({B: 2}, forward=True) == []
    assert progress.next_ranges({B: 5}, forward=True) == [Range(B, 1, 2)]
    assert progress.next_ranges({B: 5}, forward=True) == [Range(B, 3, 5)]


def test_what_came_by_another_way_is_not_forwarded() -> None:
    progress = started({})
    progress.next_ranges({B: 5}, forward=True)
    progress.acknowledged([(B, 3)])
    assert progress.next_ranges({B: 5}, forward=True) == [Range(B, 4, 5)]
    progress.acknowledged([(B, 9)])
    assert progress.next_ranges({B: 9}, forward=True) == []
    assert progress.next_ranges({B: 9}, forward=True) == []


def test_actors_that_a_peer_makes_up_are_not_remembered_without_bound() -> None:
    progress = started({A: 3})
    for turn in range(3):
        names = [actor(f"{turn} {number}") for number in range(ACTORS_MAX)]
        progress.acknowledged([(name, 1) for name in names] + [(A, 4 + turn)])
    assert len(progress.clock) == ACTORS_MAX
    assert progress.clock[A] == 6


def test_acknowledgements_merge_by_maximum() -> None:
    progress = started({A: 3, B: 3})
    progress.acknowledged([(A, 2), (B, 4)], [(B, 4)])
    assert progress.clock == {A: 3, B: 4}
    assert (list(progress.missing), progress.more_missing) == ([(B, 4)], False)
    progress.acknowledged([], more_missing=True)
    assert (list(progress.missing), progress.more_missing) == ([], True)


def test_lag_is_what_is_not_acknowledged() -> None:
    progress = started({A: 3})
    progress.next_ranges({A: 10, B: 2})
    assert progress.lag({A: 10, B: 2}) == 9
    progress.acknowledged([(A, 8)])
    assert progress.lag({A: 10, B: 2}) == 4
    assert progress.lag({A: 5}) == 0


def test_a_new_actor_of_this_node_is_eager_too() -> None:
    progress = started({})
    progress.send_eagerly(B)
    assert progress.next_ranges({B: 1}) == [Range(B, 1, 1)]


# --- Windows ----------------------------------------------------------------------------------


def test_no_more_is_in_flight_than_the_window_and_acks_open_it() -> None:
    progress = started({}, window=10)
    assert progress.next_ranges({A: 25}) == [Range(A, 1, 10)]
    assert progress.in_flight == 10
    assert progress.next_ranges({A: 25}) == []
    progress.acknowledged([(A, 4)])
    assert progress.in_flight == 6
    assert progress.next_ranges({A: 25}) == [Range(A, 11, 14)]


def test_actors_share_the_window() -> None:
    progress = Progress({A}, {}, window_records=10)
    ranges = progress.next_ranges({A: 100, B: 100})
    assert sorted(ranges) == sorted([Range(A, 1, 5), Range(B, 1, 5)])


def test_an_actor_that_comes_late_has_room_though_others_filled_theirs() -> None:
    progress = started({}, eager=(A, B), window=10)
    assert progress.next_ranges({A: 100}) == [Range(A, 1, 10)]
    assert progress.next_ranges({A: 100, B: 100}) == [Range(B, 1, 5)]


def test_actors_take_turns() -> None:
    progress = Progress({A}, {})
    ranges = progress.next_ranges({A: 700, B: 300})
    turn = TURN_RECORDS
    assert ranges == [
        Range(A, 1, turn), Range(B, 1, turn), Range(A, turn + 1, 2 * turn),
        Range(B, turn + 1, 300), Range(A, 2 * turn + 1, 700),
    ]  # fmt: skip


def test_large_records_make_the_window_smaller() -> None:
    progress = Progress({A}, {}, window_records=1000, window_bytes=100_000)
    [first] = progress.next_ranges({A: 5000})
    for _ in range(20):
        progress.sent_bytes(first, first.records * 10_000)
    progress.acknowledged([(A, first.last)])
    [second] = progress.next_ranges({A: 5000})
    assert 9 <= second.records <= 10
    assert progress.in_flight_bytes == pytest.approx(100_000, rel=0.1)


def test_a_record_above_the_window_is_sent_alone() -> None:
    progress = Progress({A}, {}, window_bytes=1)
    assert progress.next_ranges({A: 3}) == [Range(A, 1, 1)]


# --- Wants ------------------------------------------------------------------------------------


def test_what_is_asked_for_is_sent_again_at_once_past_the_window() -> None:
    progress = started({}, window=10)
    progress.next_ranges({A: 10})
    progress.wanted(A, 4, 6)
    assert progress.next_ranges({A: 10}) == [Range(A, 4, 6), Range(A, 7, 10)]
    assert progress.next_ranges({A: 10}) == []


def test_operations_of_others_are_sent_when_asked_for() -> None:
    progress = started({})
    progress.wanted(B, 1, 100)
    assert progress.next_ranges({B: 2}) == [Range(B, 1, 2)]


def test_what_is_not_here_yet_is_sent_when_it_comes() -> None:
    progress = started({})
    progress.wanted(B, 3, 4)
    assert progress.next_ranges({B: 2}) == []
    assert progress.next_ranges({B: 4}) == [Range(B, 3, 4)]


def test_a_long_want_is_answered_in_part_and_the_rest_is_due() -> None:
    progress = started({B: 0}, window=10)
    clock = {B: ANSWER_RECORDS_MAX + 5}
    progress.wanted(B, 1, clock[B])
    assert progress.next_ranges(clock) == [Range(B, 1, ANSWER_RECORDS_MAX)]
    progress.acknowledged([(B, ANSWER_RECORDS_MAX)])
    assert progress.next_ranges(clock) == [Range(B, ANSWER_RECORDS_MAX + 1, clock[B])]


def test_what_was_acknowledged_may_be_asked_for() -> None:
    progress = started({B: 9})
    progress.wanted(B, 3, 4)
    assert progress.next_ranges({B: 9}) == [Range(B, 3, 4)]
    assert progress.in_flight == 0


def test_a_repeated_want_is_answered_ever_more_rarely_until_the_peer_gets_on() -> None:
    progress = started({B: 9})
    answered = []
    for number in range(1, 10):
        progress.wanted(B, 3, 4)
        if progress.next_ranges({B: 9}):
            answered.append(number)
    assert answered == [1, 2, 4, 8]
    progress.wanted(B, 5, 6)
    assert progress.next_ranges({B: 9}) == [Range(B, 5, 6)]


def test_wants_without_number_are_dropped() -> None:
    progress = started({})
    names = [actor(f"x{number}") for number in range(WANTS_MAX + 1)]
    for name in names:
        progress.wanted(name, 1, 1)
    assert len(progress.next_ranges(dict.fromkeys(names, 1))) == WANTS_MAX


# --- Random conversations ---------------------------------------------------------------------


def converse(make: type[Progress], seed: int) -> None:
    """A peer gets ranges, loses some, asks for them, and hears others by another way. Nothing is
    sent twice unasked, the window holds, and in the end it has everything."""
    random = Random(seed)
    names = [actor(f"n{number}") for number in range(random.randint(1, 4))]
    window = random.choice([1, 3, 50])
    mine = {name: random.randint(0, 20) for name in names}
    theirs = {name: random.randint(0, mine[name]) for name in names}
    progress = make({names[0]}, dict(theirs), window_records=window)
    bound = window * (len(names) + 1) + 1
    sent: set[tuple[Actor, int]] = set()
    lossless = random.random() < 0.5
    for turn in range(2000):
        if turn < 20:
            mine[random.choice(names)] += random.randint(0, 5)
        if turn > 20 and mine == theirs:
            return
        for span in progress.next_ranges(mine, forward=random.random() < 0.5):
            assert 1 <= span.first <= span.last <= mine[span.actor], f"{span} is not here"
            dots = {(span.actor, seq) for seq in range(span.first, span.last + 1)}
            if lossless:
                assert not dots & sent, "sent twice unasked"
            sent |= dots
            arrives = lossless or random.random() < 0.5
            if arrives and span.first <= theirs[span.actor] + 1:
                theirs[span.actor] = max(theirs[span.actor], span.last)
        if lossless:
            assert progress.in_flight <= bound, "more under way than the window"
        who = random.choice(names)
        if turn < 40 and random.random() < 0.1 and theirs[who] < mine[who]:
            theirs[who] += 1
        if random.random() < 0.5:
            progress.acknowledged(theirs.items())
        if not lossless and theirs[who] < mine[who]:
            progress.wanted(who, theirs[who] + 1, mine[who])
    raise AssertionError(f"{progress.lag(mine)} operations never came")


def test_hundreds_of_conversations() -> None:
    for seed in range(600):
        converse(Progress, seed)


class ForgetsWhatItSent(Progress):
    @override
    def next_ranges(
        self,
        clock: Mapping[Actor, int],
        *,
        forward: bool = False,
        base: Mapping[Actor, int] = NOTHING,
    ) -> list[Range]:
        ranges = super().next_ranges(clock, forward=forward, base=base)
        for span in ranges:
            self._sent[span.actor] = span.last - 1
        return ranges


class NeverForwards(Progress):
    @override
    def _fall_due(self, clock: object) -> None:
        pass


class IgnoresTheWindow(Progress):
    @override
    def _window(self) -> int:
        return 1_000_000


class LeavesOneOut(Progress):
    @override
    def _reached(self, actor: Actor) -> int:
        reached = super()._reached(actor)
        return reached + (reached == 7)


class DeafToWants(Progress):
    @override
    def wanted(self, actor: Actor, first: int, last: int) -> None:
        pass


class NeverOpensTheWindow(Progress):
    @override
    def _count(self, actor: Actor) -> None:
        self._in_flight[actor] = max(self._in_flight.get(actor, 0), self._sent.get(actor, 0))


@pytest.mark.parametrize(
    "mistaken",
    [ForgetsWhatItSent, NeverForwards, IgnoresTheWindow, LeavesOneOut, DeafToWants,
     NeverOpensTheWindow],
)  # fmt: skip
def test_a_planted_mistake_is_caught(mistaken: type[Progress]) -> None:
    with pytest.raises(AssertionError):
        for seed in range(200):
            converse(mistaken, seed)


def test_a_peer_that_lacks_what_is_no_longer_here_is_sent_nothing_until_it_has_it() -> None:
    progress = Progress([A], {A: 3})
    assert progress.next_ranges({A: 9}, base={A: 4}) == []
    progress.wanted(A, 4, 9)
    assert progress.next_ranges({A: 9}, base={A: 4}) == []
    progress.acknowledged([(A, 4)])
    assert progress.next_ranges({A: 9}, base={A: 4}) == [Range(A, 5, 9)]
    assert progress.next_ranges({A: 9, B: 2}, base={A: 4, B: 1}) == []


def test_what_counts_as_sent_and_went_before_its_turn_is_sent_behind_the_snapshot() -> None:
    """The beginning of the log goes while a peer that is slow to take ranges lacks it."""
    progress = started({B: 1})
    assert progress.next_ranges({A: 9, B: 1}) == [Range(A, 1, 9)]
    assert progress.next_ranges({A: 9, B: 1}, base={A: 4}) == []
    progress.acknowledged([(A, 6)])
    assert progress.next_ranges({A: 9, B: 1}, base={A: 4}) == [Range(A, 7, 9)]
    assert progress.in_flight == 3
