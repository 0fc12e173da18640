"""Spans and gaps against a plain set of seqs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.coverage import Coverage, Missing, Span, runs_of
from tests.storage.phrases import ANN, BOB, numbered

SPANS = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6), st.integers(1, 3)), max_size=12)


@given(SPANS, st.integers(0, 10), st.integers(0, 40))
def test_a_coverage_is_a_set_of_seqs(
    parts: list[tuple[int, int, int]], start: int, tip: int
) -> None:
    coverage, held = Coverage(), dict[int, int]()
    for first, more, segment in parts:
        span = Span(first, first + more, segment)
        seqs = range(span.first, span.last + 1)
        new = not any(seq in held for seq in seqs)
        assert coverage.overlaps(ANN, span.first, span.last) is not new
        assert coverage.add_missing_part(ANN, span) is new
        held = dict.fromkeys(seqs, segment) | held
    for seq in range(1, 40):
        found = coverage.find(ANN, seq)
        assert (found.segment if found else None) == held.get(seq)
        assert found is None or found.first <= seq <= found.last
    missing = coverage.missing({ANN: start}, {ANN: tip})
    lost = [seq for part in missing for seq in range(part.first, part.last + 1)]
    assert lost == [seq for seq in range(start + 1, tip + 1) if seq not in held]
    assert coverage.find(BOB, 1) is None
    assert coverage.missing({}, {BOB: 2}) == (Missing(BOB, 1, 2),)


def test_runs_are_the_consecutive_records_of_each_actor() -> None:
    ann, bob = numbered(ANN, 9), numbered(BOB, 2)
    runs = runs_of([ann[2], bob[0], ann[3], ann[7], bob[1], ann[8]], 5)
    assert [(run.actor, run.span, run.chain) for run in runs] == [
        (ANN, Span(3, 4, 5), ann[3].chain),
        (ANN, Span(8, 9, 5), ann[8].chain),
        (BOB, Span(1, 2, 5), bob[1].chain),
    ]
