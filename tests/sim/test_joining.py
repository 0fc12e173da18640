"""A node joins under load, and it or one of those that were there dies at one step after the other.

`make soak` draws any step, with another load, and what is left after a power cut drawn anew.
"""

from __future__ import annotations

import pytest

from tests.sim.few_nodes import shell_of
from tests.sim.joining import JOINING, MEMBERS, Joining, Step, dies, past, steps

FAR_APART = 60
"""Steps. `make soak` takes those between."""


@pytest.mark.parametrize("is_cut", [False, True], ids=["records", "snapshot"])
def test_a_node_joins_under_load(is_cut: bool) -> None:
    joining = Joining(is_cut=is_cut)
    joining.begins()
    assert joining.joins()
    assert joining.watch.adoptions == is_cut
    assert sum(shell_of(joining.hosts["a"]).replica.clock.values()) > sum(
        past(is_cut=is_cut).clock.values()
    ), "others write meanwhile"
    joining.judge()


@pytest.mark.slow
@pytest.mark.parametrize("is_cut", [False, True], ids=["records", "snapshot"])
@pytest.mark.parametrize("name", [JOINING, MEMBERS[0]])
@pytest.mark.parametrize("step", ["disk", "process"])
def test_a_node_joins_though_it_or_a_source_dies_at_any_step(
    step: Step, name: str, is_cut: bool
) -> None:
    count = steps(name, step, is_cut=is_cut)
    tried = range(min(count, FAR_APART) // 2, count + 1, FAR_APART)
    assert tried.start > 1
    assert all(dies(name, step, at, is_cut=is_cut) for at in tried)
