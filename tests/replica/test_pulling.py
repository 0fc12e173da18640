"""Who is asked for which blob: each of one peer at a time, and no peer holds up another."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from crdt import Blob
from samebox.pulling import (
    ABSENT_MAX,
    AGAIN_LEAST_S,
    AGAIN_MOST_S,
    STALL_S,
    WANTED_MAX,
    Pulling,
)


def blob(number: int) -> Blob:
    return Blob(sha256(str(number).encode()).digest(), 1)


ONE, TWO, THREE = map(blob, (1, 2, 3))


def looking(*peers: str, wanted: tuple[Blob, ...] = ()) -> Pulling:
    found = Pulling()
    for peer in peers:
        found.up(peer)
    for one in wanted:
        assert found.want(one, 0.0)
    return found


def test_a_blob_is_asked_of_one_peer_at_a_time() -> None:
    found = looking("b", "c", wanted=(ONE, TWO))
    assert found.has_for("b", 0)
    assert [found.next("b", 0), found.next("c", 0)] == [ONE, TWO]
    assert not found.has_for("b", 1)
    assert [found.next("b", 1), found.next("c", 1)] == [None, None]
    found.stored(ONE)
    found.stored(TWO)
    assert len(found) == 0 and found.next("b", 2) is None


def test_what_stalls_is_taken_over_and_whoever_stalled_is_told_so() -> None:
    found = looking("b", "c", wanted=(ONE,))
    assert found.next("b", 0) == ONE
    assert found.progressed("b", ONE, 1)
    assert found.next("c", STALL_S + 0.9) is None
    assert found.next("c", STALL_S + 1) == ONE
    assert not found.progressed("b", ONE, STALL_S + 2)
    assert found.progressed("c", ONE, STALL_S + 2)


def test_what_a_peer_let_go_is_asked_of_another_and_then_of_it_again() -> None:
    found = looking("b", "c", wanted=(ONE,))
    assert found.next("b", 0) == ONE
    found.release("b", ONE)
    assert found.next("c", 0) == ONE
    found.release("b", ONE)  # of one who does not hold it any more
    assert found.next("b", 0) is None
    found.release("c", ONE)
    assert found.next("b", 0) == ONE


def test_what_a_lost_peer_held_is_free_at_once() -> None:
    found = looking("b", "c", wanted=(ONE, TWO))
    assert [found.next("b", 0), found.next("b", 0)] == [ONE, TWO]
    found.down("b", 0)
    assert {found.next("c", 0), found.next("c", 0)} == {ONE, TWO}


def test_a_peer_that_lacks_a_blob_is_not_asked_again_and_another_one_is() -> None:
    found = looking("b", "c", wanted=(ONE,))
    assert found.next("b", 0) == ONE
    found.lacks("b", ONE, 0)
    assert found.next("b", 0) is None
    assert found.next("c", 0) == ONE


def test_what_no_peer_has_is_looked_for_again_later_and_later() -> None:
    found = looking("b")
    now, began, waits = 0.0, 0.0, []
    assert found.want(ONE, now)
    for _ in range(8):
        assert found.next("b", now) == ONE
        found.lacks("b", ONE, now)
        assert len(found) == 0
        while not found.want(ONE, now):
            now += AGAIN_LEAST_S
        waits.append(now - began)
        began = now
    assert waits == sorted(waits) and waits[0] == AGAIN_LEAST_S and waits[-1] == AGAIN_MOST_S


def test_who_waits_for_what_no_peer_has_is_not_made_to_wait_longer() -> None:
    found = looking("b")
    for turn in range(10):
        assert found.want(ONE, turn, urgent=True)
        assert found.next("b", turn) == ONE
        found.lacks("b", ONE, turn)
        assert not found.want(ONE, turn, urgent=True)


def test_a_peer_that_comes_is_asked_for_what_no_other_had() -> None:
    found = looking("b", wanted=(ONE,))
    assert found.next("b", 0) == ONE
    found.lacks("b", ONE, 0)
    assert not found.want(ONE, 0)
    found.up("c")
    assert found.want(ONE, 0)
    assert found.next("c", 0) == ONE


def test_what_somebody_waits_for_comes_first_also_if_it_was_wanted_before() -> None:
    found = looking("b", wanted=(ONE, TWO))
    assert found.want(TWO, 0, urgent=True)
    assert found.want(THREE, 0, urgent=True)
    assert [found.next("b", 0) for _ in range(4)] == [THREE, TWO, ONE, None]
    found.up("c")
    assert found.next("c", STALL_S) in (TWO, THREE)


def test_without_a_peer_nothing_is_kept_and_it_is_looked_for_here_now_and_then() -> None:
    found = looking()
    assert found.want(ONE, 0)
    assert len(found) == 0
    assert not found.want(ONE, 0)
    assert found.want(ONE, AGAIN_LEAST_S)


def test_what_is_looked_for_is_bounded() -> None:
    found = looking("b")
    taken = [found.want(blob(number), 0) for number in range(WANTED_MAX + 5)]
    assert (len(found), sum(taken)) == (WANTED_MAX, WANTED_MAX)
    assert found.want(blob(-1), 0, urgent=True), "somebody waits for it"


def test_blobs_that_do_not_exist_take_no_place_from_those_that_do() -> None:
    found = looking("b")
    ghosts = [blob(number) for number in range(WANTED_MAX)]
    for ghost in ghosts:
        assert found.want(ghost, 0)
    while (asked := found.next("b", 0)) is not None:
        found.lacks("b", asked, 0)
    for ghost in ghosts:
        assert found.want(ghost, AGAIN_LEAST_S)
    assert len(found) == WANTED_MAX
    assert found.want(blob(-1), AGAIN_LEAST_S)
    assert len(found) == WANTED_MAX


def test_what_is_remembered_as_absent_is_bounded() -> None:
    found = looking("b")
    for number in range(ABSENT_MAX + 5):
        assert found.want(blob(number), 0)
        found.lacks("b", blob(number), 0)
    assert len(found._absent) == ABSENT_MAX
    assert found.want(blob(0), 0) and not found.want(blob(ABSENT_MAX), 0)


PEERS = "bcd"
Step = tuple[str, str, int]
STEPS = st.tuples(
    st.sampled_from(["want", "urgent", "up", "down", "next", "pass", "lacks", "release", "stored"]),
    st.sampled_from(PEERS),
    st.integers(0, 5),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_what_is_wanted_is_had_in_the_end_from_a_peer_that_stays(
    steps: list[Step],
) -> None:
    found, now, up = Pulling(), 0.0, dict[str, None]()
    held: dict[str, list[Blob]] = {}
    for what, peer, number in steps:
        now += 0.1
        match what:
            case "want" | "urgent":
                found.want(blob(number), now, urgent=what == "urgent")
            case "up" if peer not in up:
                found.up(peer)
                up[peer] = None
                held[peer] = []
            case "down" if peer in up:
                found.down(peer, now)
                del up[peer]
            case "next" if peer in up:
                asked = found.next(peer, now)
                if asked is not None:
                    fresh = [other for other in up if other != peer and asked in held[other]]
                    for other in fresh:
                        assert not found.progressed(other, asked, now)
                    held[peer].append(asked)
            case "lacks" | "release" if peer in up and held[peer]:
                getattr(found, what)(peer, held[peer].pop(), *([now] if what == "lacks" else []))
            case "stored":
                found.stored(blob(number))
            case _:  # time passes
                now += STALL_S
    for peer in list(up):
        found.down(peer, now)
    found.up("e")
    now += AGAIN_MOST_S
    for number in range(6):
        found.want(blob(number), now)
    had = {found.next("e", now) for _ in range(6)}
    assert had == set(map(blob, range(6)))
