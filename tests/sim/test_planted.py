"""Every planted mistake is caught, and soon: where, is kept beside it.

A change of the product or of the worlds moves the seeds; then the search goes on from the kept
one, at most for SEEDS_MAX, and shows where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from crdt import StateLost
from samebox.limits import Limits
from sim.faults import FAULTS
from sim.seed import Options, run_seed
from storage import LogLimits
from tests.oracle import view
from tests.replica import test_kept_state, test_starts
from tests.sim.planted import HARMLESS, PLANTED, Patch

SEEDS_MAX = 2000
KEPT: Mapping[str, int] = {
    "acknowledges_before_the_sync": 0,
    "sends_its_operations_before_the_sync": 0,
    "calls_durable_what_is_not_synced": 0,
    "advances_the_clock_before_the_effect": 0,
    "cuts_damage_in_the_middle_of_the_log": 8,
    "ignores_a_dependency": 0,
    "skips_the_chain_check": 69,
    "goes_on_as_the_same_actor_after_an_old_backup": 8,
    "forgets_a_request_id": 6,
    "believes_an_acknowledgement_of_more_than_it_names": 0,
    "counts_a_copy_without_looking": 0,
    "drops_a_blob_whose_operation_it_acknowledges": 0,
    "forgets_that_a_blob_is_missing": 10,
    "renames_without_syncing_the_directory": 0,
    "trusts_a_tail_that_reads_well": 58,
    "keeps_the_effects_of_a_batch_that_failed": 0,
    "uses_the_dots_of_a_batch_that_failed": 0,
    "remembers_what_it_sent_on_a_lost_connection": 55,
    "does_not_answer_what_is_wanted": 45,
    "reads_its_log_once_though_a_hole_was_filled": 8,
    "greets_with_what_is_not_synced": 1,
    "does_not_listen_when_its_later_records_are_shown": 3,
    "takes_any_lamport_time": 3,
    "counts_as_stable_what_one_member_has_not": 12,
    "counts_what_is_on_its_way_as_stable": 16,
    "takes_an_operation_that_needs_what_is_forgotten": 432,
    "forgets_what_is_not_stable": 2,
    "cuts_by_the_word_of_one_member": 19,
    "cuts_before_the_snapshot_is_synced": 0,
    "forgets_what_it_alone_has_when_it_takes_a_snapshot_over": 8,
    "compacts_away_some_blobs_that_are_used": 0,
    "forgets_that_a_start_did_not_end": 75,
    "stops_at_what_it_does_not_understand": 0,
}


def striking(
    *names: str,
    errands: int | None = None,
    nodes: int | None = None,
    limits: Limits | None = None,
    cuts: bool = False,
) -> Options:
    """Worlds in which these faults alone strike."""
    faults = [fault for fault in FAULTS if fault.name in names]
    assert len(faults) == len(names)
    return Options(
        oracle=view, faults=faults, errands=errands, nodes=nodes, limits=limits, cuts=cuts
    )


ANY = Options(oracle=view)
WITHOUT_ROOM = striking("full disk", "read-only disk", errands=60)
SHORT_SEGMENTS = Limits(log=LogLimits(segment_bytes=5000, recent_bytes=0))
SHORT_PACKS = Limits(pack_bytes_max=5000)
WORLDS: Mapping[str, Options] = {
    "keeps_the_effects_of_a_batch_that_failed": WITHOUT_ROOM,
    "uses_the_dots_of_a_batch_that_failed": WITHOUT_ROOM,
    "remembers_what_it_sent_on_a_lost_connection": striking("reset", "flapping", errands=60),
    "cuts_damage_in_the_middle_of_the_log": striking("bit flip", "kill"),
    "goes_on_as_the_same_actor_after_an_old_backup": striking(
        "restored from a backup", "partition", errands=200
    ),
    "forgets_that_a_blob_is_missing": striking("kill"),
    "reads_its_log_once_though_a_hole_was_filled": striking("bit flip", "kill"),
    "compacts_away_some_blobs_that_are_used": striking("kill", errands=200, limits=SHORT_PACKS),
    "does_not_listen_when_its_later_records_are_shown": striking(
        "rolled back", "clogged", "partial cut", errands=80, limits=SHORT_SEGMENTS
    ),
    "forgets_that_a_start_did_not_end": striking(
        "bit flip", "partition", "killed in a start", errands=60, nodes=2
    ),
    "stops_at_what_it_does_not_understand": striking("later version"),
    "takes_any_lamport_time": striking("lying"),
    "cuts_by_the_word_of_one_member": striking("partition", errands=250, cuts=True),
    "cuts_before_the_snapshot_is_synced": striking("power cut", errands=250, cuts=True),
    "forgets_what_it_alone_has_when_it_takes_a_snapshot_over": striking(
        "away for long", "partition", "kill", errands=250, cuts=True
    ),
    "takes_an_operation_that_needs_what_is_forgotten": striking(
        "restored from a backup", "stopped and started"
    ),
}
"""For what few of all worlds would show; the others are looked for in any world."""


def caught(options: Options, first: int, last: int) -> tuple[int, str] | None:
    for seed in range(first, last):
        violation = run_seed(seed, options).violation
        if violation is not None:
            return seed, violation
    return None


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_is_caught(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    first, options = KEPT[plant.__name__], WORLDS.get(plant.__name__, ANY)
    sound = run_seed(first, options).violation
    assert sound is None, f"without the mistake: {sound}"
    plant(monkeypatch)
    found = caught(options, first, first + SEEDS_MAX)
    assert found is not None, f"not caught within {SEEDS_MAX} seeds from {first} on"
    print(f"seed {found[0]}, {found[0] - first} after the kept one: {found[1]}")


SHOWN_BY: Mapping[str, Callable[[], None]] = {
    "goes_on_though_own_records_wait": (
        test_starts.test_own_records_that_wait_for_a_lost_one_of_another_actor_are_never_named_again
    ),
    "keeps_a_state_that_could_not_be_read": (
        test_kept_state.test_rows_that_could_not_be_read_are_gone_with_the_process
    ),
}


@pytest.mark.parametrize("plant", HARMLESS, ids=lambda plant: plant.__name__)
def test_what_no_world_shows_fails_a_test_of_its_own(
    plant: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, StateLost)):
        SHOWN_BY[plant.__name__]()


def test_there_are_as_many_as_promised() -> None:
    assert len(PLANTED) >= 12
    assert set(KEPT) == {plant.__name__ for plant in PLANTED}
    assert set(WORLDS) <= set(KEPT)
